"""The confusion matrix against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from tuner.figures import draw_confusion


def make_events(negative):
    generator = np.random.default_rng(0)
    labels = np.tile([0, 1, 1], 100)
    weights = generator.exponential(2_000.0, 300)
    weights[::9] *= -0.3 if negative else 1.0
    return labels, np.clip(generator.normal(0.3 + 0.4 * labels, 0.2), 0, 1), weights


@pytest.mark.parametrize("negative", [False, True], ids=["positive", "some negative"])
def test_cells_are_scikit_learns_by_share_by_weight_and_by_events(negative):
    labels, scores, weights = make_events(negative)
    frame = draw_confusion(labels, scores, weights, threshold=0.55, part="test").frame()
    decisions = scores >= 0.55
    found = {
        name: np.flip(confusion_matrix(labels, decisions, **options)).ravel()
        for name, options in {
            "weight": {"sample_weight": weights},
            "events": {},
            "share": {"sample_weight": weights, "normalize": "true"},
        }.items()
    }
    for name, expected in found.items():
        np.testing.assert_allclose(frame[name], expected)
    assert list(frame["truth"]) == ["signal", "signal", "background", "background"]
    assert list(frame["decision"]) == ["selected", "rejected"] * 2


def test_each_cell_is_written_and_told():
    drawing = draw_confusion(*make_events(False), threshold=0.55, part="test")
    written = " ".join(text.get_text() for text in drawing.figure.axes[0].texts)
    for row in drawing.frame().itertuples():
        assert f"{row.share:.1%}" in written
        assert f"{row.events} events" in written
        assert f"{row.weight:,.0f} by weight" in written
        assert f"{row.truth} {row.decision}: {row.share:.1%}" in drawing.alt


def test_a_cut_that_selects_nothing_is_drawn():
    labels, scores, _ = make_events(False)
    drawing = draw_confusion(labels, scores, threshold=np.inf, part="test")
    assert "nothing selected" in drawing.alt
    assert "by weight\n" not in " ".join(text.get_text() for text in drawing.figure.axes[0].texts)
    assert drawing.png_bytes(dpi=40)
