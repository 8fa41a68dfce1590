"""How the search went: values by trial, and which parameters mattered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

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
    chosen_by: str = "",
    figure_name: str = "validation AUC",
) -> Drawing:
    """Draw each trial's value by its number, a marker for its state, the best complete value so far, and a star.

    trials: number, state, value, as `tabulate_trials` returns them. best: number of the trial that gets the star;
    None: the complete one with the largest value. winner: number of the trial whose setting won the judgement, which
    gets a diamond where it is another one. chosen_by: name of the figure that chose it, where that is another.
    Trials below the range that is shown, or without a value, stand at the bottom edge, the former above an
    arrow.
    """
    figure = start_figure(COLUMN, 4.0)
    axes = figure.subplots()
    table = trials.sort_values("number", ignore_index=True)
    complete = table["value"].where(table["state"] == "complete")
    table["best"] = complete.cummax().ffill()
    starred = _find_starred(table, best)
    low, high = _frame_history(table, starred)
    for state, (colour, marker) in STATES.items():
        own = table[table["state"] == state]
        if len(own) and state != "waiting":
            heights = own["value"].fillna(low).clip(lower=low)
            axes.scatter(
                own["number"], heights, s=30, color=colour, marker=marker, label=f"{state} ({len(own)})", zorder=3
            )
    n_below = _mark_below(axes, table, low, high)
    if table["best"].notna().any():
        axes.step(table["number"], table["best"], where="post", color=GOOD, linewidth=2.0, label="best complete so far")
    if starred is not None:
        axes.plot(
            [starred["number"]],
            [starred["value"]],
            marker="*",
            markersize=15,
            color=GOOD,
            markeredgecolor="white",
            zorder=5,
        )
    judged = _find_winner(table, winner, starred)
    if judged is not None:
        axes.plot(
            [judged["number"]],
            [max(judged["value"], low)],
            marker="D",
            markersize=11,
            color="none",
            markeredgecolor=INK,
            markeredgewidth=1.8,
            linestyle="none",
            zorder=5,
            label=f"trial {judged['number']}, won after retraining",
        )
    dress(axes, x="trial", y=write_formulas(figure_name))
    margin = 0.06 * (high - low)
    axes.set_ylim(low - 2 * margin, high + margin)
    axes.set_xlim(*frame_values([*table["number"], 0, 1], share=0.03))
    if len(table):
        add_legend(axes, "upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, columnspacing=1.2)
    title = f"Optimization history of {len(table)} trials"
    headline(figure, title)
    alt = _describe_history(title, starred, figure_name, chosen_by)
    if judged is not None:
        alt += f" The diamond is trial {judged['number']}, which won after retraining, here with {judged['value']:.4f}."
    if n_below:
        alt += f" Arrows at the bottom: {n_below} below the range that is shown."
    return Drawing(figure, table[["number", "state", "value", "best"]], title, alt)


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


def _mark_below(axes: Axes, table: pd.DataFrame, low: float, high: float) -> int:
    """Draw an arrow down below each trial that lies below the range, and return their number."""
    below = table[table["value"] < low]
    place = low - 0.06 * (high - low)
    axes.scatter(below["number"], [place] * len(below), s=70, color=QUIET, marker=r"$\downarrow$", zorder=3)
    return len(below)


def _frame_history(table: pd.DataFrame, starred: pd.Series | None) -> tuple[float, float]:
    """Return the range to be shown, the star inside: hopeless trials must not press the good ones together."""
    values = table["value"].dropna()
    if values.empty:
        return 0.0, 1.0
    quarter, high = float(values.quantile(0.25)), float(values.max())
    low = max(float(values.min()), quarter - 1.5 * (high - quarter))
    if starred is not None:
        low = min(low, float(starred["value"]))
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def _describe_history(title: str, starred: pd.Series | None, figure_name: str, chosen_by: str) -> str:
    if starred is None:
        return f"{title}. No trial is complete yet."
    how = f", chosen by {chosen_by}," if chosen_by else ""
    return f"{title}. Starred is trial {starred['number']}{how} with a {figure_name} of {starred['value']:.4f}."
