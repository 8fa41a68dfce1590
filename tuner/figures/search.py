"""How the search went: values by trial, and which parameters mattered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tuner.figures.drawing import (
    COLUMN,
    GOOD,
    INK,
    QUIET,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    frame_values,
    headline,
    name_rows,
    start_figure,
    write_formulas,
)
from tuner.figures.trials import STATES, find_best


def draw_optimization_history(
    trials: pd.DataFrame,
    *,
    best: int | None = None,
    winner: int | None = None,
    figure_name: str = "validation AUC",
    beside: str = "",
) -> Drawing:
    """Draw each trial's value by its number, a marker for its state, the best complete value so far, and a star.

    Args:
        trials: number, state, value, as `tabulate_trials` returns them; the value is the figure that chooses.
        best: Number of the trial that gets the star; None: the complete one with the largest value.
        winner: Number of the trial whose setting won the judgement, which gets a diamond where it is another one.
        figure_name: What the value is.
        beside: Name of another figure, in the column "beside", that trials are pruned by: a second panel. Those without
            a value are there alone. Empty: there is none.

    Returns:
        The drawing. Trials below the range that is shown, or without any value, stand at the bottom edge, the former
        above an arrow.
    """
    table = trials.sort_values("number", ignore_index=True)
    table["best"] = table["value"].where(table["state"] == "complete").cummax().ffill()
    starred = _find_starred(table, best)
    judged = _find_winner(table, winner, starred)
    figure = start_figure(COLUMN, 4.0 if not beside else 6.4)
    panels = figure.subplots(2 if beside else 1, 1, sharex=True, squeeze=False)[:, 0]
    shown = table[table["value"].notna()] if beside else table
    n_below = _draw_values(panels[0], shown, "value", starred, judged)
    if table["best"].notna().any():
        style = {"color": GOOD, "linewidth": 2.0, "label": "best complete so far"}
        panels[0].step(table["number"], table["best"], where="post", **style)
    dress(panels[0], x="" if beside else "trial", y=write_formulas(figure_name))
    if beside:
        n_below += _draw_values(panels[1], table, "beside", starred, judged)
        dress(panels[1], x="trial", y=write_formulas(beside))
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set_xlim(*frame_values([*table["number"], 0, 1], share=0.03))
    if len(table):
        named = {
            label: handle
            for axes in panels[::-1]
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        style = {"bbox_to_anchor": (0.5, -0.16), "ncols": 3, "columnspacing": 1.2}
        add_legend(panels[-1], "upper center", handles=list(named.values()), labels=list(named), **style)
    title = f"Optimization history of {len(table)} trials"
    headline(figure, title)
    alt = _describe_history(title, starred, figure_name, beside)
    if judged is not None:
        alt += f" The diamond is trial {judged['number']}, which won after retraining, here with {judged['value']:.4f}."
    if n_below:
        alt += f" Arrows at the bottom: {n_below} below the range that is shown."
    columns = ["number", "state", "value", "best", *(["beside"] if beside else [])]
    return Drawing(figure, table[columns], title, alt)


def _draw_values(
    axes: Axes, table: pd.DataFrame, column: str, starred: pd.Series | None, judged: pd.Series | None
) -> int:
    """Draw the values of a column by state, star and diamond; return how many lie below the range that is shown."""
    low, high = _frame_history(table[column], None if starred is None else starred[column])
    for state, (colour, marker) in STATES.items():
        own = table[table["state"] == state]
        if len(own) and state != "waiting":
            heights = own[column].fillna(low).clip(lower=low)
            label = f"{state} ({len(own)})"
            axes.scatter(own["number"], heights, s=30, color=colour, marker=marker, label=label, zorder=3)
    n_below = _mark_below(axes, table["number"][table[column] < low], low, high)
    mark: dict[str, Any] = {"linestyle": "none", "zorder": 5}
    if starred is not None and not pd.isna(starred[column]):
        edge: dict[str, Any] = {"markersize": 15, "color": GOOD, "markeredgecolor": "white"}
        axes.plot([starred["number"]], [starred[column]], marker="*", **edge, **mark)
    if judged is not None and not pd.isna(judged[column]):
        edge = {"markersize": 11, "color": "none", "markeredgecolor": INK, "markeredgewidth": 1.8}
        label = f"trial {judged['number']}, won after retraining"
        axes.plot([judged["number"]], [max(judged[column], low)], marker="D", label=label, **edge, **mark)
    margin = 0.06 * (high - low)
    axes.set_ylim(low - 2 * margin, high + margin)
    return n_below


def draw_importances(importances: Mapping[str, float], *, most: int = 15, n_complete: int | None = None) -> Drawing:
    """Draw parameter importances, the largest first; further ones than `most` are summed up in one bar.

    importances: parameter name to importance, all of them adding up to 1, as Optuna's PED-ANOVA gives them: how far
    the distribution of a parameter among the best trials differs from that among all (arXiv:2304.10255).
    n_complete: number of complete trials that they rest on.
    """
    ranked = sorted(importances.items(), key=lambda item: item[1], reverse=True)
    shown = ranked[:most]
    if rest := ranked[most:]:
        shown.append((f"{len(rest)} others", sum(value for _, value in rest)))
    frame = pd.DataFrame(shown, columns=["parameter", "importance"])
    figure = start_figure(COLUMN, 1.3 + 0.34 * max(len(shown), 1))
    axes = figure.subplots()
    places = np.arange(len(shown))
    axes.barh(places, frame["importance"], color=SIGNAL, height=0.66)
    for place, value in zip(places, frame["importance"], strict=True):
        axes.annotate(
            f"{value:.2f}", (value, place), (5, 0), textcoords="offset points", va="center", fontsize=9, color=INK
        )
    dress(axes, x="importance (PED-ANOVA)", y="")
    name_rows(axes, list(frame["parameter"]))
    axes.set_xlim(0, 1.12 * max([*frame["importance"], 1e-3]))
    title = "Importance of parameters" + ("" if n_complete is None else f", from {n_complete} complete trials")
    headline(figure, title)
    order = ", ".join(f"{name} {value:.2f}" for name, value in shown[:3])
    return Drawing(figure, frame, title, f"{title}: {order}." if shown else f"{title}: not known yet.")


def _find_starred(table: pd.DataFrame, best: int | None) -> pd.Series | None:
    """Return the row of the trial `best`, or of the complete one with the largest value; None where neither is."""
    complete = table[(table["state"] == "complete") & table["value"].notna()]
    if best is not None and (complete["number"] == best).any():
        complete = complete[complete["number"] == best]
    return None if complete.empty else find_best(complete, "value")


def _find_winner(table: pd.DataFrame, winner: int | None, starred: pd.Series | None) -> pd.Series | None:
    """Return the row of the trial that won the judgement; None where it has the star, or no value."""
    rows = table[(table["number"] == winner) & table["value"].notna()]
    if winner is None or rows.empty or (starred is not None and starred["number"] == winner):
        return None
    return rows.iloc[0]


def _mark_below(axes: Axes, numbers: pd.Series, low: float, high: float) -> int:
    """Draw an arrow down below each of these trials, which lie below the range, and return how many there are."""
    place = low - 0.06 * (high - low)
    axes.scatter(numbers, [place] * len(numbers), s=70, color=QUIET, marker=r"$\downarrow$", zorder=3)
    return len(numbers)


def _frame_history(column: pd.Series, star: float | None) -> tuple[float, float]:
    """Return the range to be shown, the star inside: hopeless trials must not press the good ones together."""
    values = column.dropna()
    if values.empty:
        return 0.0, 1.0
    quarter, high = float(values.quantile(0.25)), float(values.max())
    low = max(float(values.min()), quarter - 1.5 * (high - quarter))
    if star is not None and not pd.isna(star):
        low = min(low, float(star))
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def _describe_history(title: str, starred: pd.Series | None, figure_name: str, beside: str) -> str:
    below = f" Below is the {beside}, by which trials are pruned." if beside else ""
    if starred is None:
        return f"{title}. No trial is complete yet.{below}"
    return f"{title}. Starred is trial {starred['number']} with {figure_name} {starred['value']:.4f}.{below}"
