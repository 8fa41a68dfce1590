"""A figure at a cut that one half of the events chose, measured on the other: what a search may rank by.

Chosen and measured on the same events, the best of many cuts is partly the luckiest. Halves are the same for all scores
of the same events, and an event stays in its half however often a bootstrap draws it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuner.metrics.curves import rank
from tuner.metrics.cut_scan import NEIGHBOURHOOD, CutJudge, CutSums

STEP = 0.02
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
            expect: The figure of s and b above cuts, of any shape [..., k].
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

        The shape is that of one cut's figure. A half in which the negative weights of a class prevail gives
        not-a-number, and counts for nothing.
        """
        weights = self.weights if counts is None else self.weights * counts
        squares = np.where(self.is_signal, 0.0, weights * self.weights)
        found = []
        for key in self.keys:
            halves = self._sum(key, weights, squares)
            if halves is None:
                continue
            found += [
                self._measure(halves[1], self._choose(halves[0])),
                self._measure(halves[0], self._choose(halves[1])),
            ]
        return np.mean(found, axis=0) if found else np.asarray(np.nan)

    def _sum(self, key: np.ndarray, weights: np.ndarray, squares: np.ndarray) -> tuple[CutSums, CutSums] | None:
        """Return the sums above each cut of either half; None where a class has no positive total weight."""
        length = 4 * self.n_cuts
        above = np.bincount(key, weights, length).reshape(-1, 2, 2).cumsum(axis=0)
        above_squares = np.bincount(key, squares, length).reshape(-1, 2, 2).cumsum(axis=0)
        if not (above[-1] > 0).all():
            return None
        first, second = (CutSums.of(above[:, h, 1], above[:, h, 0], above_squares[:, h, 0]) for h in (0, 1))
        return first, second

    def _choose(self, half: CutSums) -> np.ndarray:
        """Return the best cut after smoothing and its neighbours, [..., 5], evenly over the neighbourhood."""
        best = self.judge.smooth(half).argmax(axis=-1)
        rising = np.maximum.accumulate(half.effective)
        reach = np.maximum(self.judge.min_background / 2, NEIGHBOURHOOD * rising[best])
        reach = np.minimum(reach, rising[-1] - rising[best])
        near = rising[best][..., None] + OFFSETS * reach[..., None]
        cuts: np.ndarray = np.minimum(np.searchsorted(rising, near * (1 - 1e-9)), len(rising) - 1)
        cuts[..., len(OFFSETS) // 2] = best
        return cuts

    def _measure(self, half: CutSums, cuts: np.ndarray) -> np.ndarray:
        """Return the smoothed figure of neighbouring cuts, [..., 5], on a half that did not choose them.

        A figure is a convex function of the background, so counts that scatter by 1/sqrt(N) make it too large on
        average, by half its second difference over that scatter; that is taken off.
        """
        judge = self.judge
        b = half.raise_background(judge.min_background / 4, cuts)
        s, b = judge.s * half.s[cuts] / half.s[-1], judge.b * b / half.b[-1]
        scatter = b / np.sqrt(np.maximum(half.effective[cuts], judge.min_background / 4))
        middle, low, high = (judge.expect(s, b + step) for step in (0.0, -scatter, scatter))
        smoothed: np.ndarray = (2 * middle - (low + high) / 2) @ SMOOTHING
        return smoothed


def _split(is_signal: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return which events are in the second half, bool [n]: half of either class."""
    second = np.zeros(len(is_signal), bool)
    for rows in (np.flatnonzero(is_signal), np.flatnonzero(~is_signal)):
        second[generator.permutation(rows)[: len(rows) // 2]] = True
    return second
