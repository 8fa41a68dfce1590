"""The scan of the cut: its numbers against scikit-learn and pyhf's formula, its band, what it greys."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as reference

from tuner.errors import EventsError
from tuner.figures import draw_significance
from tuner.metrics import Ams, Significance, asimov_significance

FIGURE = Significance(s=300, b=3000, relative_systematic=0.1)


def draw_events(n=1_500, seed=1):
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    return labels, norm.cdf(generator.normal(labels * 1.5 - 0.75, 1.0)), generator.exponential(1.0, n)


def test_each_cut_has_scikit_learns_efficiencies_and_the_expected_events_and_purity():
    labels, scores, weights = draw_events()
    frame = draw_significance(labels, scores, weights, figure=FIGURE, n_replicas=5).frame()
    assert frame["threshold"].is_monotonic_decreasing
    for row in frame.iloc[[40, 200, -1]].itertuples():
        eps_s = reference.recall_score(labels, scores >= row.threshold, sample_weight=weights)
        passes = scores >= row.threshold
        eps_b = weights[(labels == 0) & passes].sum() / weights[labels == 0].sum()
        assert (row.eps_s, row.eps_b) == pytest.approx((eps_s, eps_b))
        assert row.purity == pytest.approx(300 * eps_s / (300 * eps_s + 3000 * eps_b))
        assert row.raw_background == (passes & (labels == 0)).sum()
        if row.raw_background >= 25:
            assert row.significance == pytest.approx(asimov_significance(300 * eps_s, 3000 * eps_b, 300 * eps_b))


def test_cuts_with_few_background_events_are_not_judged():
    labels, scores, weights = draw_events()
    drawing = draw_significance(labels, scores, weights, figure=FIGURE, n_replicas=5)
    frame = drawing.frame()
    few = frame["raw_background"] < 25
    assert few.any()
    assert frame.loc[few, ["significance", "low", "high", "smoothed"]].isna().all(axis=None)
    assert frame.loc[~few, ["significance", "smoothed"]].notna().all(axis=None)
    tightest = np.sort(scores[labels == 0])[-25]
    assert frame.loc[~few, "threshold"].max() == tightest
    assert f"Cuts above {tightest:.3f} leave fewer than 25" in drawing.alt
    with pytest.raises(EventsError, match="at least 25 background events"):
        draw_significance(*(array[735:] for array in draw_events()), figure=FIGURE)


def test_the_cut_that_is_marked_is_the_one_that_the_figure_chooses_or_the_frozen_one():
    labels, scores, weights = draw_events()
    figure = Ams(s=300, b=3000)
    own = draw_significance(labels, scores, weights, figure=figure, n_replicas=5)
    chosen = figure.choose(labels, scores, weights)
    frozen = draw_significance(labels, scores, weights, figure=figure, n_replicas=5, threshold=0.5, part="test")
    for drawing, cut in ((own, chosen), (frozen, 0.5)):
        for axes in drawing.figure.axes:
            assert cut in [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
        value = figure.at(cut, labels, scores, weights)
        assert re.search(rf"{value:.2f} (\u00b1 |\+)\d", drawing.alt)
    row = own.frame().set_index("threshold").loc[chosen]
    assert row["smoothed"] == own.frame()["smoothed"].max() == pytest.approx(figure(labels, scores, weights))
    assert "(largest of the smoothed curve)" in own.alt
    assert "(frozen)" in frozen.alt


def test_the_band_is_the_spread_of_other_samples_of_the_same_kind():
    samples = [draw_events(seed=seed) for seed in range(40)]
    values = [FIGURE.at(0.6, *sample) for sample in samples]
    frame = draw_significance(*samples[0], figure=FIGURE, n_replicas=100).frame()
    near = frame.iloc[(frame["threshold"] - 0.6).abs().argmin()]
    assert (near["high"] - near["low"]) / 2 == pytest.approx(np.std(values), rel=0.35)
    assert near["low"] < near["significance"] < near["high"]


def test_negative_weights_and_a_cut_that_selects_nothing_are_drawn():
    labels, scores, weights = draw_events(300)
    weights[::7] *= -0.5
    drawing = draw_significance(labels, scores, weights, figure=FIGURE, threshold=np.inf, n_replicas=10)
    assert drawing.png_bytes(dpi=40)
    assert "(0 background events)" in drawing.alt
