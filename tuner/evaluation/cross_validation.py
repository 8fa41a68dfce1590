"""A setting trained once for each fold, the folds as members of one pack: every event is scored by a stranger."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tuner.evaluation.retraining import RANDOMNESS
from tuner.preparation.splits import PARTS, Part
from tuner.preparation.splitting import assign_folds
from tuner.preparation.training_weights import make_training_weights
from tuner.progress.logs import NOTES
from tuner.training.data import TrainingData
from tuner.training.device import find_device, keep_random_state
from tuner.training.loop import Outcome, train_members
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import choose_pack_size
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord

PURPOSE = 99
"""Purpose of the first fold's seed, in `derive_seed`; the others count down."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """All events of a study, each with the score of a network that never saw it; all [n]."""

    rows: np.ndarray
    """Places in the events as read, int64."""
    labels: np.ndarray
    """In {0, 1}."""
    weights: np.ndarray
    """Event weights as they were read, float64."""
    folds: np.ndarray
    """Fold that the event belongs to, int64."""
    scores: np.ndarray
    """Float64 in (0, 1); not-a-number where the fold's training failed."""


def train_folds(
    search: Search,
    trial: TrialRecord,
    *,
    folds: int,
    event_id: np.ndarray | None = None,
    device: str | None = None,
    on_fold: Callable[[], object] = lambda: None,
) -> OutOfFold:
    """Train a trial's setting once for each fold of all events, those of the test part among them.

    Fold k is scored by a network that was stopped early on fold k + 1 and trained on all others. event_id: of all
    events as read, [n]; rows that share an id come into one fold. The preprocessing stays the search's, fitted on its
    train part: it knows no labels. on_fold: is called after each training.
    Raise `SplitsError` where a fold would lack a class.
    """
    part = _join_parts(search)
    assigned = assign_search_folds(search, folds=folds, event_id=event_id)
    data = _load(search, part, find_device(device))
    used = data.weights.cpu().numpy() != 0
    settings = search.settings(trial)
    members = []
    for fold in range(folds):
        stopped_on = (fold + 1) % folds
        train_rows = np.flatnonzero(used & (assigned != fold) & (assigned != stopped_on))
        seed = derive_seed(search.study.seed, trial.number, purpose=PURPOSE - fold)
        validation_rows = np.flatnonzero(assigned == stopped_on)
        members.append(Member(fold, settings, seed, train_rows=train_rows, validation_rows=validation_rows))
    n_events = min(len(member.train_rows) for member in members if member.train_rows is not None)
    scores = np.full(len(part.labels), np.nan)

    def end(member: Member, row: int, outcome: Outcome) -> None:
        if outcome.state != "failed":
            chosen = np.flatnonzero(assigned == member.number)
            scores[chosen] = pack.best_scores(row, data.x[torch.from_numpy(chosen).to(data.device)])
        NOTES.info("Fold %d of %d: %s", member.number + 1, folds, outcome.reason)
        on_fold()

    with keep_random_state(data.device):
        pack = Pack(settings, data, n_epochs=search.study.budget.epochs, n_events=n_events, randomness=RANDOMNESS)
        slots = choose_pack_size(pack, settings, most=folds).slots
        queue = iter(members)
        pack.admit(*itertools.islice(queue, slots))
        torch.manual_seed(members[0].seed)
        train_members(pack, on_epoch=lambda _: "go on", on_end=end, refill=lambda: next(queue, None))
    return OutOfFold(np.asarray(part.rows), np.asarray(part.labels), np.asarray(part.weights), assigned, scores)


def assign_search_folds(search: Search, *, folds: int, event_id: np.ndarray | None = None) -> np.ndarray:
    """Return the fold of each event of a search, int64 [n], those of train first, then validation, then test.

    event_id: of all events as read. Raise `SplitsError` where a fold would lack a class.
    """
    parts = [getattr(search.splits, name) for name in PARTS]
    labels, rows = (np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "rows"))
    ids = None if event_id is None else np.asarray(event_id)[rows]
    return assign_folds(labels, ids, folds=folds, seed=search.study.preparation.seed)


def _join_parts(search: Search) -> Part:
    """Return all events as one part, training weights made for all of them together."""
    parts = [getattr(search.splits, name) for name in PARTS]
    x, labels, weights, rows = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "labels", "weights", "rows")
    )
    preparation = search.study.preparation
    used = make_training_weights(labels, weights, balance=preparation.balance, negative=preparation.negative_weights)
    return Part(x, labels, weights, used, rows)


def _load(search: Search, part: Part, device: torch.device) -> TrainingData:
    """Return the same events as train and as validation part on a device; members choose theirs."""
    x, labels = (torch.from_numpy(array).to(device) for array in (part.x, part.labels))
    kept = make_training_weights(part.labels, part.weights, balance=search.study.preparation.balance, negative="keep")
    return TrainingData(
        x=x,
        labels=labels,
        weights=torch.from_numpy(part.training_weights).to(device),
        validation_x=x,
        validation_labels=labels,
        validation_weights=torch.from_numpy(part.weights).to(device),
        validation_training_weights=torch.from_numpy(kept).to(device),
    )
