"""Observers that a cut sculpts: only those that the score follows, the worst first, as the metric measures them."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.evaluation.statistics.sculpted_observers import find_sculpted_observers
from tuner.metrics.sculpting import measure_sculpting

N = 4_000


@pytest.fixture(scope="module")
def events():
    """Observers that the score follows much, a little, not at all; labels, scores, weights."""
    rng = np.random.default_rng(0)
    scores = rng.random(N)
    observers = {
        "a little": scores + rng.normal(size=N),
        "not at all": rng.normal(size=N),
        "much": scores + 0.2 * rng.normal(size=N),
    }
    return observers, rng.integers(0, 2, N), scores, rng.exponential(1.0, N)


def test_only_what_the_score_follows_is_sculpted_and_as_the_metric_has_it(events):
    observers, labels, scores, weights = events
    found = find_sculpted_observers(*events, threshold=0.7, part="test", seed=3)
    assert [sculpted.observer for sculpted in found] == ["much", "a little"]
    expected = measure_sculpting(observers["much"], labels, scores, weights, threshold=0.7, seed=3)
    assert (found[0].divergence, found[0].chance) == (expected.divergence, expected.chance)
    assert found[0].p_value == expected.p_value < 0.05
    assert found[0].baseline is None


def test_the_baseline_is_measured_at_its_own_cut(events):
    observers, labels, _, weights = events
    chance = np.random.default_rng(1).random(N)
    (found, _) = find_sculpted_observers(*events, threshold=0.7, baseline=(chance, 0.4), part="test")
    expected = measure_sculpting(observers["much"], labels, chance, weights, threshold=0.4)
    assert found.baseline == pytest.approx(expected.divergence.value)
    assert found.baseline < found.divergence.value / 10
    (found, _) = find_sculpted_observers(*events, threshold=0.7, baseline=(chance, 2.0), part="test")
    assert found.baseline is None


@pytest.mark.parametrize("threshold", [np.inf, np.nan, 2.0])
def test_without_background_that_passes_nothing_is_sculpted(events, threshold):
    assert find_sculpted_observers(*events, threshold=threshold, part="test") == ()
