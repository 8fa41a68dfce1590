"""The difference of significance over systematics: what is drawn and what is told."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tuner.figures import draw_survival
from tuner.metrics import Measurement


def make_table(systematics=(0.3, 0.0, 0.02, 0.05, 0.1, 0.2)):
    value = np.array([-0.5, 3.0, 1.5, 0.8, 0.2, 0.05])[: len(systematics)]
    table = pd.DataFrame({"relative_systematic": systematics, "value": value, "low": value - 0.4, "high": value + 0.4})
    return table.assign(p_holm=np.where(np.abs(value) > 0.7, 0.01, 0.2), winner_at_floor=False, baseline_at_floor=False)


def test_points_stand_at_their_systematic_in_percent_with_their_interval():
    drawing = draw_survival(make_table(), d_auc=Measurement(0.0092, 0.0082, 0.0102))
    axes = drawing.figure.axes[0]
    assert list(drawing.frame()["relative_systematic"]) == [0, 0.02, 0.05, 0.1, 0.2, 0.3]
    points = np.concatenate([c.lines[0].get_xydata() for c in axes.containers])
    np.testing.assert_allclose(
        points[np.argsort(points[:, 0])], np.column_stack([[0, 2, 5, 10, 20, 30], drawing.frame()["value"]])
    )
    segments = np.concatenate([c.lines[2][0].get_segments() for c in axes.containers if len(c.lines[0].get_xdata())])
    np.testing.assert_allclose(
        sorted(segments[:, :, 1].tolist()), sorted(drawing.frame()[["low", "high"]].to_numpy().tolist())
    )
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "2", "5", "10", "20", "30"]
    assert "+0.0092 \u00b1 0.0010" in axes.get_title(loc="left")
    assert "clearly above 0 at 3 of 6" in drawing.alt
    assert "30 %: -0.50 [-0.90, -0.10]" in drawing.alt


def test_zero_is_always_seen_and_neighbours_do_not_touch():
    table = make_table((0.0, 0.001, 0.002, 0.1))
    table[["value", "low", "high"]] += 50
    axes = draw_survival(table, names=("a", "b")).figure.axes[0]
    low, high = axes.get_ylim()
    assert low < 0 < high
    assert "0.1" not in [tick.get_text() for tick in axes.get_xticklabels()]


def test_long_names_and_one_point_are_drawn():
    names = ("ensemble of trials 12, 33, 33, 45 and 51", "histogram gradient-boosted trees (scikit-learn), tuned")
    drawing = draw_survival(make_table((0.1,)), names=names)
    assert drawing.png_bytes(dpi=40)
    assert names[0] in drawing.alt
