"""A significance against the cut on the score, with enough background above each cut to believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import check_arrays, effective_number
from tuner.metrics.curves import rank

MIN_BACKGROUND = 50.0
"""Effective background events, (sum w)^2 / sum w^2, that a cut must leave: its background is then known to 14 %."""
NEIGHBOURHOOD = 0.3
"""Cuts are neighbours that differ by at most this share of their effective background events, or by half of those that
a cut must leave, whichever is more."""
AT_FLOOR = 1.1
"""A cut that leaves less than so many times the background that it must leave is at the floor."""


@dataclass(frozen=True)
class CutScan:
    """What cuts "score >= threshold" that leave enough background expect, from the tightest to the loosest; all [k].

    Where a tighter cut is better than all of these although it is judged as if it left enough, it comes first: that of
    a score that separates the classes, or has few values.
    """

    thresholds: np.ndarray
    s: np.ndarray
    """Expected signal above the cut."""
    b: np.ndarray
    """Expected background above the cut."""
    raw_background: np.ndarray
    """Background events above the cut, counted."""
    effective_background: np.ndarray
    """(sum w)^2 / sum w^2 of the background above the cut."""
    significance: np.ndarray
    """Of s and b; where fewer than `min_background` effective events are above, as if there were so many."""
    smoothed: np.ndarray
    """Mean significance of the neighbouring cuts on both sides: a lucky cut does not win."""
    min_background: float
    """Effective background events that a cut must leave to be taken as it is."""

    @property
    def best(self) -> int:
        """Place of the cut with the largest smoothed significance."""
        return int(self.smoothed.argmax())

    @property
    def is_at_floor(self) -> bool:
        """Whether the best cut leaves hardly more background than it must: a tighter one may be better."""
        return bool(self.effective_background[self.best] < AT_FLOOR * self.min_background)


def scan_cuts(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    s: float,
    b: float,
    significance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    min_background: float = MIN_BACKGROUND,
) -> CutScan:
    """Return the significance of the cuts that leave enough background, or are better although they do not.

    A cut that leaves fewer than `min_background` effective events is judged with the background of so many. So a tight
    cut never wins by a background that happens to be missing; and it is still there where a score separates the
    classes, or has only two values.

    Args:
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n]; None: ones. Rescaled per class to the totals `s` and `b`.
        s: Signal events that are expected before the cut.
        b: Background events that are expected before the cut.
        significance: A function of the expected s [k] and b [k] above the cuts.
        min_background: Effective background events that a cut must leave to be judged as it is.

    Raises:
        EventsError: As `check_arrays` does, and where all of the background is not as much as a cut must leave.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    check_background(is_signal, weight, min_background)
    ranking = rank(is_signal, score)
    signal = np.cumsum(np.where(ranking.is_signal, weight[ranking.order], 0.0))[ranking.ends]
    sums = CutSums.of(signal, *ranking.sum_background(weight))
    judge = CutJudge(s, b, significance, min_background)
    smoothed = judge.smooth(sums)
    kept = judge.is_allowed(sums)
    kept[smoothed.argmax()] = True
    return CutScan(
        thresholds=ranking.thresholds[1:][kept],
        s=(s * sums.s / sums.s[-1])[kept],
        b=(b * sums.b / sums.b[-1])[kept],
        raw_background=np.cumsum(~ranking.is_signal)[ranking.ends][kept],
        effective_background=sums.effective[kept],
        significance=judge.judge(sums, min_background)[kept],
        smoothed=smoothed[kept],
        min_background=min_background,
    )


def check_background(is_signal: np.ndarray, weights: np.ndarray, min_background: float) -> None:
    """Raise `EventsError` where all of the background is not as much as a cut must leave."""
    effective = effective_number(weights[~is_signal])
    if effective < min_background * (1 - 1e-9):
        raise EventsError(
            f"A cut must leave at least {min_background:g} effective background events, (sum w)^2 / sum w^2, but "
            f"there are {effective:.3g} of {np.count_nonzero(~is_signal)} background events before any cut. Use more "
            "events, or lower `min_background` of the figure of merit."
        )


