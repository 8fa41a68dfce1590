"""Searches side by side: the legend hides no line."""

from __future__ import annotations

import pandas as pd
import pytest

from tuner.figures.search_comparison import draw_search_comparison
from tuner.metrics.measurement import Measurement


@pytest.mark.parametrize("n_searches", [2, 5])
def test_the_legend_is_outside_all_axes(n_searches):
    names = [f"a search with a rather long name {n}" for n in range(n_searches)]
    rows = [
        {"search": name, "trials": t, "seconds": 5.0 * t, "best": 0.9 + t / 1000} for name in names for t in (1, 2, 3)
    ]
    differences = {names[1]: Measurement(0.001, 0.0, 0.002)}
    table = pd.DataFrame(rows)
    figure = draw_search_comparison(table, differences, names=names, figure_name="AUC", judged_by="AUC").figure
    figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert [text.get_text() for text in legend.get_texts()]
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
