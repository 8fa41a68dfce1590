"""Templates of the score: sums and errors against numpy, significances against the metric that pyhf is held to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tuner.figures import draw_score_templates
from tuner.metrics import asimov_significance, choose_score_bins, measure_binned_significance

S, B = 50.0, 900.0


@pytest.fixture(scope="module")
def events():
    generator = np.random.default_rng(3)
    labels = np.repeat([0, 1], 600)
    return labels, norm.cdf(generator.normal(labels * 1.5 - 0.75, 1.0)), generator.exponential(1.0, 1_200)


def test_templates_are_scaled_to_the_yields_with_errors_of_the_sum_of_squared_weights(events):
    labels, scores, weights = events
    edges = choose_score_bins(*events, s=S, b=B)
    frame = draw_score_templates(*events, edges=edges, s=S, b=B, part="test", n_replicas=5).frame()
    assert (frame["s"].sum(), frame["b"].sum()) == pytest.approx((S, B))
    last = scores >= edges[-2]
    for name, label, total in (("s", 1, S), ("b", 0, B)):
        inside, scale = weights[last & (labels == label)], total / weights[labels == label].sum()
        found = frame[name].iloc[-1], frame[f"{name}_error"].iloc[-1]
        assert found == pytest.approx((scale * inside.sum(), scale * np.sqrt((inside**2).sum())))
    expected = asimov_significance(frame["s"], frame["b"], 0.1 * frame["b"])
    np.testing.assert_allclose(frame["z at 10 %"], expected)


def test_the_significance_of_all_bins_is_told_for_each_uncertainty(events):
    edges = choose_score_bins(*events, s=S, b=B)
    drawing = draw_score_templates(*events, edges=edges, s=S, b=B, part="test", n_replicas=20)
    for share in (0.0, 0.1, 0.3):
        found = measure_binned_significance(*events, edges=edges, s=S, b=B, relative_systematic=share, n_replicas=20)
        assert f"{found} at a background uncertainty of {100 * share:g} %" in drawing.alt
        squares = drawing.frame()[f"z at {100 * share:g} %"] ** 2
        assert np.sqrt(squares.sum()) == pytest.approx(found.value)


@pytest.mark.parametrize("case", ["one bin", "no background in a bin", "negative weights"])
def test_unusual_bins_are_drawn(events, case):
    labels, scores, weights = events
    edges = [-np.inf, np.inf] if case == "one bin" else [0.0, 0.5, 0.9999, 1.0]
    if case == "negative weights":
        weights = np.where(np.arange(len(weights)) % 4 == 0, -weights, weights)
    drawing = draw_score_templates(labels, scores, weights, edges=edges, s=S, b=B, part="test", n_replicas=5)
    assert drawing.png_bytes(dpi=40)
    assert np.isfinite(drawing.frame()[["z at 0 %", "z at 30 %"]]).all(axis=None)
