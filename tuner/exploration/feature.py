"""One feature by itself: moments of signal and background, separation, AUC, histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.metrics.curves import auc
from tuner.metrics.histograms import separation

AxisKind = Literal["linear", "logarithmic", "whole"]

MAX_VALUES = 40
"""Distinct values of a feature, at most, that have a bin each when the separation is measured."""
N_QUANTILES = 20
TAILS = (0.005, 0.025, 0.975, 0.995)
"""Further quantiles: a narrow peak ends within the first and the last of equally filled bins."""
N_DRAWN_BINS = 50
MAX_WHOLE = 30
DECADES = 1.5
SKEWED = 8.0
"""A positive feature is drawn over a logarithmic axis if it spans `DECADES` and is `SKEWED`: its 99 % quantile is so
many times farther from its median than its 1 % quantile, and less so in the logarithm."""
LOW_BIN, MANY_LOW = 0.05, 0.45
"""Shares are drawn over a logarithmic axis if more than 45 % of the bins are lower than 5 % of the highest: a spectrum
that falls exponentially, but not a bell."""


@dataclass(frozen=True, eq=False)
class FeatureHistogram:
    """Shares of signal and of background in bins of a feature, of what is drawn: both add up to 1."""

    name: str
    """The feature."""
    edges: np.ndarray
    """[k + 1], in the feature's unit."""
    signal: np.ndarray
    """Share of the signal's weight in each bin, [k]; what is undefined or beyond the axis counts nowhere."""
    background: np.ndarray
    """Share of the background's weight in each bin, [k]."""
    signal_error: np.ndarray
    """Statistical error of each share, sqrt(sum w^2), [k]."""
    background_error: np.ndarray
    """Statistical error of each share, sqrt(sum w^2), [k]."""
    undefined: tuple[float, float]
    """Share of the signal's and of the background's weight for which the feature is undefined."""
    axis: AxisKind = "linear"
    """Bins are equally wide, or equally wide in the logarithm, or there is one for each whole number."""

    @property
    def is_steep(self) -> bool:
        """Whether shares need a logarithmic axis: most bins would lie flat on a linear one."""
        highest = np.maximum(self.signal, self.background)
        return bool((highest < LOW_BIN * highest.max()).mean() > MANY_LOW)


def describe_feature(values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return measures of one feature [n], not-a-number where undefined, for labels [n] and event weights [n].

    undefined: share of events. mean, sd: weighted, over events for which it is defined. separation:
    1/2 sum (S - B)^2 / (S + B) over bins that begin at quantiles of signal or of background, closer in the tails, and
    one for undefined. auc: the larger of a and 1 - a.
    """
    values = values.astype(np.float64)  # squares of large features are beyond float32
    defined = ~np.isnan(values)
    measures = {"undefined": 1 - defined.mean()}
    for name, label in (("signal", 1), ("background", 0)):
        chosen = labels == label
        measures[f"undefined_{name}"] = _share(weights[chosen & ~defined].sum(), weights[chosen].sum())
        measures |= _compute_moments(values[chosen & defined], weights[chosen & defined], name)
    return measures | {
        "separation": _separate(values, labels, weights),
        "auc": compute_auc(values, labels, weights),
        "minimum": float(values[defined].min()),
        "maximum": float(values[defined].max()),
    }


def compute_auc(values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Return max(a, 1 - a) of a feature where it is defined; not-a-number where that leaves one class only."""
    defined = ~np.isnan(values)
    sums = [weights[defined & (labels == label)].sum() for label in (0, 1)]
    if min(sums) <= 0:
        return np.nan
    area = auc(labels[defined], values[defined], weights[defined])
    return max(area, 1 - area)


def fill_histogram(name: str, values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> FeatureHistogram:
    """Return the histogram of one feature [n]; bins end at its 0.2 % and 99.8 % quantiles."""
    defined = ~np.isnan(values)
    edges, axis = _choose_edges(values[defined])
    shares, errors, undefined = [], [], []
    for label in (1, 0):
        chosen = labels == label
        own, weight = values[chosen & defined], weights[chosen & defined]
        sums, squares = (np.histogram(own, edges, weights=w)[0] for w in (weight, weight**2))
        drawn = sums.sum() or 1.0
        shares.append(sums / drawn)
        errors.append(np.sqrt(squares) / abs(drawn))
        undefined.append(_share(weights[chosen & ~defined].sum(), weights[chosen].sum()))
    return FeatureHistogram(name, edges, shares[0], shares[1], errors[0], errors[1], (undefined[0], undefined[1]), axis)


def _compute_moments(values: np.ndarray, weights: np.ndarray, name: str) -> dict[str, float]:
    """Return weighted mean and standard deviation, not-a-number where there is nothing to average."""
    total = weights.sum()
    if total <= 0:
        return {f"mean_{name}": np.nan, f"sd_{name}": np.nan}
    mean = float((weights * values).sum() / total)
    variance = float((weights * (values - mean) ** 2).sum() / total)
    return {f"mean_{name}": mean, f"sd_{name}": np.sqrt(variance) if variance >= 0 else np.nan}


def _separate(values: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Return the separation over bins that begin at quantiles; undefined events have a bin of their own.

    Bins begin at quantiles of signal and at those of background, so that a rare class has bins as well, and behind the
    largest value of either; a feature with few distinct values has one for each.
    """
    defined = ~np.isnan(values)
    starts = np.unique(values[defined])
    if len(starts) > MAX_VALUES:
        shares = np.sort([*np.arange(N_QUANTILES) / N_QUANTILES, *TAILS])
        classes = [own for label in (0, 1) if len(own := values[defined & (labels == label)])]
        quantiles = [np.quantile(own, shares, method="inverted_cdf") for own in classes]
        ends = [np.nextafter(own.max(), np.inf) for own in classes]
        starts = np.unique(np.concatenate([*quantiles, ends]))
    bins = np.where(defined, np.searchsorted(starts, values, side="right"), -1)
    return separation(labels, bins, weights, bins=np.arange(-1, len(starts) + 2) - 0.5)


def _choose_edges(values: np.ndarray) -> tuple[np.ndarray, AxisKind]:
    """Return edges of bins, and of which kind they are; one bin a number where these are whole and few."""
    lowest, highest = float(values.min()), float(values.max())
    if highest - lowest < MAX_WHOLE and not (values % 1).any():
        return np.arange(lowest, highest + 2) - 0.5, "whole"
    low, high = np.quantile(values, (0.002, 0.998)).astype(np.float64)
    if low > 0 and _needs_logarithm(values, float(low), float(high)):
        return np.geomspace(low, high, N_DRAWN_BINS + 1), "logarithmic"
    if low == high:
        low, high = lowest, highest
    return np.linspace(low, high, N_DRAWN_BINS + 1), "linear"


def _needs_logarithm(values: np.ndarray, low: float, high: float) -> bool:
    """Return whether a positive feature spans decades and is less skewed in the logarithm."""
    quantiles = np.quantile(values, (0.01, 0.5, 0.99))
    below, above = np.diff(quantiles)
    below_log, above_log = np.diff(np.log(quantiles))
    if high < low * 10**DECADES or above <= SKEWED * below:
        return False
    return bool(below == 0 or abs(np.log(above_log / below_log)) < np.log(above / below))


def _share(part: float, total: float) -> float:
    return float(part / total) if total else np.nan
