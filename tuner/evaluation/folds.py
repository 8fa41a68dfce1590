"""Parts of a search's events joined and cut into folds, so that each event is scored by a network that never saw it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
import torch

from tuner.errors import SplitsError
from tuner.mapped_arrays import join_rows
from tuner.preparation.folds import assign_folds
from tuner.preparation.splits import Part
from tuner.preparation.splitting import PARTS
from tuner.preparation.training_weights import make_training_weights
from tuner.training.data import TrainingData
from tuner.training.mapped_inputs import MappedInputs
from tuner.tuning.search import Search


@dataclass(frozen=True, eq=False)
class FoldedEvents:
    """Events of some parts together, and the fold that each belongs to."""

    part: Part
    """The events; training weights are made for all of them together."""
    folds: np.ndarray
    """Fold of each event, int64 [n] in 0 .. n_folds - 1; events that share an id are in one fold."""
    n_folds: int

    def find(self, fold: int) -> np.ndarray:
        """Return the places of a fold's events, int64, in ascending order."""
        return np.flatnonzero(self.folds == fold)

    def find_used(self, *left_out: int) -> np.ndarray:
        """Return the places of events outside of some folds that training uses: those of training weight not 0."""
        return find_used(self.part, ~np.isin(self.folds, left_out))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of which events there are, in which fold, and of what each counts in training."""
        digest = hashlib.sha256()
        for array in (self.part.rows, self.folds, self.part.training_weights):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


OUT_OF_FOLD = "train + validation, out of fold"
"""Name of the events of the two parts as networks of other folds score them."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Events of a study, each with the score of a network that never saw it; all [n]."""

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

    @property
    def is_scored(self) -> np.ndarray:
        """Whether an event has a score, bool [n]."""
        is_scored: np.ndarray = ~np.isnan(self.scores)
        return is_scored

    def tabulate(self) -> pd.DataFrame:
        """Return a table with the columns row, label, weight, fold, score."""
        return pd.DataFrame(
            {
                "row": self.rows,
                "label": self.labels.astype(np.int8),
                "weight": self.weights,
                "fold": self.folds,
                "score": self.scores,
            }
        )

    def take_scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the scores [m] of events by their places in the events as read, int64 [m]; each must be here."""
        order = np.argsort(self.rows)
        scores: np.ndarray = self.scores[order[np.searchsorted(self.rows, rows, sorter=order)]]
        return scores

    def take_scored(self) -> OutOfFold:
        """Return the events that have a score."""
        return OutOfFold(**{f.name: getattr(self, f.name)[self.is_scored] for f in fields(self)})


def fold_events(search: Search, *, folds: int, parts: Sequence[str] = PARTS) -> FoldedEvents:
    """Return a search's events of some parts, one part after the other, cut into folds.

    Args:
        search: The search; its preprocessing stays as it was fitted on the train part.
        folds: Number of folds; each class is spread alike over them, and events that share an id come into one.
        parts: Of "train", "validation" and "test", those that are joined.

    Raises:
        SplitsError: A fold would lack a class, or the weights of one do not add up to more than 0 in it.
    """
    assigned = assign_search_folds(search, folds=folds, parts=parts)
    return FoldedEvents(join_parts(search, parts), assigned, folds)


def assign_search_folds(search: Search, *, folds: int, parts: Sequence[str] = PARTS) -> np.ndarray:
    """Return the fold of each event of some parts, int64 [n], one part after the other; see `fold_events`."""
    joined = [getattr(search.splits, name) for name in parts]
    labels, weights, rows = (
        np.concatenate([getattr(part, name) for part in joined]) for name in ("labels", "weights", "rows")
    )
    groups = search.splits.groups
    own = None if groups is None else groups[rows]
    assigned = assign_folds(labels, own, folds=folds, seed=search.study.preparation.seed)
    _check_weights(labels, weights, assigned, folds)
    return assigned


def join_parts(search: Search, names: Sequence[str]) -> Part:
    """Return the events of some parts as one, training weights made for all of them together."""
    parts = [getattr(search.splits, name) for name in names]
    x = join_rows([part.x for part in parts])
    labels, weights, rows = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("labels", "weights", "rows")
    )
    preparation = search.study.preparation
    kind, negative = preparation.training_weights, preparation.negative_weights
    used = make_training_weights(labels, weights, kind=kind, negative=negative)
    return Part(x, labels, weights, used, rows)


def find_used(part: Part, among: np.ndarray | bool = True) -> np.ndarray:
    """Return the places of events, among some or all [n], that training uses: those of training weight not 0."""
    return np.flatnonzero((part.training_weights != 0) & among)


def load_joined(search: Search, part: Part, device: torch.device) -> TrainingData:
    """Return the same events as train and as validation part on a device; members choose theirs."""
    x, labels = (torch.from_numpy(np.asarray(array)).to(device) for array in (part.x, part.labels))
    kind = search.study.preparation.training_weights
    kept = make_training_weights(part.labels, part.weights, kind=kind, negative="keep")
    return TrainingData(
        x=x,
        labels=labels,
        weights=torch.from_numpy(part.training_weights).to(device),
        validation_x=x,
        validation_labels=labels,
        validation_weights=torch.from_numpy(part.weights).to(device),
        validation_training_weights=torch.from_numpy(kept).to(device),
        mapped=MappedInputs(part.x) if x.device.type == "cpu" else None,
    )


def _check_weights(labels: np.ndarray, weights: np.ndarray, assigned: np.ndarray, folds: int) -> None:
    """Raise `SplitsError` where the weights of a class do not add up to more than 0 in a fold."""
    for label, kind in ((1, "signal"), (0, "background")):
        totals = np.bincount(assigned, weights=weights * (labels == label), minlength=folds)
        worst = int(totals.argmin())
        if totals[worst] <= 0:
            raise SplitsError(
                f"Weights of {kind} must add up to more than 0 in each of {folds} folds, but add up to "
                f"{totals[worst]:g} in fold {worst}. Use fewer folds, or more events."
            )
