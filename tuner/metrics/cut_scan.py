"""A significance against the cut on the score, with enough background above each cut to believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """What each cut "score >= threshold" that leaves enough background expects, from the tightest to the loosest; all [k].

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
    ordered, is_background = weight[ranking.order], ~ranking.is_signal
    sums = CutSums.of(
        *(np.cumsum(x)[ranking.ends] for x in (ordered * ~is_background, ordered * is_background)),
        np.cumsum(ordered**2 * is_background)[ranking.ends],
    )
    judge = CutJudge(s, b, significance, min_background)
    smoothed = judge.smooth(sums)
    kept = judge.is_allowed(sums)
    best = int(smoothed.argmax())
    kept[best] = True
    return CutScan(
        thresholds=ranking.thresholds[1:][kept],
        s=(s * sums.s / sums.s[-1])[kept],
        b=(b * sums.b / sums.b[-1])[kept],
        raw_background=np.cumsum(is_background)[ranking.ends][kept],
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
    """Sums of event weights above each cut, from the tightest to the loosest, all [k]."""

    s: np.ndarray
    b: np.ndarray
    squares: np.ndarray
    """Sum of the background's squared weights."""
    effective: np.ndarray
    """(sum w)^2 / sum w^2 of the background."""

    @classmethod
    def of(cls, s: np.ndarray, b: np.ndarray, squares: np.ndarray) -> CutSums:
        """Return the sums with the effective number of background events."""
        effective = np.divide(np.maximum(b, 0) ** 2, squares, out=np.zeros(len(b)), where=squares > 0)
        return cls(s, b, squares, effective)

    def raise_background(self, least: float, at: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the background above cuts; where it is fewer than `least` effective events, that of so many.

        An event weighs there what those above the cut weigh, or all of them, whichever is more.
        """
        b, squares = self.b[at], self.squares[at]
        one = np.divide(squares, b, out=np.zeros(np.shape(b)), where=b > 0)
        many: np.ndarray = np.where(
            self.effective[at] < least, least * np.maximum(one, self.squares[-1] / self.b[-1]), b
        )
        return many


@dataclass(frozen=True)
class CutJudge:
    """Judges cuts by a figure at expected totals."""

    s: float
    b: float
    expect: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Of expected s and b above cuts, [k] each, to [..., k]."""
    min_background: float

    def is_allowed(self, sums: CutSums) -> np.ndarray:
        """Return which cuts leave enough background, bool [k]."""
        allowed: np.ndarray = sums.effective >= self.min_background * (1 - 1e-9)
        return allowed

    def judge(self, sums: CutSums, least: float) -> np.ndarray:
        """Return the figure of each cut, [..., k], none with less background than that of `least` effective events."""
        return self.expect(self.s * sums.s / sums.s[-1], self.b * sums.raise_background(least) / sums.b[-1])

    def smooth(self, sums: CutSums) -> np.ndarray:
        """Return the figure of each cut, [..., k], averaged over its neighbours on both sides.

        The neighbours of an allowed cut may leave half of what it must leave itself: else the tightest would be
        averaged with looser ones alone.
        """
        neighbours = find_neighbours(sums.effective, self.min_background / 2)
        at_least = self.judge(sums, self.min_background)
        smoothed: np.ndarray = np.where(
            self.is_allowed(sums),
            _average(self.judge(sums, self.min_background / 2), *neighbours),
            np.minimum(at_least, _average(at_least, *neighbours)),
        )
        return smoothed


def find_neighbours(effective: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the first neighbour of each cut and the one after the last, [k] each.

    effective: background events above each cut, [k]. A neighbourhood reaches as far to one side as to the other, in
    effective background events: at least `reach`, and no farther than to the tightest or the loosest cut.
    """
    rising = np.maximum.accumulate(effective)
    width = np.minimum(np.maximum(reach, NEIGHBOURHOOD * rising), np.minimum(rising, rising[-1] - rising)) * (1 + 1e-9)
    return np.searchsorted(rising, rising - width, "left"), np.searchsorted(rising, rising + width, "right")


def _average(values: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the mean over each neighbourhood, [..., k]."""
    sums = np.insert(np.cumsum(values, axis=-1), 0, 0.0, axis=-1)
    mean: np.ndarray = (sums[..., last] - sums[..., first]) / (last - first)
    return mean
