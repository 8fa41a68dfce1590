"""Permutation importances: ranked, with their intervals, the many cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tuner.figures import draw_permutation_importance


def make_importances(n):
    value = np.linspace(-0.001, 0.03, n)
    name = [f"feature_{i}_of_the_leading_jet_after_all_corrections" for i in range(n)]
    return pd.DataFrame({"feature": name, "value": value, "low": value - 0.004, "high": value + 0.003})


def test_bars_are_ranked_have_their_intervals_and_those_that_hold_zero_are_grey():
    importances = make_importances(8)
    drawing = draw_permutation_importance(importances, part="validation", figure_name="eps_S at eps_B=0.01")
    assert list(drawing.frame()["value"]) == list(importances["value"][::-1])
    axes = drawing.figure.axes[0]
    colours = [bar.get_facecolor() for bar in axes.patches]
    holds_zero = (drawing.frame()["low"] <= 0).to_numpy()
    assert holds_zero.sum() == 2
    assert {c for c, zero in zip(colours, holds_zero, strict=True) if zero}.isdisjoint(
        c for c, zero in zip(colours, holds_zero, strict=True) if not zero
    )
    [segments] = [c.get_segments() for c in axes.collections]
    np.testing.assert_allclose([s[:, 0] for s in segments], drawing.frame()[["low", "high"]])
    assert "For 2 of the 8 drawn the interval holds 0." in drawing.alt
    assert r"$\epsilon_S$ at $\epsilon_B$=0.01" in axes.get_xlabel().replace("\n", " ")
    assert next(tick.get_text() for tick in axes.get_yticklabels()).startswith("feature_7")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_at_most_25_are_drawn_and_long_names_leave_room_for_the_bars():
    drawing = draw_permutation_importance(make_importances(31), part="validation")
    assert len(drawing.frame()) == 25
    assert "6 further features" in drawing.alt
    drawing.png_bytes(dpi=40)
    assert drawing.figure.axes[0].get_position().width > 0.5


@pytest.mark.parametrize("n", [0, 1])
def test_hardly_any_feature_is_drawn_too(n):
    importances = make_importances(n)
    importances["low"] = np.nan
    assert draw_permutation_importance(importances, part="test").png_bytes(dpi=40)
