"""Intervals of what few events tell, where a bootstrap has nothing to draw: 4 of 4 draws 4 of 4 for ever."""

from __future__ import annotations

import numpy as np

from tuner.metrics.measurement import ONE_SIGMA, Measurement

FEW = 10.0
"""Effective events on either side of a cut below which an efficiency's interval is Clopper and Pearson's."""


def measure_share(share: float, n: float, *, coverage: float = ONE_SIGMA) -> Measurement:
    """Return a share of events with the interval of Clopper and Pearson (doi:10.1093/biomet/26.4.404).

    Exact for counts: it holds the truth at least as often as it says. For weighted events `n` is the effective number
    (sum w)^2 / sum w^2, so that it is exact only where all weights are alike.

    Args:
        share: What passes, 0 to 1; what negative weights carry beyond is taken as the end.
        n: Events that it is the share of, raw or effective.
        coverage: Of the central interval.
    """
    from scipy.stats import beta

    if not (n > 0 and np.isfinite(share)):
        return Measurement(share, float("nan"), float("nan"))
    tail, passed = (1 - coverage) / 2, n * min(max(share, 0.0), 1.0)
    low = 0.0 if passed <= 0 else float(beta.ppf(tail, passed, n - passed + 1))
    high = 1.0 if passed >= n else float(beta.ppf(1 - tail, passed + 1, n - passed))
    return Measurement(share, low, high)


def are_few(share: float, n: float) -> bool:
    """Return whether fewer than `FEW` effective events lie on one side of a cut that a share of `n` passes."""
    return bool(min(share, 1 - share) * n < FEW)


def widen_rejection(rejection: Measurement, n_background: float) -> Measurement:
    """Return 1/eps_B with the interval of Clopper and Pearson where fewer than 10 effective background events pass."""
    passed = 1 / rejection.value
    return invert(measure_share(passed, n_background)) if are_few(passed, n_background) else rejection


def invert(share: Measurement) -> Measurement:
    """Return 1/share with its interval; where none passes, infinity with the lower limit that the events allow."""

    def inverse(value: float) -> float:
        return 1 / value if value > 0 else float("inf")

    return Measurement(inverse(share.value), inverse(share.high), inverse(share.low))
