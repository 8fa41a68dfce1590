"""Events that baselines are fitted on: those of positive training weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuner.errors import SplitsError
from tuner.progress.wording import write_count

if TYPE_CHECKING:
    from tuner.preparation.splits import Splits


@dataclass(frozen=True, eq=False)
class FittingEvents:
    """Events that trees and the like are fitted on, or that say when to stop. No weight is negative or 0."""

    x: np.ndarray
    """Prepared inputs [n, d_in]."""
    labels: np.ndarray
    """[n] in {0, 1}."""
    weights: np.ndarray
    """Training weights [n], like the loss of the networks."""


def take_fitting_events(
    x: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, part: str
) -> tuple[FittingEvents, str]:
    """Return the events of positive training weight, and a note where some have a negative one.

    Trees cannot use negative weights. Events that have one are left out, and the rest of their class is scaled up so
    that the class keeps its total.

    Args:
        x: prepared inputs [n, d_in].
        labels: [n] in {0, 1}.
        weights: training weights [n].
        part: what to call the events, such as "train".

    Returns:
        The events, and a note, empty where no weight is negative.

    Raises:
        SplitsError: a class has no event of positive weight.
    """
    weights = np.asarray(weights, np.float64)
    _check(labels, weights, part)
    used = weights > 0
    kept = np.where(used, weights, 0.0)
    for label in (0, 1):
        chosen = labels == label
        if (total := weights[chosen].sum()) > 0:
            kept[chosen] *= total / kept[chosen].sum()
    note = ""
    if n_negative := int((weights < 0).sum()):
        note = (
            f"{write_count(n_negative, f'{part} event')} of negative weight left out of the fit; "
            "the rest of the class scaled up to its total."
        )
    return FittingEvents(x[used], labels[used], kept[used]), note


def _check(labels: np.ndarray, weights: np.ndarray, part: str) -> None:
    for label, kind in ((1, "signal"), (0, "background")):
        if not (weights[labels == label] > 0).any():
            raise SplitsError(
                f"Baselines need {kind} events of positive weight in the {part} part, but there are none. Use more "
                "events, or `baseline_trials=0` for no baselines."
            )


def check_fitting_events(splits: Splits) -> None:
    """Raise `SplitsError` where a class has no event of positive weight in a part that baselines are fitted on."""
    for name, part in (("train", splits.train), ("validation", splits.validation)):
        _check(part.labels, np.asarray(part.training_weights), name)


@dataclass(frozen=True)
class FittingData:
    """Train and validation events, and what a person should know of them."""

    train: FittingEvents
    validation: FittingEvents
    notes: tuple[str, ...]

    @classmethod
    def take(cls, splits: Splits) -> FittingData:
        """Take them out of the prepared parts. Raise `SplitsError` where a class has no event of positive weight."""
        (train, of_train), (validation, of_validation) = (
            take_fitting_events(part.x, part.labels, part.training_weights, part=name)
            for name, part in (("train", splits.train), ("validation", splits.validation))
        )
        return cls(train, validation, tuple(filter(None, (of_train, of_validation))))

    @property
    def both(self) -> FittingEvents:
        """Train and validation events together; in each part the training weights have mean 1."""
        parts = self.train, self.validation
        x, labels, weights = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("x", "labels", "weights")
        )
        return FittingEvents(x, labels, weights)
