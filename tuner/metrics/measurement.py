"""A figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ONE_SIGMA = 0.6826894921370859
"""Coverage of a Gaussian's mean +- 1 standard deviation, the "68 %" of intervals."""

LOPSIDED = 1.5
"""An interval whose longer side is more than so many times the shorter one is written with both."""


@dataclass(frozen=True)
class Measurement:
    """A value and its 68 % interval, from low to high."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    @property
    def is_lopsided(self) -> bool:
        """Whether the interval reaches much further to one side than to the other."""
        above, below = self.high - self.value, self.value - self.low
        return min(above, below) <= 0 or max(above, below) / min(above, below) > LOPSIDED

    def spread(self, name: str) -> dict[str, float]:
        """Return the value by its name, and both ends of the interval as `name/low` and `name/high`."""
        return {name: self.value, f"{name}/low": self.low, f"{name}/high": self.high}

    def __neg__(self) -> Measurement:
        """Return the same seen from the other side."""
        return Measurement(-self.value, -self.high, -self.low)

    def __str__(self) -> str:
        """Return the value with its error, rounded to two digits of it: `0.9312 +- 0.0041`, or `213 +45 -15`.

        An infinite value is told by its lower limit: `> 32.6`.
        """
        if self.value == np.inf and np.isfinite(self.low):
            return f"> {self.low:.3g}"
        if not np.isfinite(self.error) or self.error <= 0:
            return f"{self.value:.4g}"
        digits = max(0, 1 - int(np.floor(np.log10(self.error))))
        if self.is_lopsided:
            return f"{self.value:.{digits}f} {self.high - self.value:+.{digits}f} {self.low - self.value:+.{digits}f}"
        return f"{self.value:.{digits}f} +- {self.error:.{digits}f}"


def measure(
    value: float, replicas: np.ndarray, *, coverage: float = ONE_SIGMA, centre: float | None = None
) -> Measurement:
    """Return a value with the central percentile interval of its bootstrap replicas [r], not-a-numbers left out.

    The bounds are replicas themselves, never interpolated, so that an infinite replica does no harm.
    centre: what the replicas' estimator gives for the events as they are, where that is not `value`: the replicas are
    scaled by value / centre.
    """
    if centre is not None and np.isfinite(value) and np.isfinite(centre) and centre != 0:
        replicas = replicas * (value / centre)
    defined = replicas[~np.isnan(replicas)]
    if not len(defined):
        return Measurement(value, float("nan"), float("nan"))
    tail = (1 - coverage) / 2
    low = np.quantile(defined, tail, method="lower")
    high = np.quantile(defined, 1 - tail, method="higher")
    return Measurement(value, float(low), float(high))


def measure_distance(value: float, replicas: np.ndarray, *, coverage: float = ONE_SIGMA) -> Measurement:
    """Return a distance, which cannot be negative, with its interval from bootstrap replicas [r].

    Noise alone makes a distance larger, and a replica's has the sample's noise and its own. So the percentiles are
    mirrored at the value (the basic bootstrap, Davison and Hinkley 1997, section 5.2), which moves the interval down by
    as much as the replicas moved up; it ends at 0, and includes the value.
    """
    found = measure(value, replicas, coverage=coverage)
    low, high = 2 * value - found.high, 2 * value - found.low
    return Measurement(value, max(0.0, min(low, value)), max(high, value))
