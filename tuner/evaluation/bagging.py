"""The bag: a configuration trained once for each fold of train + validation; and the refit: once on all of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tuner.evaluation.folds import FoldedEvents, OutOfFold, find_used, fold_events, join_parts, load_joined
from tuner.evaluation.kept_trainings import KeptTraining, describe_origin, keep_training, read_training
from tuner.evaluation.pack_training import TrainedMember, train_apart
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor
from tuner.preparation.splits import Part
from tuner.progress.logs import NOTES
from tuner.training.device import find_device
from tuner.training.member import Member
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.trained_network import TrainedNetwork

logger = logging.getLogger("tuner")

BAG_PARTS = ("train", "validation")

FOLD_PURPOSE, REFIT_PURPOSE = 10_000, 20_000
"""Purpose of the first fold's seed and of the refit's, in `derive_seed`."""


@dataclass(frozen=True, eq=False)
class Bag:
    """Networks of one configuration, one for each fold of train + validation, that did not train on that fold."""

    search: Search
    trial: TrialRecord
    events: FoldedEvents
    trainings: tuple[KeptTraining, ...]
    """One for each fold, but for those that failed."""
    device: str | None = None

    @property
    def networks(self) -> tuple[TrainedNetwork, ...]:
        """The networks, each with the same share in the mean of their scores."""
        share = 1 / len(self.trainings)
        return tuple(replace(training.network, weight=share) for training in self.trainings)

    @property
    def n_parameters(self) -> int:
        """Parameters of all networks together."""
        return sum(training.n_parameters for training in self.trainings)

    @cached_property
    def out_of_fold(self) -> OutOfFold:
        """Events of train + validation, each scored by the network of its fold.

        A single network gave each score, so figures of them are those of one network that trained on all folds but
        one; the mean of all networks, which is the bag, does a little better. Each network was stopped early on the
        fold that it scores.
        """
        part = self.events.part
        scores = np.full(len(part.labels), np.nan)
        for training in self.trainings:
            network = load_network(self.search, Predictor(training.network.name, (training.network,)))
            chosen = self.events.find(training.network.number)
            scores[chosen] = score_events(network, part.x[chosen], self.device)
        return OutOfFold(part.rows, part.labels, part.weights, self.events.folds, scores)


def train_bag(
    search: Search,
    trial: TrialRecord,
    *,
    folds: int,
    event_id: np.ndarray | None = None,
    device: str | None = None,
    on_trained: Callable[[], object] = lambda: None,
) -> Bag | None:
    """Train a trial's configuration once for each fold of train + validation, all of them as one pack.

    Each network trains on the events outside of its fold and is stopped early on its fold. Weights, preprocessing and
    budget of epochs are the search's own; dropout is drawn for each network apart. What is in the run folder and
    follows from the same is not trained again. A training that fails is left out with a warning.

    Args:
        search: The search.
        trial: The trial whose configuration it is.
        folds: Number of folds.
        event_id: Ids of all events as read, [n]; rows that share one come into one fold.
        device: Where to train; None for a GPU where there is one.
        on_trained: Is called after each training.

    Returns:
        The bag; None where each training failed.

    Raises:
        SplitsError: A fold would lack a class.
        SearchError: The search space no longer gives the trial's settings.
    """
    events = fold_events(search, folds=folds, parts=BAG_PARTS, event_id=event_id)
    origin = describe_origin(search, trial, folds=folds, events_in_folds=events.fingerprint)
    settings = search.settings(trial)
    members = [
        Member(
            fold,
            settings,
            derive_seed(search.study.seed, trial.number, purpose=FOLD_PURPOSE + fold),
            train_rows=events.find_used(fold),
            validation_rows=events.find(fold),
        )
        for fold in range(folds)
    ]
    names = [TrainedNetwork(trial.number, "fold", fold) for fold in range(folds)]
    found = _train(search, names, members, events.part, origin=origin, device=device, on_trained=on_trained)
    if not found:
        logger.warning("Each of the %d trainings of a bag of trial %d failed: there is no bag.", folds, trial.number)
        return None
    return Bag(search, trial, events, found, device)


def refit(
    search: Search,
    trial: TrialRecord,
    *,
    best_epochs: Sequence[int],
    device: str | None = None,
    on_trained: Callable[[], object] = lambda: None,
) -> KeptTraining | None:
    """Train a trial's configuration once on all of train + validation, without early stopping.

    It ends after the median of the best epochs that early stopping found for this configuration. Passes over the
    events are kept, and not steps: with a third more events it takes a third more steps of the same batch size, at
    the same place of its schedule, as boosted trees get no more rounds either. What is in the run folder and follows
    from the same is not trained again.

    Args:
        search: The search.
        trial: The trial whose configuration it is.
        best_epochs: Best epochs of trainings that were stopped early: a finalist's, or those of a bag.
        device: Where to train; None for a GPU where there is one.
        on_trained: Is called after the training.

    Returns:
        The training; its value is of events that it was trained on. None where it failed, of which a warning tells.

    Raises:
        SearchError: The search space no longer gives the trial's settings.
    """
    part = join_parts(search, BAG_PARTS)
    n_epochs = max(1, round(float(np.median(best_epochs))))
    member = Member(
        0,
        search.settings(trial),
        derive_seed(search.study.seed, trial.number, purpose=REFIT_PURPOSE),
        train_rows=find_used(part),
        validation_rows=np.arange(len(search.splits.train.labels), len(part.labels)),
        n_epochs=n_epochs,
    )
    name = TrainedNetwork(trial.number, "refit")
    origin = describe_origin(search, trial, refit_epochs=n_epochs, splits=search.splits.fingerprint)
    found = _train(search, [name], [member], part, origin=origin, device=device, on_trained=on_trained)
    return found[0] if found else None


def _train(
    search: Search,
    names: Sequence[TrainedNetwork],
    members: Sequence[Member],
    part: Part,
    *,
    origin: Mapping[str, Any],
    device: str | None,
    on_trained: Callable[[], object],
) -> tuple[KeptTraining, ...]:
    """Return the trainings of these names, those of earlier calls among them; train what is missing as one pack."""
    kept = {name: read_training(search, name, origin=origin) for name in names}
    by_number = {member.number: name for name, member in zip(names, members, strict=True)}

    def keep(trained: TrainedMember) -> None:
        name = by_number[trained.member.number]
        kept[name] = found = keep_training(search, name, trained, origin=origin)
        NOTES.info("Trained %s: AUC %.4f after %d epochs", name.name, found.value, found.best_epoch)
        on_trained()

    def leave_out(member: Member, reason: str) -> None:
        logger.warning("%s failed and is left out: %s", by_number[member.number].name.capitalize(), reason)
        on_trained()

    missing = [member for member in members if kept[by_number[member.number]] is None]
    if missing:
        data = load_joined(search, part, find_device(device))
        train_apart(missing, data, n_epochs=search.study.budget.epochs, keep=keep, leave_out=leave_out)
    return tuple(training for training in kept.values() if training is not None)
