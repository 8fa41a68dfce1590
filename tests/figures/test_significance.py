"""The scan of the cut: its numbers against scikit-learn and pyhf's formula, its bands, what it greys, its parts."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from tuner.errors import EventsError
from tuner.figures import draw_significance
from tuner.metrics import Ams, Significance, asimov_significance, choose_cut

FIGURES = [Significance(s=300, b=3000, relative_systematic=share) for share in (0.1, 0.0, 0.3)]


def draw_events(n=1_500, seed=1):
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    return labels, norm.cdf(generator.normal(labels * 1.5 - 0.75, 1.0)), generator.exponential(1.0, n)


def draw(*figures, part="validation", n_replicas=5, **options):
    return draw_significance({part: draw_events()}, figures or FIGURES, n_replicas=n_replicas, **options)


def test_each_cut_has_scikit_learns_efficiencies_and_the_expected_events_purity_and_significance():
    labels, scores, weights = draw_events()
    frame = draw().frame()
    for figure in FIGURES:
        own = frame[frame["figure"] == figure.name]
        assert own["threshold"].is_monotonic_decreasing
        judged = own[own["significance"].notna()]
        for row in (*own.iloc[[40, -1]].itertuples(), judged.iloc[len(judged) // 2]):
            passes = scores >= row.threshold
            eps_s = reference.recall_score(labels, passes, sample_weight=weights)
            eps_b = weights[(labels == 0) & passes].sum() / weights[labels == 0].sum()
            assert (row.eps_s, row.eps_b) == pytest.approx((eps_s, eps_b))
            assert row.purity == pytest.approx(300 * eps_s / (300 * eps_s + 3000 * eps_b))
            if np.isfinite(row.significance):
                sigma = figure.relative_systematic * 3000 * eps_b
                assert row.significance == pytest.approx(asimov_significance(300 * eps_s, 3000 * eps_b, sigma))


def test_cuts_with_too_little_background_are_not_judged_and_a_part_of_such_is_left_out():
    labels, scores, weights = draw_events()
    frame, tightest = draw().frame(), FIGURES[0].scan(labels, scores, weights).thresholds[0]
    few = frame["threshold"] > tightest
    assert few.any()
    columns = ["significance", "low", "high", "smoothed"]
    assert frame.loc[few, columns].isna().all(axis=None)
    assert frame.loc[~few, ["significance", "smoothed"]].notna().all(axis=None)
    scarce = tuple(array[735:] for array in draw_events())
    both = draw_significance({"validation": draw_events(), "test": scarce}, FIGURES, n_replicas=2)
    assert set(both.frame()["part"]) == {"validation"}
    with pytest.raises(EventsError, match="background events"):
        draw_significance({"test": scarce}, FIGURES)


def test_the_cut_that_is_marked_is_the_one_that_the_figure_chooses_or_the_frozen_one():
    labels, scores, weights = draw_events()
    figure = Ams(s=300, b=3000)
    own, frozen = draw(figure), draw(figure, threshold=0.5, part="test")
    chosen = choose_cut(figure, labels, scores, weights)
    for drawing, cut in ((own, chosen), (frozen, 0.5)):
        for axes in drawing.figure.axes:
            assert cut in [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
        value = figure.at(cut, labels, scores, weights)
        assert re.search(rf"AMS = {value:.2f} (\u00b1 |\+)\d", drawing.alt)
    scan = figure.scan(labels, scores, weights)
    row = own.frame().set_index("threshold").loc[figure.choose(labels, scores, weights)]
    assert row["smoothed"] == own.frame()["smoothed"].max() == pytest.approx(scan.smoothed.max())
    assert "(the largest of the smoothed curve)" in own.alt
    assert "(frozen)" in frozen.alt
    assert "The AMS cut is" in own.alt
    named = draw(figure, threshold=0.5, cut_name="working point")
    assert "The working point is 0.500" in named.alt
    labels_below = [text.get_text() for text in named.figure.legends[0].get_texts()]
    assert "working point, 0.500" in labels_below


def test_the_axis_has_the_formulas_of_what_is_drawn():
    assert draw().figure.axes[0].get_ylabel() == r"$Z=\sqrt{2\,[(s+b)\,\ln(1+s/b)-s\,]}$"
    both = draw(Ams(s=300, b=3000), FIGURES[1]).figure
    assert r"$b+b_\mathrm{reg}$" in both.axes[0].get_ylabel()
    names = [text.get_text() for text in both.legends[0].get_texts()]
    assert names[:2] == [r"AMS, $b_\mathrm{reg}$ = 10", r"$Z$, $\sigma_b/b$ = 0 %"]


def test_the_band_is_the_spread_of_other_samples_of_the_same_kind():
    values = [FIGURES[0].at(0.5, *draw_events(seed=seed)) for seed in range(40)]
    frame = draw(FIGURES[0], n_replicas=100).frame()
    near = frame.iloc[(frame["threshold"] - 0.5).abs().argmin()]
    assert (near["high"] - near["low"]) / 2 == pytest.approx(np.std(values), rel=0.35)
    assert near["low"] < near["significance"] < near["high"]


def test_negative_weights_and_a_cut_that_selects_nothing_are_drawn():
    labels, scores, weights = draw_events(300)
    weights[::7] *= -0.5
    drawing = draw_significance({"test": (labels, scores, weights)}, FIGURES, threshold=np.inf, n_replicas=10)
    assert drawing.png_bytes(dpi=40)
    assert "(0 effective background events)" in drawing.alt
