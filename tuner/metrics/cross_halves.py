"""A figure at a cut that one half of the events chose, measured on the other: what a search may rank by.

Chosen and measured on the same events, the best of many cuts is partly the luckiest. Halves are the same for all scores
of the same events, and an event stays in its half however often a bootstrap draws it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuner.metrics.curves import rank
from tuner.metrics.cut_scan import AT_FLOOR, NEIGHBOURHOOD, CutJudge, CutSums

STEP = 0.03
"""Each cut selects at least this share more events than the one before: finer ones are neighbours all the same."""
N_SPLITS = 4
"""Ways to split the events into halves, of which the mean is taken."""
OFFSETS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
"""Where in its neighbourhood a cut is measured, in units of the reach."""
SMOOTHING = np.array([-3.0, 12.0, 17.0, 12.0, -3.0]) / 35
"""Weights there: the middle of a parabola fitted to the five (Savitzky and Golay, doi:10.1021/ac60214a047). It takes
chance out of one cut's counts, and not the height out of a maximum."""


@dataclass(frozen=True)
class CrossHalves:
    """One candidate's cuts, and which event is in which half: ranked once, summed for every replica."""

    weights: np.ndarray
    """[n]."""
    keys: np.ndarray
    """[m, n], 4 * cut + 2 * half + is_signal for each split; the cut is the tightest that selects the event."""
    n_cuts: int
    is_signal: np.ndarray
    judge: CutJudge

    @classmethod
    def of(
        cls,
        is_signal: np.ndarray,
        scores: np.ndarray,
        weights: np.ndarray,
        *,
        s: float,
        b: float,
        expect: Callable[[np.ndarray, np.ndarray], np.ndarray],
        min_background: float,
        n_splits: int = N_SPLITS,
    ) -> CrossHalves:
        """Return the halves of checked events.

        Args:
            is_signal: Bool [n].
            scores: [n].
            weights: [n], rescaled per class and half to the totals `s` and `b`.
            s: Signal events that are expected before the cut.
            b: Background events that are expected before the cut.
            expect: The figure of s and b above cuts [h, 1 or q, k] as [h, q, k], for q settings of it at once.
            min_background: Effective background events that a cut must leave of all events; of a half, half of it.
            n_splits: Ways to split the events.
        """
        ranking, n = rank(is_signal, scores), len(scores)
        n_selected = ranking.ends + 1
        steps = np.geomspace(1, n, 2 + int(np.log(n) / np.log1p(STEP)))
        chosen = np.unique(np.searchsorted(n_selected, np.floor(steps)))
        place = np.empty(n, np.int64)
        place[ranking.order] = np.searchsorted(n_selected[chosen], np.arange(n), side="right")
        halves = [_split(is_signal, np.random.default_rng(split)) for split in range(n_splits)]
        keys = np.array([4 * place + 2 * half + is_signal for half in halves])
        return cls(weights, keys, len(chosen), is_signal, CutJudge(s, b, expect, min_background / 2))

    def cross(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Return the figure where event i comes counts[i] times, [n] (None: once): the mean over splits and halves.

        Float64 [q], a value for each of the q that `expect` returns. A split in which the negative weights of a class
        prevail on a half counts for nothing; where no other is left, not-a-number.
        """
        sums = self._sum(counts)
        if not len(sums.s):
            return np.full(self._n_values, np.nan)
        halves = np.arange(len(sums.s))
        partner = halves ^ 1
        mean: np.ndarray = self._measure(sums, self._choose(sums)[partner]).mean(axis=0)
        return mean

    def find_floors(self) -> np.ndarray:
        """Return whether the cuts of a quarter of the halves leave hardly more background than they must, bool [q].

        Tighter cuts may then be better, but these events cannot tell.
        """
        sums = self._sum(None)
        if not len(sums.s):
            return np.zeros(self._n_values, bool)
        chosen = self._choose(sums)[..., [len(OFFSETS) // 2]]
        left = sums.take((np.arange(len(chosen))[:, None, None], 0, chosen)).effective[..., 0]
        floors: np.ndarray = (left < AT_FLOOR * self.judge.min_background).mean(axis=0) >= 0.25
        return floors

    @property
    def _n_values(self) -> int:
        """The number of values q that `expect` returns for a cut."""
        return len(self.judge.expect(np.ones((1, 1, 1)), np.ones((1, 1, 1)))[0])

    def _sum(self, counts: np.ndarray | None) -> CutSums:
        """Return the sums above each cut, [h, 1, k]; the two halves of a split follow each other."""
        weights = self.weights if counts is None else self.weights * counts
        squares, length = np.where(self.is_signal, 0.0, weights * self.weights), 4 * self.n_cuts
        above, above_squares = (
            np.array([np.bincount(key, values, length) for key in self.keys]).reshape(-1, self.n_cuts, 2, 2).cumsum(1)
            for values in (weights, squares)
        )
        known = (above[:, -1] > 0).all(axis=(1, 2))
        by_half = above[known].transpose(0, 2, 3, 1).reshape(-1, 2, 1, self.n_cuts)
        squares_by_half = above_squares[known].transpose(0, 2, 3, 1).reshape(-1, 2, 1, self.n_cuts)
        return CutSums.of(by_half[:, 1], by_half[:, 0], squares_by_half[:, 0])

    def _choose(self, sums: CutSums) -> np.ndarray:
        """Return each half's best cut after smoothing and its neighbours, [h, q, 5], evenly over the neighbourhood."""
        best = self.judge.smooth(sums).argmax(axis=-1)
        rising = np.maximum.accumulate(sums.effective[:, 0], axis=-1)
        middle = np.take_along_axis(rising, best, axis=-1)
        reach = np.maximum(self.judge.min_background / 2, NEIGHBOURHOOD * middle)
        reach = np.minimum(reach, np.minimum(middle, rising[:, -1:] - middle))
        near = middle[..., None] + OFFSETS * reach[..., None]
        # Never farther than the reach: the first cut that leaves as much on the tight side, the last on the loose one.
        tight, loose = (
            np.array([np.searchsorted(row, ends, side) for row, ends in zip(rising, near, strict=True)])
            for side in ("left", "right")
        )
        best = best[..., None]
        cuts: np.ndarray = np.where(OFFSETS < 0, np.minimum(tight, best), np.maximum(loose - 1, best))
        cuts[..., len(OFFSETS) // 2] = best[..., 0]
        return cuts

    def _measure(self, sums: CutSums, cuts: np.ndarray) -> np.ndarray:
        """Return the figure of a cut, smoothed over its neighbours, on halves that did not choose them; [h, q].

        cuts: [h, q, 5]. A figure is a convex function of the background, so counts that scatter by 1/sqrt(N) make it
        too large on average, by half its second difference over that scatter; that is taken off.
        """
        judge, few = self.judge, self.judge.min_background / 4
        taken = sums.take((np.arange(len(cuts))[:, None, None], 0, cuts))
        # Hardly any background on this half is no proof that there is none: it counts as some events, if only a few.
        b = np.maximum(taken.raise_background(few, sums.one_event), sums.one_event)
        s, b = judge.s * taken.s / sums.s[..., -1:], judge.b * b / sums.b[..., -1:]
        scatter = b / np.sqrt(np.maximum(taken.effective, max(few, 4.0)))
        found = judge.expect(np.concatenate([s, s, s], axis=-1), np.concatenate([b, b - scatter, b + scatter], axis=-1))
        middle, low, high = np.split(found, 3, axis=-1)
        smoothed: np.ndarray = (2 * middle - (low + high) / 2) @ SMOOTHING
        return smoothed


def _split(is_signal: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return which events are in the second half, bool [n]: half of either class."""
    second = np.zeros(len(is_signal), bool)
    for rows in (np.flatnonzero(is_signal), np.flatnonzero(~is_signal)):
        second[generator.permutation(rows)[: len(rows) // 2]] = True
    return second
