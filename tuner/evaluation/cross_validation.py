"""A configuration trained once for each fold of all events: every event is scored by a stranger."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from tuner.errors import describe_failure
from tuner.evaluation.folds import OutOfFold, fold_events, load_joined
from tuner.evaluation.pack_training import TrainedMember, train_apart
from tuner.prediction.network import score_events
from tuner.progress.logs import NOTES
from tuner.training.checkpoints import restore_network
from tuner.training.device import find_device
from tuner.training.member import Member
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord

logger = logging.getLogger("tuner")

PURPOSE = 99
"""Purpose of the first fold's seed, in `derive_seed`; the others count down."""


def train_folds(
    search: Search,
    trial: TrialRecord,
    *,
    folds: int,
    device: str | None = None,
    on_fold: Callable[[], object] = lambda: None,
) -> OutOfFold:
    """Train a trial's configuration once for each fold of all events, those of the test part among them.

    Fold k is scored by a network that was stopped early on fold k + 1 and trained on all others. The preprocessing
    stays the search's, fitted on its train part: it knows no labels.

    Args:
        search: The search.
        trial: The trial whose configuration it is.
        folds: Number of folds, at least 3.
        device: Where to train; None for a GPU where there is one.
        on_fold: Is called after each training.

    Returns:
        All events with their scores.

    Raises:
        SplitsError: A fold would lack a class.
    """
    events = fold_events(search, folds=folds)
    settings = search.settings(trial)
    members = [
        Member(
            fold,
            settings,
            derive_seed(search.study.seed, trial.number, purpose=PURPOSE - fold),
            train_rows=events.find_used(fold, (fold + 1) % folds),
            validation_rows=events.find((fold + 1) % folds),
        )
        for fold in range(folds)
    ]
    data = load_joined(search, events.part, find_device(device))
    scores = np.full(len(events.folds), np.nan)

    def keep(trained: TrainedMember) -> None:
        fold = trained.member.number
        chosen = events.find(fold)
        try:
            network = restore_network(trained.checkpoint, settings.network)
            scores[chosen] = score_events(network, events.part.x[chosen], str(data.device))
        except Exception as error:  # a network's own code may raise anything
            leave_out(trained.member, describe_failure(error))
            return
        NOTES.info("Fold %d of %d: AUC %.4f on fold %d", fold + 1, folds, trained.member.best, (fold + 1) % folds + 1)
        on_fold()

    def leave_out(member: Member, reason: str) -> None:
        logger.warning("Fold %d of %d failed and is left out: %s", member.number + 1, folds, reason)
        on_fold()

    train_apart(members, data, n_epochs=search.study.budget.epochs, keep=keep, leave_out=leave_out)
    part = events.part
    return OutOfFold(part.rows, part.labels, part.weights, events.folds, scores)
