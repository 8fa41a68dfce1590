"""The calibration error and its interval, where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.metrics import balance_classes, expected_calibration_error, measure_calibration


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels, each class as often, and scores that are 0.06 too high (mirrored below 0.5: too low)."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.1, 0.9, n)
    labels = (generator.random(n) < truth).astype(int)
    return labels, truth + np.where(truth > 0.5, 0.06, -0.06)


def test_the_interval_holds_the_true_error_which_the_plain_value_exceeds():
    """The distance is 0.06 everywhere. Sampling adds to it, a replica's once more."""
    found = [measure_calibration(*draw(600, seed), n_replicas=60, seed=seed) for seed in range(100)]
    assert np.mean([each.error.value for each in found]) > 0.065
    held = sum(each.error.low <= 0.06 <= each.error.high for each in found)
    assert held == pytest.approx(68, abs=14)


def test_value_and_chance_are_those_of_the_plain_functions():
    labels, scores = draw(3_000, 1)
    weights = np.random.default_rng(2).exponential(1.0, 3_000) * np.where(labels == 1, 1e-3, 1.0)
    found = measure_calibration(labels, scores, weights, n_replicas=20)
    balanced = balance_classes(labels, weights)
    assert found.error.value == pytest.approx(expected_calibration_error(labels, scores, balanced))
    assert found.chance.value < found.error.low
    assert found.events.sum() == 3_000


def test_negative_weights_that_prevail_in_a_replica_do_no_harm():
    labels, scores = draw(60, 3)
    weights = np.where(np.arange(60) % 5 == 0, -3.0, 1.2)
    weights[labels == 0] = 1.0
    weights[np.flatnonzero(labels == 1)[0]] = 40.0
    found = measure_calibration(labels, scores, weights, n_replicas=60)
    assert np.isfinite([found.error.low, found.error.high, found.chance.value]).all()
