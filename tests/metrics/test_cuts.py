"""Figures of one cut against scikit-learn; rules that choose cuts; scans of significance."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from tuner.errors import EventsError, StudyError
from tuner.metrics import (
    Ams,
    FixedBackgroundEfficiency,
    FixedPurity,
    FixedSignalEfficiency,
    LargestSignificance,
    Significance,
    WorkingPoint,
    Youden,
    asimov_significance,
    choose_cut,
    count_confusion,
    measure_gamma_telescope,
    tabulate_gamma_telescope,
)
from tuner.metrics.at_threshold import set_between_scores


@pytest.fixture(scope="module")
def events() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    labels = (generator.random(20_000) < 0.3).astype(int)
    scores = norm.cdf(generator.normal(labels * 1.5, 1.0))
    return labels, scores, generator.exponential(1.0, 20_000)


def test_every_figure_of_a_cut_equals_scikit_learn(events):
    labels, scores, weights = events
    scores = scores.round(2)
    confusion = count_confusion(labels, scores, 0.7, weights)
    selected = scores >= 0.7
    expected = {
        "sensitivity": reference.recall_score(labels, selected, sample_weight=weights),
        "specificity": reference.recall_score(labels, selected, sample_weight=weights, pos_label=0),
        "accuracy": reference.accuracy_score(labels, selected, sample_weight=weights),
        "balanced_accuracy": reference.balanced_accuracy_score(labels, selected, sample_weight=weights),
        "precision": reference.precision_score(labels, selected, sample_weight=weights),
    }
    assert {name: getattr(confusion, name) for name in expected} == pytest.approx(expected, rel=1e-9)


def test_ratios_that_are_not_defined_are_not_a_number():
    confusion = count_confusion([0, 1], [0.1, 0.2], np.inf)
    assert confusion.sensitivity == 0
    assert np.isnan(confusion.precision)


def test_youden_finds_the_cut_where_two_gaussians_cross(events):
    labels, scores, weights = events
    assert norm.ppf(Youden().choose(labels, scores, weights)) == pytest.approx(0.75, abs=0.15)


def test_fixed_efficiencies_hold_and_are_tight(events):
    labels, scores, weights = events
    threshold = FixedSignalEfficiency(eps_s=0.8).choose(labels, scores, weights)
    assert 0.8 <= count_confusion(labels, scores, threshold, weights).sensitivity < 0.802
    threshold = FixedBackgroundEfficiency(eps_b=0.05).choose(labels, scores, weights)
    assert 0.95 <= count_confusion(labels, scores, threshold, weights).specificity < 0.952
    assert norm.ppf(threshold) == pytest.approx(norm.isf(0.05), abs=0.1)


def test_fixed_purity_holds_keeps_most_signal_and_leaves_enough_background(events):
    labels, scores, weights = events
    threshold = FixedPurity(purity=0.7).choose(labels, scores, weights)
    confusion = count_confusion(labels, scores, threshold, weights)
    assert confusion.precision >= 0.7
    looser = [t for t in np.quantile(scores, np.linspace(0, 1, 200)) if t < threshold]
    assert all(count_confusion(labels, scores, t, weights).precision < 0.7 for t in looser)
    threshold = FixedPurity(purity=1.0).choose(labels, scores, weights)
    assert ((scores >= threshold) & (labels == 0)).sum() >= 25


@pytest.mark.parametrize(
    "rule",
    [
        Youden(),
        FixedSignalEfficiency(eps_s=0.8),
        FixedSignalEfficiency(eps_s=1.0),
        FixedBackgroundEfficiency(eps_b=0.05),
        FixedPurity(purity=0.7),
        LargestSignificance(s=300, b=3_000),
        Ams(s=300, b=3_000),
    ],
)
def test_no_event_is_lost_at_a_cut_where_its_score_comes_out_smaller_the_next_time(events, rule):
    labels, scores, weights = events
    scores = scores.round(4)
    own, cut = rule.choose(labels, scores, weights), choose_cut(rule, labels, scores, weights)
    assert own in scores
    assert (scores >= cut).tolist() == (scores >= own).tolist()
    assert np.abs(scores - cut).min() >= 4e-5
    for rescored in (scores.astype(np.float32), scores - 1e-6, scores + 1e-6):
        assert count_confusion(labels, rescored, cut, weights) == count_confusion(labels, scores, own, weights)


@pytest.mark.parametrize(
    ("threshold", "scores", "expected"),
    [
        (0.8, [0.2, 0.4, 0.8], 0.6),
        (0.8, [0.8, 0.8, 0.4], 0.6),
        (0.7, [0.2, 0.4, 0.8], 0.7),
        (np.inf, [0.2, 0.4], np.inf),
        (0.2, [0.2, 0.4], 0.1),
        (0.0, [0.0, 0.4], -0.5),
        (-2.0, [-2.0, 4.0], -2.5),
        (0.3, [-np.inf, 0.3], 0.15),
        (np.nextafter(0.5, 1), [0.5, np.nextafter(0.5, 1)], np.nextafter(0.5, 1)),
    ],
)
def test_a_cut_is_set_halfway_to_the_next_lower_score(threshold, scores, expected):
    cut = set_between_scores(threshold, scores)
    assert cut == pytest.approx(expected, rel=1e-15)
    assert (np.array(scores) >= cut).tolist() == (np.array(scores) >= threshold).tolist()


def test_a_background_efficiency_that_no_cut_reaches_selects_nothing():
    assert FixedBackgroundEfficiency(eps_b=0.1).choose(np.array([0, 1]), np.array([0.9, 0.1])) == np.inf


def test_largest_significance_is_near_the_best_cut_of_the_two_gaussians(events):
    """Closed form on a grid: the efficiencies of the cuts are those of the Gaussians themselves."""
    cuts = np.linspace(-2, 4, 2_001)
    closed = asimov_significance(300 * norm.sf(cuts - 1.5), 3_000 * norm.sf(cuts), 0.1 * 3_000 * norm.sf(cuts))
    figure = Significance(s=300, b=3_000, relative_systematic=0.1)
    assert figure(*events) == pytest.approx(closed.max(), rel=0.06)
    threshold = LargestSignificance(s=300, b=3_000, relative_systematic=0.1).choose(*events)
    at_threshold = closed[np.searchsorted(cuts, norm.ppf(threshold))]
    assert at_threshold > 0.97 * closed.max()


@pytest.mark.parametrize("figure", [Significance(s=300, b=3_000), Ams(s=300, b=3_000)])
def test_a_scan_rescales_each_class_and_never_trusts_a_cut_with_little_background(events, figure):
    labels, scores, weights = events
    scan = figure.scan(labels, scores, weights)
    assert 50 <= scan.effective_background[0] < 51
    above = weights[(labels == 0) & (scores >= scan.thresholds[0])]
    assert scan.effective_background[0] == pytest.approx(above.sum() ** 2 / (above**2).sum())
    assert scan.raw_background[0] == len(above) > 70
    assert scan.s[-1] == pytest.approx(300)
    assert scan.b[-1] == pytest.approx(3_000)
    assert figure(labels, scores, weights * np.where(labels == 1, 7.0, 0.1)) == pytest.approx(
        figure(labels, scores, weights)
    )


def test_smoothing_keeps_one_lucky_cut_from_winning(events):
    """A handful of signal events piled on one score just above a desert of background."""
    scan = Significance(s=300, b=3_000).scan(*events)
    assert scan.smoothed.max() < scan.significance.max()
    assert scan.smoothed.max() > 0.95 * scan.significance.max()


def test_a_scan_without_enough_background_says_so():
    labels, scores = np.array([0] * 49 + [1] * 50), np.arange(99.0)
    with pytest.raises(EventsError, match=r"at least 50 effective background events.* there are 49 of 49"):
        Significance(s=10, b=10)(labels, scores)
    weights = np.where(np.arange(99) == 0, 30.0, 1.0)
    with pytest.raises(EventsError, match=r"there are 6\.42 of 49"):
        Significance(s=10, b=10)(labels, scores, weights)
    assert np.isfinite(Significance(s=10, b=10, min_background=5)(labels, scores, weights))


def test_cuts_whose_signed_background_is_not_positive_are_left_out():
    generator = np.random.default_rng(6)
    labels, scores = generator.integers(0, 2, 400), generator.normal(size=400)
    weights = np.where((labels == 0) & (scores > 0.5), -1.0, 3.0)
    scan = Significance(s=10, b=100).scan(labels, scores, weights)
    assert np.isfinite(scan.smoothed).all()
    assert (scan.b > 0).all()


def test_gamma_telescope_table_of_two_gaussians(events):
    labels, scores, weights = events
    table = tabulate_gamma_telescope(labels, scores, weights)
    for eps, found in table.eps_gamma.items():
        assert found == pytest.approx(norm.sf(norm.isf(eps) - 1.5), abs=0.05)
    assert table.loacc == pytest.approx(np.mean([table.eps_gamma[e] for e in (0.01, 0.02, 0.05)]))
    assert table.hiacc == pytest.approx(np.mean([table.eps_gamma[e] for e in (0.1, 0.2)]))
    measured = measure_gamma_telescope(labels, scores, weights, threshold=0.3, n_replicas=50)
    for eps, found in table.eps_gamma.items():
        assert measured[f"eps_gamma at eps_hadron={eps:g}"].value == found
    assert (measured["loacc"].value, measured["hiacc"].value) == pytest.approx((table.loacc, table.hiacc))
    assert all(found.low <= found.value <= found.high for found in measured.values())
    passes = scores >= 0.3
    eps_s, eps_b = (weights[passes & (labels == label)].sum() / weights[labels == label].sum() for label in (1, 0))
    assert measured["Q at the cut"].value == pytest.approx(eps_s / np.sqrt(eps_b))
    assert np.isnan(measure_gamma_telescope(labels, scores, weights, threshold=np.inf)["Q at the cut"].value)
    assert table.quality >= max(found / np.sqrt(eps) for eps, found in table.eps_gamma.items()) * 0.99


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedSignalEfficiency(eps_s=0.0),
        lambda: FixedBackgroundEfficiency(eps_b=1.2),
        lambda: FixedPurity(purity=-1.0),
        lambda: FixedPurity(purity=0.5, min_background=0.0),
        lambda: LargestSignificance(s=-1.0, b=10.0),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(make):
    with pytest.raises(StudyError, match="must be above 0"):
        make()


@pytest.mark.parametrize(
    "rule",
    [
        Youden(),
        FixedSignalEfficiency(eps_s=0.5),
        FixedBackgroundEfficiency(eps_b=0.1),
        FixedPurity(purity=0.6),
        LargestSignificance(s=30.0, b=300.0),
    ],
)
def test_every_rule_conforms(rule: WorkingPoint, events):
    labels, scores, weights = events
    assert rule.name
    assert dataclasses.replace(rule) == rule
    assert rule.choose(labels, scores, weights) in scores
