"""Candidates side by side: order, intervals, seeds, the highlighted one, and one that is far off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tuner.figures import draw_candidates


def make_table():
    value = np.array([0.86, 0.9301, 0.9299, 0.921, 0.9312])
    names = ["logistic regression", "trial 33", "trial 12", "boosted trees", "ensemble"]
    seeds = [None, [0.928, 0.932], [0.9299, 0.93], None, None]
    return pd.DataFrame(
        {"candidate": names, "value": value, "low": value - 0.002, "high": value + 0.003, "seeds": seeds}
    )


def test_rows_are_sorted_and_hold_value_interval_and_seeds():
    drawing = draw_candidates(make_table(), figure_name="AUC", part="validation", best="trial 33")
    axes = drawing.figure.axes[0]
    names = ["ensemble", "trial 33", "trial 12", "boosted trees", "logistic regression"]
    assert list(drawing.frame()["candidate"]) == names
    assert [tick.get_text() for tick in axes.get_yticklabels()] == names
    dots = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in dots], drawing.frame()["value"])
    assert [dot.get_marker() for dot in dots] == ["o", "D", "o", "o", "o"]
    faint = [c.get_offsets()[:, 0].tolist() for c in axes.collections if len(c.get_offsets()) == 2]
    assert faint == [[0.928, 0.932], [0.9299, 0.93]]
    assert "ensemble 0.9312 \u00b1 0.0025; trial 33 0.9301" in drawing.alt
    assert "Highlighted is trial 33." in drawing.alt


def test_one_that_is_far_worse_becomes_an_arrow_and_keeps_its_number():
    axes = draw_candidates(make_table(), figure_name="AUC", part="test", best=None).figure.axes[0]
    low, high = axes.get_xlim()
    assert 0.86 < low < 0.919
    assert high > 0.9342
    arrows = axes.collections[-1].get_offsets()
    assert arrows[:, 1].tolist() == [4]
    assert "0.8600 \u00b1 0.0025" in [text.get_text() for text in axes.texts]


def test_an_interval_can_be_seen_however_far_the_worst_half_is():
    """Half of them are far behind: the axis would be 50 intervals wide."""
    value = np.array([0.958, 0.957, 0.915, 0.908, 0.885, 0.726])
    names = [f"candidate {number}" for number in range(6)]
    table = pd.DataFrame({"candidate": names, "value": value, "low": value - 0.002, "high": value + 0.002})
    axes = draw_candidates(table, figure_name="AUC", part="test", best=None).figure.axes[0]
    low, high = axes.get_xlim()
    assert 0.004 / (high - low) > 0.03
    assert axes.collections[-1].get_offsets()[:, 1].tolist() == [3, 4, 5]


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_candidates_are_drawn_too(n):
    table = make_table().drop(columns="seeds").head(n)
    drawing = draw_candidates(table, figure_name="significance, s=3, b=1, sigma_b/b=0.1", part="test", best="trial 33")
    assert drawing.png_bytes(dpi=40)
    assert drawing.title == f"{n} candidate{'s' * (n != 1)}, test part"
