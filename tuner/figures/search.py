"""How the search went: values by trial, and which parameters mattered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tuner.figures.drawing import GOOD, INK, SIGNAL, Drawing, add_legend, dress, frame_values, headline, start_figure
from tuner.figures.trials import STATES, find_best


def draw_optimization_history(trials: pd.DataFrame, *, figure_name: str = "validation AUC") -> Drawing:
    """Draw each trial's value by its number, a marker for its state, and the best complete value so far.

    trials: number, state, value, as `tabulate_trials` returns them. Trials without a value stand at the bottom edge.
    """
    figure = start_figure(8.6, 4.4)
    axes = figure.subplots()
    table = trials.sort_values("number", ignore_index=True)
    complete = table["value"].where(table["state"] == "complete")
    table["best"] = complete.cummax().ffill()
    low, high = _frame_history(table)
    for state, (colour, marker) in STATES.items():
        own = table[table["state"] == state]
        if len(own) and state != "waiting":
            heights = own["value"].fillna(low).clip(lower=low)
            axes.scatter(
                own["number"], heights, s=30, color=colour, marker=marker, label=f"{state} ({len(own)})", zorder=3
            )
    if table["best"].notna().any():
        axes.step(table["number"], table["best"], where="post", color=GOOD, linewidth=2.0, label="best complete so far")
        top = find_best(table[table["state"] == "complete"], "value")
        axes.plot(
            [top["number"]], [top["value"]], marker="*", markersize=15, color=GOOD, markeredgecolor="white", zorder=5
        )
    dress(axes, x="trial", y=f"{figure_name} (weighted events)")
    margin = 0.06 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    axes.set_xlim(*frame_values([*table["number"], 0, 1], share=0.03))
    if len(table):
        add_legend(axes, "upper center", bbox_to_anchor=(0.5, -0.14), ncols=6, columnspacing=1.2)
    title = f"Optimization history of {len(table)} trials"
    headline(figure, title)
    return Drawing(
        figure, table[["number", "state", "value", "best"]], title, _describe_history(title, table, figure_name)
    )


def draw_importances(importances: Mapping[str, float], *, most: int = 15) -> Drawing:
    """Draw parameter importances, the largest first; further ones than `most` are summed up in one bar.

    importances: parameter name to its share of the variance of the value, as Optuna's fANOVA gives it.
    """
    ranked = sorted(importances.items(), key=lambda item: item[1], reverse=True)
    shown = ranked[:most]
    if rest := ranked[most:]:
        shown.append((f"{len(rest)} others", sum(value for _, value in rest)))
    frame = pd.DataFrame(shown, columns=["parameter", "importance"])
    figure = start_figure(7.4, 1.3 + 0.34 * max(len(shown), 1))
    axes = figure.subplots()
    places = np.arange(len(shown))
    axes.barh(places, frame["importance"], color=SIGNAL, height=0.66)
    for place, value in zip(places, frame["importance"], strict=True):
        axes.annotate(
            f"{value:.2f}", (value, place), (5, 0), textcoords="offset points", va="center", fontsize=9, color=INK
        )
    dress(axes, x="importance (share of the variance of the value)", y="")
    axes.set_yticks(places, list(frame["parameter"]))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.12 * max([*frame["importance"], 1e-3]))
    title = "Importance of parameters"
    headline(figure, title)
    order = ", ".join(f"{name} {value:.2f}" for name, value in shown[:3])
    return Drawing(figure, frame, title, f"{title}: {order}." if shown else f"{title}: not known yet.")


def _frame_history(table: pd.DataFrame) -> tuple[float, float]:
    """Return the range to be shown: hopeless trials must not press the good ones together."""
    values = table["value"].dropna()
    if values.empty:
        return 0.0, 1.0
    quarter, high = float(values.quantile(0.25)), float(values.max())
    low = max(float(values.min()), quarter - 1.5 * (high - quarter))
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def _describe_history(title: str, table: pd.DataFrame, figure_name: str) -> str:
    complete = table[(table["state"] == "complete") & table["value"].notna()]
    if complete.empty:
        return f"{title}. No trial is complete yet."
    top = find_best(complete, "value")
    return f"{title}. Best is trial {top['number']} with a {figure_name} of {top['value']:.4f}."
