"""Sculpting: whether a cut on the score changes the shape of an observer, such as a mass, in the background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import check_arrays
from tuner.metrics.measurement import SIGNIFICANT, Measurement, measure, measure_distance

TAIL = 0.005
"""Share of the background beyond either end of the bins; it is counted in the outermost ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sculpting:
    """An observer's shape in background before and after a cut, and how far apart the two are."""

    edges: np.ndarray
    """[k + 1], in the observer's units."""
    before: np.ndarray
    """[k], share of the background's weight by bin."""
    before_error: np.ndarray
    """[k], sqrt(sum w^2) over the same total."""
    after: np.ndarray
    """[k], the same of the background that passes the cut."""
    after_error: np.ndarray
    """[k]."""
    divergence: Measurement
    """Jensen-Shannon divergence of `after` and `before` in bits: 0 for the same shape, 1 where they do not overlap;
    68 % interval by bootstrap at fixed bins."""
    chance: Measurement
    """Median and 68 % interval of the divergence of random subsamples with as many events as pass the cut."""
    p_value: float
    """Share of the random subsamples that lie as far from `before` or farther, this cut counted among them."""
    n_before: int
    """Background events that have a value, counted."""
    n_after: int
    """Those of them that pass the cut."""
    share_after: float
    """Share of the background's weight that passes the cut."""
    has_tails: bool
    """Whether the outermost bins hold values beyond them."""
    n_undefined: int
    """Background events without a finite value, left out."""

    @property
    def beyond_chance(self) -> bool:
        """Whether fewer than 5 % of random subsamples lie as far."""
        return self.p_value < SIGNIFICANT


def measure_sculpting(
    observer: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float,
    n_bins: int = 30,
    n_subsamples: int = 200,
    n_replicas: int = 200,
    seed: int = 0,
) -> Sculpting:
    """Return how the cut "score >= threshold" changes the shape of an observer in background.

    A finite sample of events always diverges a little from the whole: the reference are subsamples of the same
    background, of the same number of events, drawn without replacement and whatever the score. An event keeps its
    weight; bins whose sum is negative count as empty in the divergence.

    Args:
        observer: [n], not finite where undefined.
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n]; None: ones.
        threshold: The cut.
        n_bins: Equal bins over all of the background but its tails.
        n_subsamples: Random subsamples that say what chance does.
        n_replicas: Bootstrap replicas for the interval of the divergence; the background is drawn anew.
        seed: Of both.

    Raises:
        EventsError: As `check_arrays` does, where lengths differ, or where no background of positive weight has a value
            and passes.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    value = np.asarray(observer, dtype=np.float64).reshape(-1)
    if len(value) != len(score):
        raise EventsError(f"An observer must have one value for each event, but {len(value)} came for {len(score)}.")
    defined = ~is_signal & np.isfinite(value)
    value, weight, passes = value[defined], weight[defined], score[defined] >= threshold
    if not min(weight.sum(), weight[passes].sum()) > 0:
        raise EventsError(
            f"Sculpting needs background that passes the cut at {threshold:g} and has a value, of positive total "
            f"weight, but there are {passes.sum()} events with a total of {weight[passes].sum():g}. Loosen the cut."
        )
    edges = _place_edges(value, n_bins)
    bins = np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2)
    before, before_error = _share(bins, weight, len(edges) - 1)
    after, after_error = _share(bins[passes], weight[passes], len(edges) - 1)
    divergence = jensen_shannon(after, before)
    replicas = _draw_replicas(bins, weight, passes, n_replicas=n_replicas, seed=seed)
    n_after = int(passes.sum())
    subsamples = _draw_divergences(bins, weight, before, n_drawn=n_after, n_subsamples=n_subsamples, seed=seed)
    return Sculpting(
        edges=edges,
        before=before,
        before_error=before_error,
        after=after,
        after_error=after_error,
        divergence=measure_distance(divergence, replicas),
        chance=measure(float(np.nanmedian(subsamples)), subsamples),
        p_value=float((1 + (subsamples >= divergence - 1e-12).sum()) / (1 + len(subsamples))),
        n_before=len(value),
        n_after=n_after,
        share_after=float(weight[passes].sum() / weight.sum()),
        has_tails=bool(value.min() < edges[0] or value.max() > edges[-1]),
        n_undefined=int((~is_signal).sum()) - len(value),
    )


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two histograms [k] in bits, 0 to 1 (Lin 1991, doi:10.1109/18.61115).

    Negative bins count as empty; what is left is scaled to a sum of 1.
    """
    from scipy.spatial.distance import jensenshannon

    with np.errstate(invalid="ignore"):  # scipy takes the root of a rounding error below 0 where both are the same
        distance = jensenshannon(np.maximum(first, 0), np.maximum(second, 0), base=2)
    return float(np.nan_to_num(distance)) ** 2


def _place_edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Return equal bins over all values but the tails; a bin for each value where there are no more than bins."""
    distinct = np.unique(values)
    low, high = np.quantile(values, [TAIL, 1 - TAIL], method="inverted_cdf")
    if len(distinct) <= n_bins or low == high:
        distinct = distinct[np.linspace(0, len(distinct) - 1, min(len(distinct), n_bins)).astype(int)]
        middles = (distinct[1:] + distinct[:-1]) / 2
        ends = (middles[0] - distinct[0], distinct[-1] - middles[-1]) if len(middles) else (0.5, 0.5)
        return np.array([distinct[0] - ends[0], *middles, distinct[-1] + ends[1]])
    edges: np.ndarray = np.linspace(low, high, n_bins + 1)
    return edges


def _share(bins: np.ndarray, weights: np.ndarray, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each bin's share of the weight and its error."""
    total = weights.sum()
    sums, squares = (np.bincount(bins, w, minlength=n_bins) for w in (weights, weights**2))
    return sums / total, np.sqrt(squares) / total


def _draw_replicas(
    bins: np.ndarray, weights: np.ndarray, passes: np.ndarray, *, n_replicas: int, seed: int
) -> np.ndarray:
    """Return the divergence of each bootstrap replica [r]; not-a-number where one lets no positive weight pass."""
    generator, n_bins = np.random.default_rng(seed), int(bins.max()) + 1
    divergences = np.full(n_replicas, np.nan)
    for place in range(n_replicas):
        rows = generator.integers(0, len(bins), len(bins))
        sums = np.bincount(2 * bins[rows] + passes[rows], weights[rows], 2 * n_bins).reshape(-1, 2)
        if (sums > 0).any(axis=0).all():
            divergences[place] = jensen_shannon(sums[:, 1], sums.sum(axis=1))
    return divergences


def _draw_divergences(
    bins: np.ndarray, weights: np.ndarray, before: np.ndarray, *, n_drawn: int, n_subsamples: int, seed: int
) -> np.ndarray:
    """Return the divergence from `before` of each random subsample of `n_drawn` events."""
    generator = np.random.default_rng(seed)
    divergences = np.empty(n_subsamples)
    for place in range(n_subsamples):
        rows = generator.choice(len(bins), n_drawn, replace=False, shuffle=False)
        sums = np.bincount(bins[rows], weights[rows], minlength=len(before))
        divergences[place] = jensen_shannon(sums, before) if (sums > 0).any() else np.nan
    return divergences
