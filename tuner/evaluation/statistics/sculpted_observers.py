"""What a cut does to each observer in background, beside chance and beside the best baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tuner.errors import EventsError
from tuner.metrics.measurement import ONE_SIGMA, SIGNIFICANT, Measurement
from tuner.metrics.sculpting import Sculpting, measure_sculpting

STRONG = 0.1
"""Bits of Jensen-Shannon divergence: that of two Gaussians of one width that are 0.77 widths apart."""


@dataclass(frozen=True, kw_only=True)
class SculptedObserver:
    """How far the background that passes the cut is from all of it, in an observer."""

    observer: str
    part: str
    divergence: Measurement
    """Jensen-Shannon divergence in bits, with its 68 % interval."""
    chance: Measurement
    """Median and 68 % interval for random subsamples of as many events."""
    p_value: float
    """Share of these that lie as far or farther."""
    baseline: float | None
    """The divergence at the best baseline's cut; None without a baseline, or where none of the background passes."""
    peak: float
    """Where the background that passes gains most: middle of the bin whose density grows most."""
    signal: Measurement | None
    """Median of the signal that passes, and its central 68 %; None where none of positive total weight passes."""

    @property
    def beyond_chance(self) -> bool:
        """Whether fewer than 5 % of random subsamples lie as far."""
        return self.p_value < SIGNIFICANT

    @property
    def is_strong(self) -> bool:
        """Whether a reader must know of it before anything else: even the divergence's lower end is above `STRONG`."""
        return self.divergence.low > STRONG

    @property
    def peaks_at_signal(self) -> bool:
        """Whether the background that passes gains most where the signal is: within twice its central 68 %."""
        if self.signal is None:
            return False
        below, above = self.signal.value - self.signal.low, self.signal.high - self.signal.value
        return -2 * below <= self.peak - self.signal.value <= 2 * above


def measure_observers(
    observers: Mapping[str, np.ndarray],
    labels: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray,
    *,
    threshold: float,
    baseline: tuple[np.ndarray, float] | None = None,
    part: str,
    seed: int = 0,
) -> tuple[SculptedObserver, ...]:
    """Return what the cut "score >= threshold" does to each observer in background, the most sculpted first.

    Args:
        observers: Values [n] by name, not finite where undefined.
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n].
        threshold: The cut; where it is not finite, or no background passes, nothing is returned.
        baseline: Scores [n] of the best baseline and its own cut; None without one.
        part: The part that the events are of.
        seed: Of the subsamples.
    """
    found = []
    for name, values in observers.items():
        own = _measure(values, labels, scores, weights, threshold=threshold, seed=seed)
        if own is None:
            continue
        other = None
        if baseline is not None:
            other = _measure(values, labels, baseline[0], weights, threshold=baseline[1], n_samples=1)
        found.append(
            SculptedObserver(
                observer=name,
                part=part,
                divergence=own.divergence,
                chance=own.chance,
                p_value=own.p_value,
                baseline=None if other is None else other.divergence.value,
                peak=_find_peak(own),
                signal=_locate(values, weights, (labels == 1) & (scores >= threshold)),
            )
        )
    return tuple(sorted(found, key=lambda sculpted: -sculpted.divergence.value))


def _find_peak(found: Sculpting) -> float:
    place = int(((found.after - found.before) / np.diff(found.edges)).argmax())
    return float((found.edges[place] + found.edges[place + 1]) / 2)


def _locate(values: np.ndarray, weights: np.ndarray, chosen: np.ndarray) -> Measurement | None:
    """Return the weighted median and the central 68 % of the values that are chosen and finite."""
    chosen = chosen & np.isfinite(values)
    order = np.argsort(values[chosen])
    value, below = values[chosen][order], np.cumsum(weights[chosen][order])
    if not (len(value) and below[-1] > 0):
        return None
    tail = (1 - ONE_SIGMA) / 2
    low, middle, high = (float(value[(below >= share * below[-1]).argmax()]) for share in (tail, 0.5, 1 - tail))
    return Measurement(middle, low, high)


def _measure(
    values: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    weights: np.ndarray,
    *,
    threshold: float,
    n_samples: int = 200,
    seed: int = 0,
) -> Sculpting | None:
    """Return the sculpting of an observer; None where no cut is made, or no background passes it."""
    if not np.isfinite(threshold):
        return None
    try:
        return measure_sculpting(
            values,
            labels,
            scores,
            weights,
            threshold=threshold,
            n_subsamples=n_samples,
            n_replicas=n_samples,
            seed=seed,
        )
    except EventsError:
        return None
