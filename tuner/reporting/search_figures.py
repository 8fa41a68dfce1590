"""The page's figures of the search: kept as PNG and PDF, embedded as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.figures import (
    draw_importances,
    draw_learning_curves,
    draw_optimization_history,
    draw_parallel_coordinates,
    name_column,
    tabulate_trials,
)
from tuner.launchers.process_pool import ProcessPool
from tuner.metrics.figures_of_merit import shorten_figure
from tuner.reporting.page import Picture
from tuner.reporting.pictures import keep_drawings
from tuner.tuning.search import Search

MAX_PARAMETERS = 8
"""Parameters that are drawn, the most important first."""


def draw_search_pictures(
    search: Search, importances: Mapping[str, float], pool: ProcessPool, winner: int | None = None
) -> list[Picture]:
    """Return history, learning curves, importances and parallel coordinates of a search; those that can be drawn.

    Args:
        search: The search.
        importances: Of its parameters, the most important first.
        pool: Processes that write the pictures.
        winner: Number of the trial whose configuration won the evaluation; it need not be the best of the search.
    """
    trials = search.trials
    if not any(trial.value is not None for trial in trials):
        return []
    table = tabulate_trials(trials)
    best = search.best_trial
    curves = {trial.number: search.curve(trial.number) for trial in trials}
    states = {trial.number: trial.state for trial in trials}
    problem = search.study.problem
    weighted = " (weighted events)" if problem.weight is not None else ""
    area = f"validation AUC{weighted}"
    starred: dict[str, Any] = {"best": best.number if best else None, "figure_name": area}
    beside, areas = "", table["value"]
    if problem.figure_of_merit.name != "AUC":  # what chose is drawn, and beside it what pruned
        beside, starred["figure_name"] = area, f"validation {shorten_figure(problem.figure_of_merit.name)}"
        figures = [float("nan") if trial.figure is None else trial.figure for trial in trials]
        areas, table = table["value"], table.assign(value=figures)
    history = table[["number", "state", "value"]].assign(beside=areas)
    drawings = {"optimization_history": draw_optimization_history(history, winner=winner, beside=beside, **starred)}
    if any(len(curve) for curve in curves.values()):
        drawings["learning_curves"] = draw_learning_curves(
            curves, states, starred["best"], winner=winner, loss_name=_name_loss(search), figure_name=area
        )
    if importances:
        n_complete = sum(trial.state == "complete" for trial in trials)
        drawings["importances"] = draw_importances(importances, most=MAX_PARAMETERS, n_complete=n_complete)
    names = list(map(name_column, importances)) or list(table.columns.drop(["number", "state", "value"]))
    varying = [name for name in names if len(set(table[name].dropna().astype(str))) > 1]
    if varying:
        drawings["parallel_coordinates"] = draw_parallel_coordinates(
            table, parameters=varying, most=MAX_PARAMETERS, logarithmic=_find_logarithmic(search), **starred
        )
    notes = {"parallel_coordinates": _explain_lines(varying[MAX_PARAMETERS:])}
    return list(keep_drawings(search, drawings.items(), pool, notes).values())


def _explain_lines(left_out: Sequence[str]) -> str:
    """Return how to read parallel coordinates, and which parameters they leave out."""
    told = "Each line is a trial, stronger where it is better; the green one is the best trial."
    return f"{told} Not drawn, as they matter less: {', '.join(left_out)}." if left_out else told


def _name_loss(search: Search) -> str:
    """Return the loss with what its weights are."""
    balanced = "classes balanced" if search.study.preparation.training_weights == "balanced" else ""
    weighted = "event weights" if search.study.problem.weight is not None else ""
    told = ", ".join(filter(None, (balanced, weighted)))
    return f"loss ({told})" if told else "loss"


def _find_logarithmic(search: Search) -> set[str]:
    return {
        name_column(name)
        for trial in search.trials
        for name, distribution in trial.distributions.items()
        if getattr(distribution, "log", False)
    }
