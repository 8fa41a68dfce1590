"""Scores as probabilities, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from tuner.errors import EventsError
from tuner.metrics import (
    average_precision,
    balance_classes,
    brier_score,
    calibrate,
    effective_number,
    expected_calibration_error,
    log_loss,
    log_loss_classes_balanced,
    negative_fraction,
    separation,
)


@pytest.fixture(scope="module")
def events() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated by construction where unweighted."""
    generator = np.random.default_rng(7)
    scores = generator.beta(1.0, 2.0, 30_000)
    labels = (generator.random(30_000) < scores).astype(int)
    return labels, scores, generator.exponential(1.0, 30_000)


def test_weighted_figures_equal_scikit_learn(events):
    labels, scores, weights = events
    assert log_loss(*events) == pytest.approx(reference.log_loss(labels, scores, sample_weight=weights))
    assert brier_score(*events) == pytest.approx(reference.brier_score_loss(labels, scores, sample_weight=weights))
    assert average_precision(*events) == pytest.approx(
        reference.average_precision_score(labels, scores, sample_weight=weights)
    )


def test_certain_and_wrong_costs_what_it_costs_in_scikit_learn():
    labels, scores = [0, 1, 1], [1.0, 0.0, 1.0]
    assert log_loss(labels, scores) == pytest.approx(reference.log_loss(labels, scores))


def test_balanced_log_loss_is_scikit_learns_with_equal_totals_and_blind_to_abundance(events):
    labels, scores, weights = events
    totals = [weights[labels == value].sum() for value in (0, 1)]
    expected = reference.log_loss(labels, scores, sample_weight=weights / np.take(totals, labels))
    assert log_loss_classes_balanced(*events) == pytest.approx(expected)
    rarer = weights * np.where(labels == 1, 1e-3, 1.0)
    assert log_loss_classes_balanced(labels, scores, rarer) == pytest.approx(expected)
    assert log_loss_classes_balanced(labels, np.full(len(labels), 0.5), weights) == pytest.approx(np.log(2))


def test_calibration_equals_scikit_learns_quantile_bins_where_unweighted(events):
    labels, scores, _ = events
    fraction, mean = calibration_curve(labels, scores, n_bins=10, strategy="quantile")
    found = calibrate(labels, scores)
    np.testing.assert_allclose(found.signal_fraction, fraction, atol=2e-3)
    np.testing.assert_allclose(found.mean_score, mean, atol=2e-3)


def test_an_integer_weight_calibrates_like_so_many_copies(events):
    labels, scores, _ = (array[:500] for array in events)
    counts = np.random.default_rng(8).integers(1, 5, 500)
    assert expected_calibration_error(labels, scores, counts) == pytest.approx(
        expected_calibration_error(np.repeat(labels, counts), np.repeat(scores, counts))
    )


def test_calibration_error_is_small_for_probabilities_and_grows_with_the_distortion(events):
    labels, scores, weights = events
    assert expected_calibration_error(labels, scores, weights) < 0.02
    shifted = np.clip(scores + 0.2, 0, 1)
    assert expected_calibration_error(labels, shifted, weights) == pytest.approx(0.2, abs=0.02)
    assert calibrate(labels, np.full(len(labels), 0.3)).weight == pytest.approx([1.0])


def test_scores_that_are_no_probabilities_are_refused():
    with pytest.raises(EventsError, match="reach from -2 to 3"):
        log_loss([0, 1], [-2.0, 3.0])


def test_separation_runs_from_nothing_to_one():
    generator = np.random.default_rng(9)
    labels = np.repeat([0, 1], 50_000)
    assert separation(labels, generator.normal(size=100_000)) < 0.01
    assert separation(labels, labels + 0.1 * generator.random(100_000)) == pytest.approx(1.0)
    # Flat on [0, 1] against flat on [0.5, 1.5]: half of each lies where the other is not.
    flat = generator.random(100_000) + 0.5 * labels
    weights = generator.exponential(1.0, 100_000)
    assert separation(labels, flat, weights, bins=np.linspace(0, 1.5, 31)) == pytest.approx(0.5, abs=0.01)


def test_effective_number_and_negative_fraction():
    assert effective_number(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_number([1.0, 1.0, 0.0]) == pytest.approx(2)
    assert effective_number([]) == 0
    assert negative_fraction([1.0, -1.0, 2.0]) == pytest.approx(0.25)
    assert negative_fraction([1.0]) == 0


def test_balanced_weights_add_up_alike_and_keep_proportions():
    balanced = balance_classes([1, 0, 0, 0], [2.0, 1.0, 3.0, 4.0])
    np.testing.assert_allclose(balanced, [2.0, 0.25, 0.75, 1.0])
