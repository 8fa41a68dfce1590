"""The ROC figure: where 1/eps_B is told, whose errors it tells, and what its legend leaves free."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from tuner.figures import draw_roc
from tuner.metrics import Measurement


def draw_events(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n // 2)
    return labels, norm.cdf(generator.normal(labels * 1.5 - 0.75, 1.0))


@pytest.mark.parametrize("heavy", [1.0, 40.0])
def test_rejection_is_told_from_ten_effective_background_events_on(heavy):
    """Background in the tail of the score, of which every eighth event weighs `heavy`: fewer effective ones."""
    labels, scores = draw_events(1_200)
    weights = np.where((labels == 0) & (np.arange(1_200) % 8 == 0), heavy, 1.0)
    drawing = draw_roc(labels, scores, weights, threshold=0.97, n_replicas=5)
    tagging = drawing.figure.axes[2]
    [line] = [line for line in tagging.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 10]
    order = np.argsort(-scores)
    background = np.where(labels == 0, weights, 0.0)[order]
    effective = np.cumsum(background) ** 2 / np.maximum(np.cumsum(background**2), 1e-9)
    first = np.flatnonzero(effective < 10).max() + 1
    eps_s = np.cumsum(np.where(labels == 1, weights, 0.0)[order]) / weights[labels == 1].sum()
    assert min(line.get_xdata()) == pytest.approx(eps_s[first], abs=0.01)
    marked = {round(float(line.get_xdata()[0]), 6) for line in tagging.lines if line.get_marker() == "."}
    [text] = [text.get_text() for text in tagging.texts]
    told = {0.3, 0.5} if heavy == 1 else set()
    assert marked == told == {eps for eps in (0.3, 0.5) if eps >= eps_s[first]}
    assert ("= 0.3: fewer than 10" in text) == (heavy > 1)
    circles = [[line for line in axes.lines if line.get_marker() == "o"] for axes in drawing.figure.axes]
    assert [len(found) for found in circles] == [1, 1, 0]


def test_figures_that_are_known_are_told_as_they_are():
    labels, scores = draw_events(600)
    known = {"net": {"AUC": Measurement(0.85, 0.84, 0.87), "1/eps_B at eps_S=0.5": Measurement(13.0, 11.0, 15.0)}}
    drawing = draw_roc(labels, scores, name="net", known=known, n_replicas=5)
    assert "net AUC 0.850 +0.020 -0.010." in drawing.alt
    assert r"= 13.0 ± 2.0 at $\epsilon_S$ = 0.5" in drawing.figure.axes[2].texts[0].get_text()


def test_many_candidates_are_told_apart_and_their_legend_covers_no_curve():
    labels, scores = draw_events(200)
    drawing = draw_roc(
        labels, scores, others={f"boosted trees {n} (refitted)": scores for n in range(12)}, n_replicas=2
    )
    looks = {(str(line.get_color()), str(line.get_linestyle())) for line in drawing.figure.axes[0].lines}
    assert len(looks) == 14
    drawing.png_bytes(dpi=40)
    legend = drawing.figure.legends[0].get_window_extent()
    assert not any(axes.get_tightbbox().overlaps(legend) for axes in drawing.figure.axes)
    assert legend.x0 >= 0
    assert legend.x1 <= drawing.figure.bbox.width
