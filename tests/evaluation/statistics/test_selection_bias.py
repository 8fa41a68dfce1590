"""The selection-bias meter: noise that was put in is found, the expected maximum is that of normal deviates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from tuner.evaluation.statistics.selection_bias import estimate_noise, expect_excess, expect_maximum
from tuner.metrics.replicas import Replicas


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


@pytest.mark.parametrize(
    ("n", "exact"),
    [
        (1, 0.0),
        (2, 1 / np.sqrt(np.pi)),
        (3, 1.5 / np.sqrt(np.pi)),
        (4, 3 / np.sqrt(np.pi) * (0.5 + np.arcsin(1 / 3) / np.pi)),
        (10, 1.5387527308),
        (1000, 3.2414357690),
    ],
)
def test_the_expected_maximum_is_the_known_one(n, exact):
    assert expect_maximum(n) == pytest.approx(exact, abs=1e-8)


def test_the_expected_maximum_is_that_of_the_density_and_of_many_by_extreme_values():
    n = 300
    density = lambda x: x * n * norm.pdf(x) * norm.cdf(x) ** (n - 1)  # noqa: E731
    assert expect_maximum(n) == pytest.approx(quad(density, -12, 12, limit=200, points=[0, 2, 4])[0], rel=1e-8)
    many = 10**9
    place = norm.isf(1 / many)
    assert expect_maximum(many) == pytest.approx(place + np.euler_gamma / place, rel=2e-3)


def test_the_excess_is_what_the_best_of_drawn_settings_has():
    drawn = np.random.default_rng(2).normal(size=(4_000, 100)).max(axis=1).mean()
    assert expect_excess(1.0, 100) == pytest.approx(drawn, rel=0.01)
    assert expect_excess(1.0, 1) == 0.0
    assert expect_excess(0.02, 50) == pytest.approx(0.02 * expect_excess(1.0, 50))
