"""Separation of two histograms, as TMVA ranks variables by."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays


def separation(
    labels: ArrayLike, values: ArrayLike, weights: ArrayLike | None = None, *, bins: int | ArrayLike = 50
) -> float:
    """Return 1/2 sum (S - B)^2/(S + B) over bins of the unit-normalised signal and background histograms.

    0 where both have the same shape, 1 where they do not overlap. labels [n] in {0, 1}; values [n], a score or a
    feature; event weights [n] (None: ones); bins: a number, between the smallest and the largest value, or edges.
    Bins whose sum is not positive (negative weights) are left out.
    """
    is_signal, value, weight = check_arrays(labels, values, weights)
    edges = np.histogram_bin_edges(value, bins=bins if isinstance(bins, int) else np.asarray(bins))
    signal, background = (
        np.histogram(value[chosen], edges, weights=weight[chosen])[0] for chosen in (is_signal, ~is_signal)
    )
    signal, background = signal / signal.sum(), background / background.sum()
    total = signal + background
    filled = total > 0
    return float(((signal - background)[filled] ** 2 / total[filled]).sum() / 2)
