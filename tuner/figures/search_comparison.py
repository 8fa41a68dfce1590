"""Searches side by side: the best so far against trials and time, and how their winners differ on test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tuner.figures.drawing import (
    BACKGROUND,
    INK,
    OTHERS,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    frame_values,
    headline,
    name_rows,
    shorten,
    start_figure,
    write_formulas,
    write_name,
)
from tuner.metrics.measurement import Measurement

COLOURS = (SIGNAL, BACKGROUND, *OTHERS)
LINES = ("-", "--", ":", "-.")
"""Of the searches, beside their colours, so that they can be told without these."""
MINUTE, HOUR = 60.0, 3600.0


def draw_search_comparison(
    table: pd.DataFrame,
    differences: Mapping[str, Measurement],
    *,
    names: Sequence[str],
    figure_name: str,
    judged_by: str,
) -> Drawing:
    """Draw the best value so far of each search, and the differences of their winners from that of the first.

    Args:
        table: search, trials, seconds, best: one row for each trial that finished, in order.
        differences: Search to the figure of its winner minus that of the first search, on test, with 68 % intervals;
            none for searches without a verdict.
        names: The searches in their order, the one that all are compared with first.
        figure_name: Of what is best.
        judged_by: Figure of merit of the differences.
    """
    figure = start_figure(9.2, 4.6 + (0.9 + 0.36 * len(differences) if differences else 0.0))
    heights = [3.3, 0.6 + 0.36 * len(differences)] if differences else [1.0]
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    by_trials = figure.add_subplot(grid[0, 0])
    by_time = figure.add_subplot(grid[0, 1], sharey=by_trials)
    unit, seconds = _choose_unit(table["seconds"].to_numpy(dtype=np.float64))
    for place, name in enumerate(names):
        own = table[table["search"] == name]
        look = {"color": COLOURS[place % len(COLOURS)], "linestyle": LINES[place % len(LINES)], "label": shown(name)}
        _draw_steps(by_trials, own["trials"].to_numpy(dtype=np.float64), own["best"].to_numpy(), look)
        _draw_steps(by_time, own["seconds"].to_numpy(dtype=np.float64) / seconds, own["best"].to_numpy(), look)
    dress(by_trials, x="trials that finished", y=write_formulas(f"best {figure_name}"))
    dress(by_time, x=f"time in which trials ran [{unit}]", y="")
    by_trials.set_ylim(*_frame_best(table["best"].to_numpy(dtype=np.float64)))
    by_time.tick_params(labelleft=False)
    for axes in (by_trials, by_time):
        axes.set_xlim(left=0)
    handles, labels = by_trials.get_legend_handles_labels()
    add_legend(figure, "outside lower center", handles=handles, labels=labels, ncols=min(3, len(names)))
    if differences:
        _draw_differences(figure.add_subplot(grid[1, :]), differences, names, judged_by)
    title = f"{names[0]} and {names[1] if len(names) == 2 else f'{len(names) - 1} others'} side by side"
    headline(figure, title)
    return Drawing(figure, table, title, _describe(table, differences, names, figure_name, judged_by))


def shown(name: str) -> str:
    """Return a search's name as figures show it."""
    return write_name(name, 30)


def _draw_steps(axes: Axes, x: np.ndarray, best: np.ndarray, look: Mapping[str, Any]) -> None:
    """Draw steps from the first complete trial to the last one that finished, which has a dot."""
    axes.step(x, best, where="post", linewidth=2.0, **look)
    axes.plot(x[-1:], best[-1:], marker="o", markersize=6, color=look["color"], markeredgecolor="white", zorder=4)


def _draw_differences(axes: Axes, differences: Mapping[str, Measurement], names: Sequence[str], judged_by: str) -> None:
    axes.axvline(0.0, color=INK, linewidth=1.0, linestyle="--", zorder=1)
    ends = [0.0]
    for row, (name, difference) in enumerate(differences.items()):
        colour = COLOURS[names.index(name) % len(COLOURS)]
        axes.plot([difference.low, difference.high], [row, row], color=colour, linewidth=2.4, solid_capstyle="butt")
        axes.plot([difference.value], [row], marker="o", markersize=7, color=colour, markeredgecolor="white", zorder=4)
        axes.annotate(
            str(difference),
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9.5,
            color=INK,
            annotation_clip=False,
        )
        ends += [difference.low, difference.high, difference.value]
    dress(
        axes, x=write_formulas(f"{judged_by} of the winner on test, minus that of {shorten(names[0], 30)} (68 %)"), y=""
    )
    name_rows(axes, list(differences), most=30)
    axes.set_xlim(*frame_values(ends, share=0.12))


def _choose_unit(seconds: np.ndarray) -> tuple[str, float]:
    longest = float(seconds.max()) if len(seconds) else 0.0
    if longest < 3 * MINUTE:
        return "s", 1.0
    return ("min", MINUTE) if longest < 3 * HOUR else ("h", HOUR)


def _frame_best(best: np.ndarray) -> tuple[float, float]:
    """Return limits in which a poor first trial does not press all the others together."""
    finite = best[np.isfinite(best)]
    if not len(finite):
        return 0.0, 1.0
    middle, high = float(np.quantile(finite, 0.25)), float(finite.max())
    return frame_values([max(float(finite.min()), middle - 1.5 * (high - middle)), high])


def _describe(
    table: pd.DataFrame,
    differences: Mapping[str, Measurement],
    names: Sequence[str],
    figure_name: str,
    judged_by: str,
) -> str:
    last = {str(row["search"]): row for row in table.to_dict("records")}
    ends = "; ".join(
        f"{name} {last[name]['best']:.4f} after {last[name]['trials']} trials" for name in names if name in last
    )
    told = "; ".join(f"{name} {difference}" for name, difference in differences.items())
    verdicts = f" {judged_by} of the winner on test minus that of {names[0]}: {told}." if told else ""
    return f"Best {figure_name} so far against trials and against time: {ends}.{verdicts}"
