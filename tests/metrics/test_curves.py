"""ROC curve and AUC against scikit-learn and the two-Gaussian closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm
from sklearn import metrics as reference

from tuner.errors import EventsError
from tuner.metrics import BackgroundRejection, FixedBackgroundEfficiency, FixedSignalEfficiency, auc, roc
from tuner.metrics.curves import background_rejection, partial_auc, rank, signal_efficiency, smooth_rejection


@st.composite
def weighted_events(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both classes present, many tied scores, positive weights of several orders of magnitude."""
    n = draw(st.integers(2, 40))
    labels = np.array([0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))])
    scores = draw(hnp.arrays(np.float64, n, elements=st.integers(-4, 4).map(float)))
    weights = draw(hnp.arrays(np.float64, n, elements=st.floats(1e-3, 1e3)))
    return labels, scores, weights


@given(weighted_events())
def test_auc_equals_scikit_learn_with_ties_and_weights(events):
    labels, scores, weights = events
    expected = reference.roc_auc_score(labels, scores, sample_weight=weights)
    assert auc(labels, scores, weights) == pytest.approx(expected, abs=1e-12)


@given(weighted_events())
def test_roc_equals_scikit_learn_point_by_point(events):
    labels, scores, weights = events
    eps_b, eps_s, thresholds = reference.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    curve = roc(labels, scores, weights)
    np.testing.assert_allclose(curve.eps_s, eps_s, atol=1e-12)
    np.testing.assert_allclose(curve.eps_b, eps_b, atol=1e-12)
    np.testing.assert_array_equal(curve.thresholds, thresholds)


@given(weighted_events(), st.floats(0.01, 1.0))
def test_partial_auc_equals_scikit_learn(events, largest_eps_b):
    labels, scores, weights = events
    expected = reference.roc_auc_score(labels, scores, sample_weight=weights, max_fpr=largest_eps_b)
    assert partial_auc(labels, scores, weights, largest_eps_b=largest_eps_b) == pytest.approx(expected, abs=1e-9)


@given(weighted_events(), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_auc_does_not_see_the_scale_of_either_class_of_weights(events, of_signal, of_background):
    labels, scores, weights = events
    scaled = weights * np.where(labels == 1, of_signal, of_background)
    assert auc(labels, scores, scaled) == pytest.approx(auc(labels, scores, weights), abs=1e-9)


@given(weighted_events())
def test_auc_depends_on_the_order_of_scores_only(events):
    labels, scores, weights = events
    assert auc(labels, np.exp(scores) * 3 - 7, weights) == pytest.approx(auc(labels, scores, weights), abs=1e-12)


@given(weighted_events())
def test_swapping_labels_or_the_sign_of_scores_mirrors_the_auc(events):
    labels, scores, weights = events
    area = auc(labels, scores, weights)
    assert auc(1 - labels, scores, weights) == pytest.approx(1 - area, abs=1e-12)
    assert auc(labels, -scores, weights) == pytest.approx(1 - area, abs=1e-12)


@given(weighted_events(), st.floats(0.0, 1.0), st.randoms(use_true_random=False))
def test_splitting_an_events_weight_in_two_changes_nothing(events, share, random):
    labels, scores, weights = events
    row = random.randrange(len(labels))
    parts = weights.copy()
    parts[row] *= share
    split = (
        np.append(labels, labels[row]),
        np.append(scores, scores[row]),
        np.append(parts, weights[row] - parts[row]),
    )
    assert auc(*split) == pytest.approx(auc(labels, scores, weights), abs=1e-12)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.5, 3.0])
def test_auc_of_two_gaussians_is_the_closed_form(distance):
    generator = np.random.default_rng(1)
    labels = np.repeat([0, 1], 100_000)
    scores = generator.normal(labels * distance, 1.0)
    expected = norm.cdf(distance / np.sqrt(2))
    assert auc(labels, scores) == pytest.approx(expected, abs=4e-3)


def test_weights_turn_one_gaussian_into_another():
    """Background generated flat and weighted to a Gaussian has the Gaussian's AUC: the weights are event weights."""
    generator = np.random.default_rng(2)
    signal, background = generator.normal(1.0, 1.0, 100_000), generator.uniform(-5, 5, 100_000)
    labels = np.repeat([1, 0], 100_000)
    weights = np.concatenate([np.ones(100_000), norm.pdf(background)])
    scores = np.concatenate([signal, background])
    assert auc(labels, scores, weights) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=5e-3)
    assert abs(auc(labels, scores) - norm.cdf(1 / np.sqrt(2))) > 0.05


def test_negative_weights_give_the_signed_mann_whitney_statistic():
    generator = np.random.default_rng(3)
    labels, scores = generator.integers(0, 2, 300), generator.normal(size=300).round(1)
    weights = generator.normal(1.0, 1.0, 300)
    signal, background = labels == 1, labels == 0
    above = np.sign(scores[signal][:, None] - scores[background][None, :]) / 2 + 0.5
    pairs = weights[signal][:, None] * weights[background][None, :]
    assert auc(labels, scores, weights) == pytest.approx((above * pairs).sum() / pairs.sum(), abs=1e-12)
    eps_b, eps_s, _ = reference.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    assert auc(labels, scores, weights) == pytest.approx(np.trapezoid(eps_s, eps_b), abs=1e-12)