@dataclass(frozen=True)
class CutSums:
    """Sums of event weights above each cut, from the tightest to the loosest, all [..., k]."""

    s: np.ndarray
    b: np.ndarray
    squares: np.ndarray
    """Sum of the background's squared weights."""
    effective: np.ndarray
    """(sum w)^2 / sum w^2 of the background."""

    @classmethod
    def of(cls, s: np.ndarray, b: np.ndarray, squares: np.ndarray) -> CutSums:
        """Return the sums with the effective number of background events."""
        effective = np.divide(np.maximum(b, 0) ** 2, squares, out=np.zeros(np.shape(b)), where=squares > 0)
        return cls(s, b, squares, effective)

    @property
    def one_event(self) -> np.ndarray:
        """Background of one effective event of all of it, [..., 1]."""
        one: np.ndarray = self.squares[..., -1:] / self.b[..., -1:]
        return one

    def take(self, at: Any) -> CutSums:
        """Return the sums above some of the cuts, by an index of arrays."""
        return CutSums(self.s[at], self.b[at], self.squares[at], self.effective[at])

    def raise_background(self, least: float, one_event: np.ndarray) -> np.ndarray:
        """Return the background above cuts; where it is fewer than `least` effective events, that of so many.

        An event weighs there what those above the cut weigh, or `one_event` of all of them, whichever is more.
        """
        one = np.divide(self.squares, self.b, out=np.zeros(np.shape(self.b)), where=self.b > 0)
        many: np.ndarray = np.where(self.effective < least, least * np.maximum(one, one_event), self.b)
        return many


@dataclass(frozen=True)
class CutJudge:
    """Judges cuts by a figure at expected totals."""

    s: float
    b: float
    expect: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """The figure of expected s and b above cuts, elementwise."""
    min_background: float

    def is_allowed(self, sums: CutSums) -> np.ndarray:
        """Return which cuts leave enough background, bool [..., k]."""
        allowed: np.ndarray = sums.effective >= self.min_background * (1 - 1e-9)
        return allowed

    def judge(self, sums: CutSums, least: float, *, few: int | None = None) -> np.ndarray:
        """Return the figure of the `few` tightest cuts (None: all), [..., k].

        None is judged with less background than that of `least` effective events.
        """
        tight = sums.take(np.s_[..., :few])
        b = tight.raise_background(least, sums.one_event)
        return self.expect(self.s * tight.s / sums.s[..., -1:], self.b * b / sums.b[..., -1:])

    def smooth(self, sums: CutSums) -> np.ndarray:
        """Return the figure of each cut, [..., k], averaged over its neighbours on both sides.

        The neighbours of an allowed cut may leave half of what it must leave itself: else the tightest would be
        averaged with looser ones alone.
        """
        first, last = find_neighbours(sums.effective, self.min_background / 2)
        values = self.judge(sums, self.min_background / 2)
        smoothed = _average(values, first, last)
        below = ~self.is_allowed(sums)
        if below.any():
            few = int(np.nonzero(below)[-1].max()) + 1
            at_least = values.copy()
            at_least[..., :few] = self.judge(sums, self.min_background, few=few)
            smoothed = np.where(below, np.minimum(at_least, _average(at_least, first, last)), smoothed)
        return smoothed


def find_neighbours(effective: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first neighbour of each cut and the one after the last, [..., k] each.

    effective: background events above each cut, [..., k]. A neighbourhood reaches as far to one side as to the other,
    in effective background events: at least `reach`, and no farther than to the tightest or the loosest cut.
    """
    rising = np.maximum.accumulate(effective, axis=-1)
    width = np.minimum(np.maximum(reach, NEIGHBOURHOOD * rising), np.minimum(rising, rising[..., -1:] - rising))
    ends = rising - width * (1 + 1e-9), rising + width * (1 + 1e-9)
    first, last = np.empty(rising.shape, dtype=np.int64), np.empty(rising.shape, dtype=np.int64)
    for row in np.ndindex(rising.shape[:-1]):
        first[row] = np.searchsorted(rising[row], ends[0][row], "left")
        last[row] = np.searchsorted(rising[row], ends[1][row], "right")
    return first, last


def _average(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the mean over each neighbourhood, [..., k]."""
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    above, below = (np.take_along_axis(sums, np.broadcast_to(ends, values.shape), axis=-1) for ends in (last, first))
    mean: np.ndarray = (above - below) / (last - first)
    return mean
