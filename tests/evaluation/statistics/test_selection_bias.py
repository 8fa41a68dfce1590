"""The selection-bias meter: noise that was put in is found, the expected maximum is that of normal deviates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from tuner.evaluation.statistics.comparison import Replicas
from tuner.evaluation.statistics.selection_bias import estimate_noise, expect_excess


def draw_finalists(rng, *, of_seeds, shared, own, n_finalists=5, n_seeds=5, n_replicas=200):
    """Finalists of unequal worth; the events' luck is shared but for each one's own."""
    luck = shared * rng.normal(size=n_replicas)
    finalists = []
    for worth in np.linspace(0.90, 0.93, n_finalists):
        values = worth + of_seeds * rng.normal(size=n_seeds)
        finalists.append(Replicas(values, values[:, None] + luck + own * rng.normal(size=(n_seeds, n_replicas))))
    return finalists


@pytest.mark.parametrize(("of_seeds", "own"), [(0.003, 0.004), (0.01, 0.0), (0.0, 0.005)])
def test_noise_is_that_of_seeds_and_of_events_that_networks_do_not_share(of_seeds, own):
    rng = np.random.default_rng(0)
    found = [estimate_noise(draw_finalists(rng, of_seeds=of_seeds, shared=0.02, own=own)) ** 2 for _ in range(60)]
    assert np.sqrt(np.mean(found)) == pytest.approx(np.hypot(of_seeds, own), rel=0.05)


def test_one_training_leaves_the_noise_unknown():
    (alone,) = draw_finalists(np.random.default_rng(1), of_seeds=1, shared=1, own=1, n_finalists=1, n_seeds=1)
    assert estimate_noise([alone]) is None
    assert expect_excess(None, 100) is None
    assert expect_excess(0.0, 100) == 0.0
    assert expect_excess(None, 1) == 0.0


def expect_maximum(n):
    """Return the exact expectation of the largest of n standard normal deviates."""
    density = lambda x: x * n * norm.pdf(x) * norm.cdf(x) ** (n - 1)  # noqa: E731
    return quad(density, -12, 12, limit=200, points=[0, 2, 4])[0]


def test_the_excess_is_an_upper_estimate_that_becomes_the_maximum_of_many():
    ratios = [expect_excess(1.0, n) / expect_maximum(n) for n in (10, 100, 10_000, 1_000_000)]
    assert ratios == sorted(ratios, reverse=True)
    assert 1 < ratios[-1] < 1.09
    assert (round(expect_maximum(10), 2), round(expect_excess(1.0, 10), 2)) == (1.54, 2.15)
    drawn = np.random.default_rng(2).normal(size=(4_000, 100)).max(axis=1).mean()
    assert drawn < expect_excess(1.0, 100) == pytest.approx(drawn, rel=0.25)
    assert expect_excess(1.0, 1) == 0.0
    assert expect_excess(0.02, 50) == pytest.approx(0.02 * expect_excess(1.0, 50))
