"""Two features at a time: where signal and where background lies in their plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tuner.events.table import Events
from tuner.exploration.binning import FeatureHistogram

N_PAIRED = 5
"""Features, the most telling ones, that are shown two at a time."""
MOST_BINS = 30
"""Of a plane in either direction; of features with more two are joined."""


@dataclass(frozen=True, eq=False)
class PairHistogram:
    """Shares of signal and of background in the plane of two features, of what is drawn: both add up to 1."""

    x: FeatureHistogram
    """The feature along the axis; its bins are those of the plane, or each joins two of them."""
    y: FeatureHistogram
    x_edges: np.ndarray
    """[k + 1]."""
    y_edges: np.ndarray
    """[l + 1]."""
    signal: np.ndarray
    """Share of the signal's weight in each bin [k, l]; zeros where no positive weight is drawn."""
    background: np.ndarray
    """Share of the background's weight in each bin [k, l]."""


def fill_pairs(events: Events, histograms: Sequence[FeatureHistogram]) -> tuple[PairHistogram, ...]:
    """Return the plane of each pair of some features, by event weights.

    Args:
        events: The events, all of which are counted; those for which either feature is undefined or beyond its axis
            count nowhere.
        histograms: Of the features; their bins are used.
    """
    drawn = [histogram for histogram in histograms if histogram.axis != "none"]
    places = {h.name: _join_bins(h, h.locate(events.table[h.name].to_numpy())) for h in drawn}
    pairs = []
    for x, y in combinations(drawn, 2):
        (x_places, x_edges), (y_places, y_edges) = places[x.name], places[y.name]
        shares = (_count(events, label, x_places, y_places, (len(x_edges) - 1, len(y_edges) - 1)) for label in (1, 0))
        pairs.append(PairHistogram(x, y, x_edges, y_edges, *shares))
    return tuple(pairs)


def _join_bins(histogram: FeatureHistogram, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins of events [n], and their edges, of twice the width where there are many bins."""
    edges = histogram.edges
    if len(edges) - 1 <= MOST_BINS:
        return places, edges
    return np.where(places < 0, -1, places // 2), np.append(edges[:-1:2], edges[-1])


def _count(events: Events, label: int, x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the share of one class in each bin of the plane."""
    chosen = (events.labels == label) & (x >= 0) & (y >= 0)
    cells = x[chosen] * shape[1] + y[chosen]
    sums = np.bincount(cells, events.weights[chosen], shape[0] * shape[1]).reshape(shape)
    total = sums.sum()
    return sums / total if total > 0 else np.zeros(shape)
