"""Few events: Clopper and Pearson's interval against scipy, its coverage, and where it takes over."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from tuner.metrics.few_events import are_few, invert, measure_share
from tuner.metrics.measured_figures import measure_figures
from tuner.metrics.measurement import ONE_SIGMA


@pytest.mark.parametrize(("passed", "n"), [(0, 7), (4, 4), (1, 9), (50, 60)])
def test_counts_have_the_exact_interval_of_scipy(passed, n):
    found = measure_share(passed / n, n)
    expected = binomtest(passed, n).proportion_ci(ONE_SIGMA, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    inverse = invert(found)
    assert inverse.low == pytest.approx(1 / expected.high)
    assert inverse.value == (np.inf if passed == 0 else pytest.approx(n / passed))


def test_the_interval_holds_the_truth_at_least_as_often_as_it_says():
    """Summed over all outcomes, no simulation."""
    n, truth = 12, 0.85
    intervals = [measure_share(k / n, n) for k in range(n + 1)]
    held = sum(binom.pmf(k, n, truth) for k, found in enumerate(intervals) if found.low <= truth <= found.high)
    assert held >= ONE_SIGMA


def test_no_figure_of_separated_classes_has_an_interval_of_zero_width():
    labels = np.array([1] * 4 + [0] * 60)
    scores = np.where(labels == 1, 0.9, 0.1)
    found = measure_figures(labels, scores, threshold=0.5, n_bootstrap=20)
    four_of_four = binomtest(4, 4).proportion_ci(ONE_SIGMA, method="exact")
    assert found["sensitivity"].low == pytest.approx(four_of_four.low)
    none_of_sixty = binomtest(0, 60).proportion_ci(ONE_SIGMA, method="exact")
    rejection = found["1/eps_B at eps_S=0.5"]
    assert rejection.value == rejection.high == np.inf
    assert rejection.low == pytest.approx(1 / none_of_sixty.high)
    assert str(rejection) == f"> {rejection.low:.3g}"
    for name in (
        "AUC",
        "sensitivity",
        "specificity",
        "accuracy",
        "balanced accuracy",
        "precision",
        "average precision",
    ):
        assert found[name].low < found[name].value == found[name].high == 1


def test_weighted_events_count_by_their_effective_number():
    labels, weights = np.array([1] * 12 + [0] * 60), np.ones(72)
    weights[0] = 20.0
    found = measure_figures(labels, np.where(labels == 1, 0.9, 0.1), weights, threshold=0.5, n_bootstrap=20)
    assert found["sensitivity"].low == pytest.approx(measure_share(1.0, 31**2 / (400 + 11)).low)


def test_many_events_keep_the_bootstrap():
    assert are_few(0.9, 99)
    assert not are_few(0.9, 101)
    assert not are_few(float("nan"), 10)


def test_the_precision_of_many_events_of_unlike_weights_is_by_bootstrap():
    generator = np.random.default_rng(0)
    labels = np.repeat([1, 0], [400, 200])
    weights = np.where(labels == 1, 0.01, 10.0)  # signal is rare: its events weigh little
    scores = generator.uniform(0.5, 1.0, 600)
    found = measure_figures(labels, scores, weights, threshold=0.6, n_bootstrap=200, seed=0)["precision"]
    assert (found.high - found.low) / 2 == pytest.approx(0.043 * found.value, rel=0.3)  # binomial, per class
