"""Which features the network uses: what is lost when one of them is permuted."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from tuner.figures.drawing import (
    COLUMN,
    FAINT,
    INK,
    QUIET,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    headline,
    name_rows,
    start_figure,
    wrap_text,
    write_formulas,
)
from tuner.progress.wording import write_count

MAX_FEATURES = 25
MAX_LETTERS = 30
"""Of a feature's name."""


def draw_permutation_importance(importances: pd.DataFrame, *, part: str, figure_name: str = "AUC") -> Drawing:
    """Draw the drop of a figure of merit when a feature is permuted, the largest first, at most 25 features.

    importances: feature, value, low, high: the drop and its 68 % interval. figure_name: of the figure that drops.
    Features whose interval holds 0 are grey. Correlated features stand in for each other: each of them may look
    unimportant.
    """
    ranked = importances.sort_values("value", ascending=False, kind="stable", na_position="last", ignore_index=True)
    frame = ranked.head(MAX_FEATURES)
    figure = start_figure(COLUMN, 1.5 + 0.31 * max(len(frame), 1))
    axes = figure.subplots()
    places = np.arange(len(frame))
    clear = (frame["low"] > 0) | (frame["high"] < 0)
    below, above = frame["value"] - frame["low"], frame["high"] - frame["value"]
    axes.barh(places, frame["value"], color=np.where(clear, SIGNAL, FAINT), height=0.66)
    axes.errorbar(
        frame["value"], places, xerr=np.nan_to_num(np.maximum([below, above], 0)), fmt="none", ecolor=INK, capsize=2.5
    )
    axes.axvline(0, color=QUIET, linewidth=1.0)
    colours = [(SIGNAL, "interval without 0", clear.any()), (FAINT, "interval holds 0", (~clear).any())]
    handles = [Patch(color=colour, label=label) for colour, label, is_drawn in colours if is_drawn]
    if handles:
        add_legend(axes, "lower right", handles=handles)
    dress(axes, x=write_formulas(wrap_text(f"drop of {figure_name}, 68 % intervals", 44)), y="")
    name_rows(axes, list(frame["feature"]), most=MAX_LETTERS)
    n_unclear = int((~clear).sum())
    left_out = len(ranked) - len(frame)
    title = f"Permutation importance, {part} part"
    headline(figure, title + (f" ({len(frame)} of {len(ranked)} features)" if left_out else ""))
    if not len(frame):
        return Drawing(figure, frame, title, f"{title}: no feature was permuted.")
    top = ", ".join(f"{name} {value:.4g}" for name, value in frame[["feature", "value"]].head(3).to_numpy())
    alt = f"{title}: drop of {figure_name} largest for {top}."
    if n_unclear:
        alt += f" For {n_unclear} of the {len(frame)} drawn the interval holds 0."
    if left_out:
        alt += f" Not drawn, as shuffling them costs less: {write_count(left_out, 'further feature')}."
    return Drawing(figure, frame, title, alt)
