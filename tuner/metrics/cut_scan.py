"""A significance against the cut on the score, with enough background above each cut to believe it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import check_arrays
from tuner.metrics.curves import rank

MIN_BACKGROUND = 25
"""Background events, counted, that a cut must leave: fewer and the expected background is mostly a fluctuation."""
NEIGHBOURHOOD = 0.1
"""Cuts that select within this share as many events are neighbours."""


@dataclass(frozen=True)
class CutScan:
    """What each allowed cut "score >= threshold" expects, from the tightest to the loosest; all [k]."""

    thresholds: np.ndarray
    s: np.ndarray
    """Expected signal above the cut."""
    b: np.ndarray
    """Expected background above the cut."""
    raw_background: np.ndarray
    """Background events above the cut, counted."""
    significance: np.ndarray
    smoothed: np.ndarray
    """Mean significance of the neighbouring cuts: a lucky cut does not win."""

    @property
    def best(self) -> int:
        """Place of the cut with the largest smoothed significance."""
        return int(self.smoothed.argmax())


def scan_cuts(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    s: float,
    b: float,
    significance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    least_background: int = MIN_BACKGROUND,
) -> CutScan:
    """Return the significance of every cut that leaves at least `least_background` background events.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones), rescaled per class to the totals `s` and `b`
    that are expected before the cut; `significance` is a function of the expected s [k] and b [k] above the cuts.
    Cuts whose weighted background is not positive (negative weights) are left out. Raise `EventsError` where no cut
    is left.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    ranking = rank(is_signal, score)
    curve = ranking.curve(weight)
    raw_background = np.cumsum(~ranking.is_signal)[ranking.ends]
    allowed = (raw_background >= least_background) & (curve.eps_b[1:] > 0)
    if not allowed.any():
        raise EventsError(
            f"A scan of cuts needs at least {least_background} background events of positive total weight above a cut, "
            f"but there are {(~is_signal).sum()} background events in all."
        )
    expected_s, expected_b = s * curve.eps_s[1:][allowed], b * curve.eps_b[1:][allowed]
    values = significance(expected_s, expected_b)
    return CutScan(
        curve.thresholds[1:][allowed],
        expected_s,
        expected_b,
        raw_background[allowed],
        values,
        smooth_cuts(values, ranking.ends[allowed] + 1),
    )


def smooth_cuts(values: np.ndarray, n_selected: np.ndarray) -> np.ndarray:
    """Return the mean over each cut's neighbourhood, [..., k] like the values; n_selected [k] rises."""
    first = np.searchsorted(n_selected, (1 - NEIGHBOURHOOD) * n_selected, side="left")
    last = np.searchsorted(n_selected, (1 + NEIGHBOURHOOD) * n_selected, side="right")
    sums = np.insert(np.cumsum(values, axis=-1), 0, 0.0, axis=-1)
    smoothed: np.ndarray = (sums[..., last] - sums[..., first]) / (last - first)
    return smoothed
