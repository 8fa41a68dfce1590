"""Intervals: bootstrap and DeLong against closed forms, against each other, and for coverage."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.errors import EventsError
from tuner.metrics import (
    auc,
    bootstrap_auc,
    bootstrap_figure,
    delong_covariance,
    delong_variance,
    delong_z,
    measure_train_gap,
)
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.measurement import Measurement, measure


def draw_gaussians(n: int, seed: int, distance: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    return labels, generator.normal(labels * distance, 1.0), generator.exponential(1.0, n)


def test_replicas_keep_each_class_size():
    is_signal = np.array([True] * 30 + [False] * 70)
    for counts in draw_counts(is_signal, 20, seed=1):
        assert counts[is_signal].sum() == 30
        assert counts[~is_signal].sum() == 70


def test_each_event_is_drawn_as_often_as_any_other_the_first_and_the_last_among_them():
    """Of n draws from n events each is Poisson-like: mean 1, variance 1 - 1/n."""
    is_signal = np.array([True, False, False, True, False, False, True, False])
    counts = np.array(list(draw_counts(is_signal, 4_000, seed=2)))
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.08)
    expected = np.where(is_signal, 1 - 1 / is_signal.sum(), 1 - 1 / (~is_signal).sum())
    np.testing.assert_allclose(counts.var(axis=0), expected, rtol=0.1)


def test_fast_replicas_are_the_plain_ones():
    labels, scores, weights = draw_gaussians(400, 1)
    scores = scores.round(1)
    fast = bootstrap_auc(labels, scores, weights, n_replicas=20, seed=3)
    plain = bootstrap_figure(auc, labels, scores, weights, n_replicas=20, seed=3)
    np.testing.assert_allclose(fast, plain, atol=1e-12)
    assert len(set(fast)) == 20


def test_bootstrap_agrees_with_delong_where_unweighted():
    labels, scores, _ = draw_gaussians(2_000, 4)
    replicas = bootstrap_auc(labels, scores, n_replicas=600)
    assert replicas.std() == pytest.approx(np.sqrt(delong_variance(labels, scores)), rel=0.1)


def test_delong_is_the_variance_of_repeated_experiments():
    areas = [auc(*draw_gaussians(600, seed)[:2]) for seed in range(400)]
    told = np.mean([delong_variance(*draw_gaussians(600, seed)[:2]) for seed in range(50)])
    assert np.var(areas) == pytest.approx(told, rel=0.2)


def test_delong_of_the_definition_with_ties_and_unlike_classes():
    """Placements by brute force over all pairs."""
    labels, scores, _ = draw_gaussians(60, 5)
    labels, scores = labels[:45], scores[:45].round(1)
    signal, background = scores[labels == 1], scores[labels == 0]
    above = (signal[:, None] > background) + 0.5 * (signal[:, None] == background)
    expected = above.mean(axis=1).var(ddof=1) / 15 + above.mean(axis=0).var(ddof=1) / 30
    assert delong_variance(labels, scores, np.full(45, 2.0)) == pytest.approx(expected)


def test_delong_refuses_weights_that_differ():
    labels, scores, weights = draw_gaussians(100, 6)
    with pytest.raises(EventsError, match="equal weight"):
        delong_variance(labels, scores, weights)


def test_two_scores_of_the_same_events_are_told_apart_by_pairing():
    generator = np.random.default_rng(7)
    labels, scores, _ = draw_gaussians(2_000, 7)
    worse = scores + generator.normal(0, 0.4, 2_000)
    replicas = [bootstrap_auc(labels, one, n_replicas=400) for one in (scores, worse)]
    plain = measure(auc(labels, scores) - auc(labels, worse), replicas[0] - replicas[1])
    assert delong_z(labels, (scores, worse)) == pytest.approx(plain.value / plain.error, rel=0.15)
    assert delong_covariance(labels, (scores, worse)).shape == (2, 2)
    assert delong_z(labels, (scores, scores)) == 0


def test_the_gap_from_train_to_another_part_is_that_of_their_aucs_and_its_error_adds_in_quadrature():
    """DeLong's variances of two samples that share no events."""
    train, test = draw_gaussians(1_500, 8), draw_gaussians(600, 9)
    better = train[1] + 0.3 * train[0]
    gap = measure_train_gap((train[0], better, None), (*test[:2], None), n_replicas=400)
    assert gap.value == pytest.approx(auc(train[0], better) - auc(*test[:2]))
    expected = np.sqrt(delong_variance(train[0], better) + delong_variance(*test[:2]))
    assert gap.error == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("coverage", [0.5, 0.68, 0.9, 0.95])
def test_an_interval_covers_as_much_as_is_asked_for(coverage):
    replicas = bootstrap_auc(*draw_gaussians(400, 9), n_replicas=300, seed=1)
    found = measure(0.5, replicas, coverage=coverage)
    inside = ((replicas >= found.low) & (replicas <= found.high)).mean()
    assert inside == pytest.approx(coverage, abs=2 / 300 + 1e-9)
    assert (replicas < found.low).sum() == pytest.approx((replicas > found.high).sum(), abs=1)


def test_an_infinite_replica_does_no_harm_and_an_undefined_one_is_left_out():
    found = measure(5.0, np.array([4.0, 5.0, 6.0, np.inf, np.nan]), coverage=0.9)
    assert found == Measurement(5.0, 4.0, np.inf)
    assert np.isnan(measure(5.0, np.array([np.nan])).low)


def test_a_measurement_reads_as_a_physicist_writes_it():
    assert str(Measurement(0.93124, 0.9271, 0.9353)) == "0.9312 ± 0.0041"
    assert str(Measurement(213.4, 190.0, 240.0)) == "213 ± 25"
    assert str(Measurement(3.57, 3.11, 4.51)) == "3.57 +0.94 -0.46"
    assert str(Measurement(1.0, 1.0, 1.0)) == "1"


@pytest.mark.parametrize(
    ("measured", "written", "bracketed"),
    [
        (Measurement(0.5, 0.4004, 0.5996), "0.50 ± 0.10", "0.50 [0.40, 0.60]"),
        (Measurement(12_345.6, 12_000, 12_691), "12,350 ± 350", "12,350 [12,000, 12,690]"),
        (Measurement(0.9, 0.892, 1.016), "0.90 +0.12 -0.01", "0.90 [0.89, 1.02]"),
        (Measurement(1_000.0, 993.0, 1_950.0), "1,000 +950 -10", "1,000 [990, 1,950]"),
        (Measurement(-0.0092, -0.0112, -0.0072), "-0.0092 ± 0.0020", "-0.0092 [-0.0112, -0.0072]"),
        (Measurement(0.5, 0.5, 0.5), "0.5", "0.5"),
    ],
)
def test_an_error_has_two_digits_at_the_most_and_the_value_as_many_decimals(measured, written, bracketed):
    assert (str(measured), measured.bracketed) == (written, bracketed)


def test_replicas_of_another_estimator_are_scaled_to_the_value():
    replicas = np.arange(80.0, 121.0)
    plain, scaled = measure(100.0, replicas), measure(50.0, replicas, centre=100.0)
    assert (scaled.value, scaled.low, scaled.high) == (50.0, plain.low / 2, plain.high / 2)
    for value, centre in ((np.inf, 100.0), (100.0, np.inf), (100.0, 0.0)):
        came = measure(value, replicas, centre=centre)
        assert (came.low, came.high) == (plain.low, plain.high)
