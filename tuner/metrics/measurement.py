"""A figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isnan

import numpy as np

ONE_SIGMA = 0.6826894921370859
"""Coverage of a Gaussian's mean +- 1 standard deviation, the "68 %" of intervals."""

SIGNIFICANT = 0.05
"""P value below which a difference is told, after correction where there are several: the chance of a false one."""

LOPSIDED = 1.5
"""An interval whose longer side is more than so many times the shorter one is written with both."""


def rank_value(value: float) -> float:
    """Return what a figure is ranked by: itself, or less than any other where it is not a number."""
    return -inf if isnan(value) else float(value)


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

    @property
    def is_lower_limit(self) -> bool:
        """Whether only a lower limit is known: the value is infinite, its interval's lower end is not."""
        return self.value == inf and isfinite(self.low)

    @property
    def decimals(self) -> int | None:
        """Decimals that show two digits of the error, of its longer side where it is lopsided; see `count_decimals`."""
        longer = max(self.high - self.value, self.value - self.low)
        return count_decimals(longer if self.is_lopsided else self.error)

    @property
    def value_text(self) -> str:
        """The value as a person writes it, with two digits of its error: 0.9312; a lower limit as > 32.6."""
        if self.is_lower_limit:
            return f"> {self.low:,.3g}"
        if self.decimals is None:
            return {inf: "∞", -inf: "-∞"}.get(self.value, f"{self.value + 0.0:,.4g}")
        return write_fixed(self.value, self.decimals)

    @property
    def error_text(self) -> str:
        """How far the interval's ends are from the value: ± 0.0041, +45 -15 where the sides differ much; or nothing."""
        if self.decimals is None:
            return ""
        if self.is_lopsided:
            above, below = write_fixed(self.high - self.value, self.decimals), self.value - self.low
            return f"+{above} -{write_fixed(below, self.decimals)}"
        return f"± {write_fixed(self.error, self.decimals)}"

    def __str__(self) -> str:
        """Return the value with its error: 0.9312 ± 0.0041, or 213 +45 -15. Everything that is read writes it so."""
        return f"{self.value_text} {self.error_text}".rstrip()

    @property
    def signed(self) -> str:
        """A difference with its sign and its error: +0.0034 ± 0.0011."""
        return f"{'+' if self.value > 0 else ''}{self}"

    @property
    def bracketed(self) -> str:
        """The value with the ends of its interval, all with the same decimals: 0.0092 [0.0072, 0.0111]."""
        if self.decimals is None:
            return self.value_text
        value, low, high = (write_fixed(number, self.decimals) for number in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def count_decimals(error: float) -> int | None:
    """Return the decimals that show two digits of an error, and never three: 0.0996 is 0.10.

    Below zero where these are not its last ones: 345 is 350. None where the error is zero or not finite.
    """
    if not (isfinite(error) and error > 0):
        return None
    return min(8, 1 - int(f"{error:.1e}".partition("e")[2]))


def write_fixed(value: float, decimals: int) -> str:
    """Return a number rounded to so many decimals, to tens or hundreds for fewer than none; never -0.00."""
    return f"{round(value, decimals) + 0.0:,.{max(decimals, 0)}f}"


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
