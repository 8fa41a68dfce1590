"""Figures from arrays: against scikit-learn, through JSON and back, for coverage, with an optimum."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from tuner.errors import EventsError
from tuner.evaluation.statistics.metrics_table import PartEvaluation, evaluate_scores, find_scarce_classes
from tuner.figures.roc import _Candidate
from tuner.metrics import (
    BackgroundRejection,
    FigureOfMerit,
    Measurement,
    Significance,
    asimov_significance,
    expected_calibration_error,
)
from tuner.metrics.arrays import check_arrays
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import background_rejection, rank, smooth_rejection
from tuner.metrics.measured_figures import measure_declared
from tuner.metrics.measurement import measure


def draw_events(n: int, seed: int, *, rare: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    scores = norm.cdf(generator.normal(labels * 1.2 - 0.6, 1.0))
    return labels, scores, generator.exponential(1.0, n) * np.where(labels == 1, rare, 1.0)


def judge(labels, scores, weights, *, figure_of_merit: FigureOfMerit | None = None, **more) -> PartEvaluation:
    return evaluate_scores(
        labels,
        scores,
        weights,
        candidate="winner",
        part="test",
        threshold=0.6,
        threshold_rule="largest eps_S - eps_B, chosen on validation",
        figure_of_merit=figure_of_merit,
        **more,
    )


def test_every_value_is_scikit_learns():
    labels, scores, weights = draw_events(4_000, 1, rare=0.1)
    found = judge(labels, scores, weights)
    selected = scores >= 0.6
    balanced = weights / np.take([weights[labels == value].sum() for value in (0, 1)], labels)
    eps_b, eps_s, _ = reference.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    expected = {
        "AUC": reference.roc_auc_score(labels, scores, sample_weight=weights),
        "sensitivity": reference.recall_score(labels, selected, sample_weight=weights),
        "specificity": reference.recall_score(labels, selected, sample_weight=weights, pos_label=0),
        "accuracy": reference.accuracy_score(labels, selected, sample_weight=weights),
        "balanced accuracy": reference.balanced_accuracy_score(labels, selected, sample_weight=weights),
        "precision": reference.precision_score(labels, selected, sample_weight=weights),
        "1/eps_B at eps_S=0.3": 1 / eps_b[eps_s >= 0.3][0],
        "1/eps_B at eps_S=0.5": 1 / eps_b[eps_s >= 0.5][0],
        "log loss (classes balanced)": reference.log_loss(labels, scores, sample_weight=balanced),
        "Brier score (classes balanced)": reference.brier_score_loss(labels, scores, sample_weight=balanced),
        "average precision": reference.average_precision_score(labels, scores, sample_weight=weights),
        "calibration error (classes balanced)": expected_calibration_error(labels, scores, balanced),
    }
    assert {name: m.value for name, m in found.measurements.items()} == pytest.approx(expected)
    assert all(m.low <= m.value <= m.high and m.low < m.high for m in found.measurements.values())
    assert (found.n_signal, found.n_background) == (2_000, 2_000)
    assert found.effective_signal == pytest.approx(1_000, rel=0.1)
    assert found.selected_background == (selected & (labels == 0)).sum()


def test_the_declared_figure_is_measured_beside_the_others():
    figure = Significance(s=100, b=1_000, relative_systematic=0.05)
    found = judge(*draw_events(2_000, 2), figure_of_merit=figure, n_bootstrap=20)[figure.name]
    assert found.low <= found.value <= found.high
    assert found.value == figure(*draw_events(2_000, 2))


def test_without_yields_no_significance_is_told_and_with_them_that_of_the_cut():
    labels, scores, weights = draw_events(2_000, 2)
    names = {"s/sqrt(b)", "Asimov significance"}
    assert not names & set(judge(labels, scores, weights, n_bootstrap=5).measurements)
    found = judge(labels, scores, weights, n_bootstrap=5, yields=(30.0, 400.0))
    passes = scores >= found.threshold
    s, b = (
        total * weights[passes & (labels == value)].sum() / weights[labels == value].sum()
        for value, total in ((1, 30.0), (0, 400.0))
    )
    assert found["s/sqrt(b)"].value == pytest.approx(s / np.sqrt(b))
    figure = Significance(s=30, b=400)
    at_cut = judge(labels, scores, weights, n_bootstrap=5, yields=(30.0, 400.0), figure_of_merit=figure, figure_cut=0.8)
    assert at_cut["Asimov significance"].value == pytest.approx(at_cut[figure.name].value)
    assert [row.name for row in found.working_points][:2] == ["eps_B at eps_S=0.3", "eps_B at eps_S=0.5"]


def test_a_frozen_cut_of_a_significance_is_not_looked_for_again():
    """The best cut of these very events would be higher: on test that would be luck."""
    figure = Significance(s=100, b=1_000)
    events = draw_events(2_000, 2)
    cut = figure.choose(*draw_events(2_000, 9))
    found = judge(*events, figure_of_merit=figure, figure_cut=cut, n_bootstrap=20)[figure.name]
    labels, scores, weights = events
    s, b = (
        total * weights[(labels == value) & (scores >= cut)].sum() / weights[labels == value].sum()
        for value, total in ((1, 100), (0, 1_000))
    )
    assert found.value == pytest.approx(float(asimov_significance(s, b)))
    assert found.value < figure.scan(*events).significance.max()


def test_the_optimum_reaches_all_of_itself_and_a_smeared_score_less():
    labels, scores, weights = draw_events(4_000, 3)
    log_ratio = 1.2 * norm.ppf(scores)
    best = judge(labels, scores, weights, optimum=log_ratio)["share of the optimum"]
    assert best == Measurement(1.0, 1.0, 1.0)
    smeared = norm.cdf(norm.ppf(scores) + np.random.default_rng(4).normal(0, 1.0, 4_000))
    found = judge(labels, smeared, weights, optimum=log_ratio)
    share, own, optimum = (found[name].value for name in ("share of the optimum", "AUC", "optimum AUC"))
    assert share == pytest.approx((own - 0.5) / (optimum - 0.5))
    assert found["share of the optimum"].high < 1.0


def test_intervals_cover_the_truth_of_every_figure_of_the_cut():
    """100 experiments: 68 % within 2.5 binomial standard deviations, figure by figure."""
    cut = norm.ppf(0.6)
    truths = {
        "AUC": norm.cdf(1.2 / np.sqrt(2)),
        "sensitivity": norm.sf(cut - 0.6),
        "specificity": norm.cdf(cut + 0.6),
    }
    covered = dict.fromkeys(truths, 0)
    for seed in range(100):
        found = judge(*draw_events(600, 100 + seed), n_bootstrap=60, seed=seed)
        for name, truth in truths.items():
            covered[name] += found[name].low <= truth <= found[name].high
    assert covered == {name: pytest.approx(68, abs=12) for name in truths}


def test_the_interval_of_a_rejection_is_that_of_averaged_cuts_around_the_value():
    labels, scores, weights = draw_events(1_600, seed=5)
    ranking = rank(labels == 1, scores)
    curves = [ranking.curve(weights * counts) for counts in draw_counts(labels == 1, 200, 0)]
    whole = ranking.curve(weights)
    scale = background_rejection(whole, 0.3) / smooth_rejection(whole, 0.3)
    assert scale != pytest.approx(1.0, abs=1e-3)
    expected = measure(background_rejection(whole, 0.3), scale * np.array([smooth_rejection(c, 0.3) for c in curves]))
    assert judge(labels, scores, weights)["1/eps_B at eps_S=0.3"] == expected
    drawn = _Candidate.of("winner", ("k", "-"), check_arrays(labels, scores, weights), {}, n_replicas=200, seed=0)
    assert drawn.rejections[0.3] == expected
    figure = BackgroundRejection(eps_s=0.3)
    declared = measure_declared(figure, check_arrays(labels, scores, weights), n_bootstrap=200, seed=0)
    assert declared.value == expected.value
    assert (declared.low, declared.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert declared.high < figure.smooth(labels, np.where(labels == 1, 0.9, 0.1), weights) < len(labels)


def test_negative_weights_are_kept_and_told():
    labels, scores, weights = draw_events(2_000, 5)
    weights[::10] *= -1
    found = judge(labels, scores, weights, n_bootstrap=20)
    eps_b, eps_s, _ = reference.roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    assert found["AUC"].value == pytest.approx(np.trapezoid(eps_s, eps_b))
    assert found.negative_fraction == pytest.approx(0.1, abs=0.02)


def test_scores_that_are_no_probabilities_are_refused():
    labels, scores, weights = draw_events(100, 6)
    with pytest.raises(EventsError, match="probabilities"):
        judge(labels, scores * 10, weights)


def test_evaluation_from_arrays_imports_no_torch():
    code = (
        "import sys; from tuner.evaluation.statistics.metrics_table import evaluate_scores; "
        "evaluate_scores([0, 1, 1], [0.1, 0.2, 0.3], None, candidate='a', part='test', threshold=0.2, "
        "threshold_rule='', n_bootstrap=2); print([m for m in ('torch', 'optuna', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_classes_with_few_effective_events_are_found():
    labels, scores, weights = draw_events(400, 7)
    weights[labels == 1] = np.where(np.arange(200) == 0, 100.0, 1.0)
    part = judge(labels, scores, weights, n_bootstrap=2)
    assert find_scarce_classes([part, part]) == (("test", "signal", pytest.approx(299**2 / (100**2 + 199))),)
