"""The histogram of a feature that is drawn: bins that suit its values, shares of signal and of background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.events.angles import TURN, TURNS, is_named_angle
from tuner.events.categories import MOST_TEXTS
from tuner.exploration.feature import ClassValues, FeatureValues

AxisKind = Literal["linear", "logarithmic", "whole", "angle", "values", "none"]

FEWEST_BINS, MOST_BINS = 20, 50
"""Between these, bins are 2 n^(1/3) of n events (Rice's rule)."""
MAX_WHOLE = 30
FEW = 2
MAX_BARS = 12
"""Distinct values, at most, that are drawn as a bar each, wherever they lie."""
OUTSIDE = 0.002
"""Share of the events at either end that is not drawn: a single outlier would hide all others."""
DECADES = 1.5
SKEWED = 8.0
"""A positive feature is drawn over a logarithmic axis if it spans `DECADES` and is `SKEWED`: its 99 % quantile is so
many times farther from its median than its 1 % quantile, and less so in the logarithm."""
LOW_BIN, MANY_LOW = 0.05, 0.45
"""Shares are drawn over a logarithmic axis if more than 45 % of the bins are lower than 5 % of the highest: a spectrum
that falls exponentially, but not a bell."""
FULL_TURN = 0.98
"""Share of a turn that an angle's values span at least."""
N_ANGLE_BINS = 48
FILLED_END = 0.3
"""What either end of the circle holds at least, in units of the mean, of an angle in radian whose name does not say so:
a bell that happens to reach from -3.1 to 3.1 is none."""


@dataclass(frozen=True, eq=False)
class FeatureHistogram:
    """Shares of signal and of background in bins of a feature, of what is drawn: both add up to 1."""

    name: str
    """The feature."""
    edges: np.ndarray
    """[k + 1], in the feature's unit; for "values" -0.5, 0.5, ... around the number of each value."""
    signal: np.ndarray
    """Share of the signal's weight in each bin, [k]; what is undefined or beyond the axis counts nowhere. Zeros where
    no positive weight is drawn."""
    background: np.ndarray
    """Share of the background's weight in each bin, [k]."""
    signal_error: np.ndarray
    """Statistical error of each share, sqrt(sum w^2), [k]."""
    background_error: np.ndarray
    """Statistical error of each share, sqrt(sum w^2), [k]."""
    undefined: tuple[float, float]
    """Share of the signal's and of the background's weight for which the feature is undefined."""
    axis: AxisKind = "linear"
    """Bins are equally wide ("angle": once round the circle), or equally wide in the logarithm; or there is one for
    each whole number, or for as many of them; or one for each of few values; "none" where the feature is never defined.
    """
    few: np.ndarray | None = None
    """What the bins of "values" stand for, [k]."""

    texts: tuple[str, ...] = ()
    """What the values of a category are called, [k]."""

    @property
    def is_steep(self) -> bool:
        """Whether shares need a logarithmic axis: most bins would lie flat on a linear one."""
        highest = np.maximum(self.signal, self.background)
        return self.axis != "values" and bool((highest < LOW_BIN * highest.max()).mean() > MANY_LOW)

    def locate(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value [n], int64; -1 where it is undefined or beyond the axis."""
        if self.few is not None:
            place = np.searchsorted(self.few, values)
            return np.where(np.isin(values, self.few), place, -1)
        place = np.searchsorted(self.edges, values, side="right") - 1
        place[values == self.edges[-1]] = len(self.edges) - 2
        return np.where(np.isnan(values) | (place > len(self.edges) - 2), -1, place)


@dataclass(frozen=True, eq=False)
class Bins:
    """Where a histogram's bins lie: see `FeatureHistogram`."""

    edges: np.ndarray
    axis: AxisKind
    few: np.ndarray | None = None
    texts: tuple[str, ...] = ()


def fill_histogram(feature: FeatureValues) -> FeatureHistogram:
    """Return the histogram of one feature; its bins end at its 0.2 % and 99.8 % quantiles where it has many values."""
    bins = _choose_bins(feature)
    (s, s_error), (b, b_error) = (_fill(own, bins) for own in (feature.signal, feature.background))
    undefined = feature.signal.undefined, feature.background.undefined
    return FeatureHistogram(
        feature.name, bins.edges, s, b, s_error, b_error, undefined, bins.axis, bins.few, bins.texts
    )


def _fill(own: ClassValues, bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Return shares [k] and their errors [k]."""
    if bins.axis == "none":
        return np.zeros(1), np.zeros(1)
    starts, end = (bins.edges[:-1], bins.edges[-1]) if bins.few is None else (bins.few, bins.few[-1])
    last = np.searchsorted(own.values, end, side="right")
    bounds = np.append(np.searchsorted(own.values, starts), last)
    sums, squares = own.sum_between(bounds), own.sum_between(bounds, own.weights**2)
    if (drawn := sums.sum()) <= 0:
        return np.zeros(len(sums)), np.zeros(len(sums))
    return sums / drawn, np.sqrt(squares) / drawn


def _choose_bins(feature: FeatureValues) -> Bins:
    """Return the bins that suit a feature."""
    values, distinct = feature.values, feature.distinct
    if not len(distinct):
        return Bins(np.array([0.0, 1.0]), "none")
    if 0 < len(feature.texts) <= MOST_TEXTS:
        texts = tuple("unknown" if code < 0 else feature.texts[int(code)] for code in distinct)
        return Bins(np.arange(len(distinct) + 1) - 0.5, "values", distinct, texts)
    lowest, highest = float(distinct[0]), float(distinct[-1])
    whole = not (distinct % 1).any()
    if whole and len(distinct) > FEW and highest - lowest < MAX_WHOLE:
        return Bins(np.arange(lowest, highest + 2) - 0.5, "whole")
    if len(distinct) <= MAX_BARS:
        return Bins(np.arange(len(distinct) + 1) - 0.5, "values", distinct)
    if (turn := _find_turn(feature, lowest, highest)) is not None:
        return Bins(np.linspace(*turn, N_ANGLE_BINS + 1), "angle")
    return _space_bins(values, lowest, highest, whole=whole)


def _space_bins(values: np.ndarray, lowest: float, highest: float, *, whole: bool) -> Bins:
    """Return bins between the outer quantiles of sorted values [n], over a linear or a logarithmic axis."""
    n_bins = int(np.clip(2 * np.cbrt(len(values)), FEWEST_BINS, MOST_BINS))
    places = np.clip([int(OUTSIDE * len(values)), int(np.ceil((1 - OUTSIDE) * len(values))) - 1], 0, len(values) - 1)
    low, high = map(float, values[places])
    if low > 0 and _needs_logarithm(values, low, high):
        return Bins(_space_logarithmically(low, high, n_bins, whole=whole), "logarithmic")
    if low == high:
        low, high = lowest, highest
    if whole:
        width = max(1.0, np.ceil((high - low + 1) / n_bins))
        return Bins(np.arange(low, high + width + 1, width) - 0.5, "whole")
    return Bins(np.linspace(low, high, n_bins + 1), "linear")


def _space_logarithmically(low: float, high: float, n_bins: int, *, whole: bool) -> np.ndarray:
    """Return edges that are equally wide in the logarithm; between whole numbers where a feature has only these."""
    edges: np.ndarray = np.geomspace(low, high, n_bins + 1)
    return np.unique(np.append(np.floor(edges) - 0.5, high + 0.5)) if whole else edges


def _find_turn(feature: FeatureValues, lowest: float, highest: float) -> tuple[float, float] | None:
    """Return the ends of the circle that a feature goes round; None where it is no angle."""
    for turn in TURNS.values():
        if highest - lowest < FULL_TURN * turn or not (is_named_angle(feature.name) or _fills(feature.values, turn)):
            continue
        for start in (-turn / 2, 0.0):
            slack = 1e-3 * turn
            if lowest >= start - slack and highest <= start + turn + slack:
                return min(start, lowest), max(start + turn, highest)
    return None


def _fills(values: np.ndarray, turn: float) -> bool:
    """Return whether sorted values are as frequent at their ends as on a circle, in radian: many go from 0 to 360."""
    width = turn / N_ANGLE_BINS
    ends = np.searchsorted(values, values[0] + width), len(values) - np.searchsorted(values, values[-1] - width)
    return turn == TURN and min(ends) > FILLED_END * len(values) / N_ANGLE_BINS


def _needs_logarithm(values: np.ndarray, low: float, high: float) -> bool:
    """Return whether a positive feature spans decades and is less skewed in the logarithm."""
    quantiles = values[(np.array([0.01, 0.5, 0.99]) * (len(values) - 1)).round().astype(np.int64)]
    below, above = np.diff(quantiles)
    below_log, above_log = np.diff(np.log(quantiles))
    if high < low * 10**DECADES or above <= SKEWED * below:
        return False
    return bool(below == 0 or below_log == 0 or abs(np.log(above_log / below_log)) < np.log(above / below))
