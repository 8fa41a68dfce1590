"""The selection-bias meter: how much of the best validation figure is the luck of being the best of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp, expm1, sqrt

import numpy as np

from tuner.metrics.measurement import Measurement
from tuner.metrics.replicas import Replicas


@dataclass(frozen=True, kw_only=True)
class SelectionBias:
    """What validation promised, what luck explains of it, what fresh trainings and fresh events say."""

    n_trials: int
    """Complete trials that the best was picked from."""
    best: float
    """The best trial's figure of merit on validation, as the search saw it."""
    noise: float | None
    """Standard deviation of a trial's figure that is not its setting's: seeds, and events that networks differ on."""
    expected_excess: float | None
    """noise * expected largest of n_trials normal deviates: what the best of so many exceeds their mean by."""
    retrained: Measurement | None
    """The same setting's mean over new trainings, on validation; None where it is no finalist."""
    test: Measurement | None
    """The same mean on test; None while that is closed."""


def estimate_noise(finalists: Sequence[Replicas]) -> float | None:
    """Return the standard deviation of one training's figure on validation around what its setting is worth.

    Two sources, added in quadrature: the spread over seeds, pooled over the finalists; and the sampling of the
    validation events as far as two networks do not share it, half the variance of their paired difference.
    None where there is one finalist of one training: nothing is known then.
    """
    of_seeds = [np.var(f.values, ddof=1) for f in finalists if len(f.values) > 1]
    of_events = [np.var(a.replicas[0] - b.replicas[0], ddof=1) / 2 for a, b in combinations(finalists, 2)]
    known = [float(np.mean(variances)) for variances in (of_seeds, of_events) if variances]
    return sqrt(sum(known)) if known else None


def expect_excess(noise: float | None, n_trials: int) -> float | None:
    """Return what the best of n equal settings exceeds their mean by: noise * `expect_maximum(n_trials)`.

    An expectation for equal settings, not a bound. In simulated searches of 100 trials the luck of the best was above
    it in 33 % of those whose settings were equal, in 18 % where settings differed as much as trainings of one do, and
    in 7 % where three times as much (`benchmarks/luck.py`, errors of 6, 5 and 3 %); on average it was 0.91, 0.74 and
    0.34 of it: where settings differ, the best is less often the luckiest. 0 for one trial, None for an unknown noise.
    """
    if n_trials == 1:
        return 0.0
    return None if noise is None else noise * expect_maximum(n_trials)


def expect_maximum(n: int) -> float:
    """Return the expectation of the largest of n standard normal deviates: 0 for 1, 0.56 for 2, 1.54 for 10.

    The integral of 1 - Phi(x)^n over x > 0, less that of Phi(x)^n over x < 0.
    """
    from scipy.integrate import quad
    from scipy.special import log_ndtr

    above = quad(lambda x: -expm1(n * log_ndtr(x)), 0, FARTHEST, limit=200)[0]
    below = quad(lambda x: exp(n * log_ndtr(x)), -FARTHEST, 0, limit=200)[0]
    return float(above - below)


FARTHEST = 12.0
"""Standard deviations beyond which no normal deviate is expected, of however many."""
