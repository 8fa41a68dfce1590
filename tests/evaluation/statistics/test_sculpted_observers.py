"""Observers that a cut sculpts: only those that the score follows, the worst first, as the metric measures them."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.evaluation.statistics.sculpted_observers import measure_observers
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
    found = measure_observers(*events, threshold=0.7, part="test", seed=3)
    beyond = {sculpted.observer: sculpted.beyond_chance for sculpted in found}
    assert list(beyond.items()) == [("much", True), ("a little", True), ("not at all", False)]
    expected = measure_sculpting(observers["much"], labels, scores, weights, threshold=0.7, seed=3)
    assert (found[0].divergence, found[0].chance) == (expected.divergence, expected.chance)
    assert found[0].p_value == expected.p_value < 0.05
    assert found[0].baseline is None


def test_the_baseline_is_measured_at_its_own_cut(events):
    observers, labels, _, weights = events
    chance = np.random.default_rng(1).random(N)
    (found, *_) = measure_observers(*events, threshold=0.7, baseline=(chance, 0.4), part="test")
    expected = measure_sculpting(observers["much"], labels, chance, weights, threshold=0.4)
    assert found.baseline == pytest.approx(expected.divergence.value)
    assert found.baseline < found.divergence.value / 10
    (found, *_) = measure_observers(*events, threshold=0.7, baseline=(chance, 2.0), part="test")
    assert found.baseline is None


@pytest.mark.parametrize("threshold", [np.inf, np.nan, 2.0])
def test_without_background_that_passes_nothing_is_sculpted(events, threshold):
    assert measure_observers(*events, threshold=threshold, part="test") == ()


def test_a_peak_is_found_where_it_was_made_and_told_from_one_elsewhere():
    """Background in a line that falls; a score that lets it pass within 5 of 130, and a signal at 130 or at 200."""
    rng = np.random.default_rng(2)
    background, labels = rng.triangular(50, 50, 250, N), np.repeat([0, 1], N)
    weights = rng.exponential(1.0, 2 * N)
    for at in (130.0, 200.0):
        mass = np.concatenate([background, rng.normal(at, 3, N)])
        scores = np.where((labels == 1) | (np.abs(mass - 130) < 5), 0.9, 0.1)
        (found,) = measure_observers({"mass": mass}, labels, scores, weights, threshold=0.5, part="test")
        assert found.peak == pytest.approx(130, abs=5)
        assert found.signal.value == pytest.approx(at, abs=0.3)
        assert found.signal.error == pytest.approx(3, rel=0.1)
        assert (found.is_strong, found.peaks_at_signal) == (True, at == 130)
    mass[labels == 1] = np.nan
    (found,) = measure_observers({"mass": mass}, labels, scores, weights, threshold=0.5, part="test")
    assert (found.signal, found.peaks_at_signal) == (None, False)