def test_rejection_and_efficiency_are_those_of_a_cut_that_can_be_set():
    labels = np.array([1, 0, 1, 1, 0, 1, 0, 0])
    scores = np.array([8, 7, 6, 5, 4, 3, 2, 1])
    curve = roc(labels, scores)
    assert background_rejection(curve, 0.25) == np.inf
    assert background_rejection(curve, 0.3) == 4.0
    assert background_rejection(curve, 0.5) == 4.0
    assert background_rejection(curve, 0.76) == 2.0
    assert background_rejection(curve, 1.0) == 2.0
    assert signal_efficiency(curve, 0.24) == 0.25
    assert signal_efficiency(curve, 0.25) == 0.75
    assert signal_efficiency(curve, 1.0) == 1.0


def test_efficiencies_survive_rounding_of_the_last_sum():
    labels, scores = np.array([1] * 10 + [0] * 10), np.arange(20)[::-1]
    weights = np.full(20, 0.1)
    curve = roc(labels, scores, weights)
    assert background_rejection(curve, 1.0) == np.inf
    assert background_rejection(curve, 0.7) == np.inf


@pytest.mark.parametrize(
    ("labels", "scores", "weights", "words"),
    [
        ([1, 1], [0.1, 0.2], None, "background events of positive total weight"),
        ([0, 0], [0.1, 0.2], None, "signal events of positive total weight"),
        ([0, 1], [0.1, 0.2], [1.0, -1.0], "signal events of positive total weight"),
        ([0, 1], [0.1, np.nan], None, "Scores must be numbers, but 1 of 2"),
        ([0, 1], [0.1, 0.2], [np.inf, 1.0], "Weights must be finite, but 1 of 2"),
        ([0, 2], [0.1, 0.2], None, "but 2 came"),
        ([0, 1, 1], [0.1, 0.2], None, "3 labels, 2 scores"),
    ],
)
def test_what_no_curve_can_be_made_of_is_told(labels, scores, weights, words):
    with pytest.raises(EventsError, match=words):
        roc(labels, scores, weights)


@pytest.mark.parametrize("unit", [1.0, 0.7, 0.1, 1 / 3, 1e-9, 1e9])
@pytest.mark.parametrize("n", [4, 10, 30])
def test_the_unit_of_the_weights_does_not_move_the_cut_at_an_efficiency(n, unit):
    """0.7 + 0.7 + 0.7 of 2.8 is a little less than 0.75 in floating point: the third of four events is meant."""
    labels, scores = np.tile([1, 0], n), np.repeat(np.arange(n, 0, -1), 2) - np.tile([0.0, 0.5], n)
    weights = np.full(2 * n, unit)
    curve = roc(labels, scores, weights)
    for k in range(1, n + 1):
        efficiency = k / n
        assert background_rejection(curve, efficiency) == pytest.approx(n / (k - 1) if k > 1 else np.inf)
        assert signal_efficiency(curve, efficiency) == pytest.approx(min(k + 1, n) / n)
        assert BackgroundRejection(eps_s=efficiency)(labels, scores, weights) == pytest.approx(n / max(k - 1, 1))
        assert FixedSignalEfficiency(eps_s=efficiency).choose(labels, scores, weights) == n - k + 1
        assert FixedBackgroundEfficiency(eps_b=efficiency).choose(labels, scores, weights) == max(n - k, 1)


def test_a_smooth_rejection_averages_the_cuts_around_an_efficiency():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 2000)
    curve = roc(labels, generator.normal(labels, 1.0))
    near = [1 / background_rejection(curve, eps) for eps in np.linspace(0.475, 0.525, 9)]
    assert smooth_rejection(curve, 0.5) == pytest.approx(1 / np.mean(near))
    assert smooth_rejection(curve, 0.5) != background_rejection(curve, 0.5)
    near = [1 / background_rejection(curve, eps) for eps in np.linspace(0.985, 0.995, 9)]
    assert smooth_rejection(curve, 0.99) == pytest.approx(1 / np.mean(near))
    perfect = roc([0, 0, 1, 1], [1, 2, 3, 4])
    assert smooth_rejection(perfect, 0.5) == np.inf


def test_background_sums_are_those_above_each_distinct_score():
    labels, scores = np.array([1, 0, 0, 1, 0, 0]), np.array([0.9, 0.7, 0.7, 0.7, 0.4, 0.8])
    weights = np.array([5.0, 1.0, 2.0, 9.0, -1.0, 0.5])
    sums, squares = rank(labels == 1, scores).sum_background(weights)
    cuts = [0.9, 0.8, 0.7, 0.4]
    above = [weights[(scores >= cut) & (labels == 0)] for cut in cuts]
    np.testing.assert_allclose(sums, [one.sum() for one in above])
    np.testing.assert_allclose(squares, [(one**2).sum() for one in above])
