"""One feature by itself: moments of signal and background, separation, AUC."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_VALUES = 40
"""Distinct values of a feature, at most, that have a bin each when the separation is measured."""
N_QUANTILES = 20
EVENTS_PER_QUANTILE = 20
"""Events between two of them, at the least: fewer events have fewer bins."""
TAILS = (0.005, 0.025, 0.975, 0.995)
"""Further quantiles: a narrow peak ends within the first and the last of equally filled bins."""


@dataclass(frozen=True, eq=False)
class ClassValues:
    """A feature in the events of one class."""

    values: np.ndarray
    """Where it is defined, float64 [k], in rising order."""
    weights: np.ndarray
    """Event weights of these, float64 [k]."""
    n_events: int
    """Events of the class, those for which it is undefined among them."""
    total: float
    """Weight of all events of the class."""

    @property
    def undefined(self) -> float:
        """Share of the class's weight for which the feature is undefined; not-a-number where the class has none."""
        if len(self.values) == self.n_events:
            return 0.0
        return float(1 - self.weights.sum() / self.total) if self.total else np.nan

    def sum_between(self, bounds: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Return sums [k] of weights (None: event weights) from each place in the order to the next, bounds [k + 1]."""
        summed = self.weights if weights is None else weights
        sums: np.ndarray = np.add.reduceat(np.append(summed, 0.0), bounds)[:-1]
        return np.where(np.diff(bounds) > 0, sums, 0.0)


@dataclass(frozen=True, eq=False)
class FeatureValues:
    """A feature in the events of both classes."""

    name: str
    signal: ClassValues
    background: ClassValues
    texts: tuple[str, ...] = ()
    """What its codes 0, 1, ... stand for where it is a category of texts."""

    @property
    def has_order(self) -> bool:
        """Whether its values are more than names: the codes of three texts or more follow no order."""
        return len(self.texts) <= 2

    @cached_property
    def values(self) -> np.ndarray:
        """Of both classes, where it is defined, float64 [k], in rising order."""
        both = np.concatenate([self.signal.values, self.background.values])
        return np.sort(both, kind="stable")  # merges two sorted runs

    @cached_property
    def distinct(self) -> np.ndarray:
        """Its distinct values, in rising order."""
        values = self.values
        return values[np.append(True, values[1:] != values[:-1])] if len(values) else values


def sort_feature(
    name: str, values: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, texts: tuple[str, ...] = ()
) -> FeatureValues:
    """Return a feature in rising order for each class; all measures and the histogram follow from that one sort.

    Args:
        name: The feature.
        values: Its values [n], not-a-number where it is undefined.
        labels: 1 for signal, 0 for background [n].
        weights: Event weights [n].
        texts: What the codes 0, 1, ... stand for where it is a category of texts.
    """
    signal, background = (_sort(values[chosen], weights[chosen]) for chosen in (labels == 1, labels == 0))
    return FeatureValues(name, signal, background, texts)


def _sort(values: np.ndarray, weights: np.ndarray) -> ClassValues:
    """Return the values of one class in rising order, with their weights."""
    defined = ~np.isnan(values)
    kept, weight = (values, weights) if defined.all() else (values[defined], weights[defined])
    if len(weight) and weight.min() == weight.max():
        kept = np.sort(kept)
    else:
        order = np.argsort(kept)
        kept, weight = kept[order], weight[order]
    # Squares of large features are beyond float32.
    return ClassValues(kept.astype(np.float64), weight, len(values), float(weights.sum()))


def describe_feature(feature: FeatureValues) -> dict[str, float]:
    """Return measures of one feature, by event weights.

    undefined: share of events. mean, sd: over events for which it is defined. separation: as in TMVA's user guide
    (arXiv:physics/0703039, section "Ranking"), 1/2 sum (S - B)^2 / (S + B) over bins that begin at quantiles of signal
    or of background, closer in the tails, and one for undefined; less what fluctuations of the bins add to it. auc: the
    larger of a and 1 - a. Moments, separation and AUC are not-a-number where a class has no positive weight to measure
    them by. distinct: number of its values. What needs an order is not-a-number for a category of three texts or more.
    """
    signal, background, distinct = feature.signal, feature.background, feature.distinct
    n_defined = len(signal.values) + len(background.values)
    measures = {"undefined": 1 - n_defined / (signal.n_events + background.n_events)}
    for name, own in (("signal", signal), ("background", background)):
        measures[f"undefined_{name}"] = own.undefined
        measures |= _compute_moments(own, name)
    measures |= {
        "separation": _separate(feature),
        "auc": compute_auc(signal, background),
        "minimum": float(distinct[0]) if n_defined else np.nan,
        "maximum": float(distinct[-1]) if n_defined else np.nan,
        "distinct": len(distinct),
    }
    if not feature.has_order:
        ordered = [name for name in measures if name.startswith(("mean_", "sd_", "auc", "minimum", "maximum"))]
        measures |= dict.fromkeys(ordered, np.nan)
    return measures


def compute_auc(signal: ClassValues, background: ClassValues) -> float:
    """Return max(a, 1 - a) of a feature where it is defined; not-a-number where that leaves one class only.

    a is the weighted share of pairs in which signal has the larger value, half of the ties included.
    """
    totals = signal.weights.sum(), background.weights.sum()
    if min(totals) <= 0:
        return np.nan
    passed = np.append(0.0, np.cumsum(background.weights))
    lower, upper = (passed[np.searchsorted(background.values, signal.values, side)] for side in ("left", "right"))
    area = float(signal.weights @ (lower + upper) / 2 / totals[0] / totals[1])
    return max(area, 1 - area)


def _compute_moments(own: ClassValues, name: str) -> dict[str, float]:
    """Return weighted mean and standard deviation, not-a-number where there is nothing to average."""
    values, weights, total = own.values, own.weights, own.weights.sum()
    if total <= 0:
        return {f"mean_{name}": np.nan, f"sd_{name}": np.nan}
    mean = float(weights @ values / total)
    variance = float(weights @ (values - mean) ** 2 / total)
    return {f"mean_{name}": mean, f"sd_{name}": np.sqrt(variance) if variance >= 0 else np.nan}


def _separate(feature: FeatureValues) -> float:
    """Return the separation over bins that begin at quantiles; undefined events have a bin of their own.

    Bins begin at quantiles of signal and at those of background, so that a rare class has bins as well, and behind the
    largest value of either; a feature with few distinct values has one for each. Bins whose sum is not positive
    (negative weights) are left out. Fluctuations with variances v add 2 sum (B^2 v_S + S^2 v_B) / (S + B)^3 on average,
    to second order: nothing where a bin has one class only, all there is where the classes are alike.
    """
    signal, background, starts = feature.signal, feature.background, feature.distinct
    if min(signal.total, background.total) <= 0:
        return np.nan
    if len(starts) > MAX_VALUES:
        filled = [own.values for own in (signal, background) if len(own.values)]
        ends = [np.nextafter(values[-1:], np.inf) for values in filled]
        starts = np.unique(np.concatenate([*map(_find_quantiles, filled), *ends]))
    shares, variances = [], []
    for own in (signal, background):
        bounds = np.append(np.searchsorted(own.values, starts), len(own.values))
        undefined = own.total - own.weights.sum() if len(own.values) < own.n_events else 0.0
        shares.append(np.append(own.sum_between(bounds), undefined) / own.total)
        typical = (own.weights @ own.weights) / own.weights.sum() if own.weights.sum() > 0 else own.total / own.n_events
        squares = np.append(own.sum_between(bounds, own.weights**2), max(undefined, 0.0) * typical)
        variances.append(squares / own.total**2)
    filled_bins = shares[0] + shares[1] > 0
    s, b, v_s, v_b = (array[filled_bins] for array in (*shares, *variances))
    raw = float(((s - b) ** 2 / (s + b)).sum() / 2)
    chance = float((2 * (b**2 * v_s + s**2 * v_b) / (s + b) ** 3).sum())
    return max(raw - chance, 0.0)


def _find_quantiles(values: np.ndarray) -> np.ndarray:
    """Return values of a sorted sample that its bins begin at."""
    n_quantiles = int(np.clip(len(values) // EVENTS_PER_QUANTILE, 2, N_QUANTILES))
    tails = TAILS if n_quantiles == N_QUANTILES else ()
    shares = np.sort([*np.arange(n_quantiles) / n_quantiles, *tails])
    places = np.maximum(np.ceil(shares * len(values)).astype(np.int64) - 1, 0)
    quantiles: np.ndarray = values[places]
    return quantiles
