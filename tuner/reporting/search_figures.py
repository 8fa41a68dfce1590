"""The page's figures of the search: kept as PNG and PDF, embedded as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.figures import (
    Drawing,
    draw_importances,
    draw_learning_curves,
    draw_optimization_history,
    draw_parallel_coordinates,
    name_column,
    tabulate_trials,
)
from tuner.reporting.page import Picture
from tuner.tuning.search import Search

MAX_PARAMETERS = 8
"""Parameters that are drawn, the most important first."""


def draw_search_pictures(search: Search, importances: Mapping[str, float], winner: int | None = None) -> list[Picture]:
    """Return history, learning curves, importances and parallel coordinates of a search; those that can be drawn.

    winner: number of the trial whose setting won the judgement, which need not be the best of the search.
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
    named = {"figure_name": f"validation AUC{weighted}"}
    starred: dict[str, Any] = {"best": best.number if best else None, **named}
    starred["chosen_by"] = "" if problem.figure_of_merit.name == "AUC" else problem.figure_of_merit.name
    drawings = {"optimization_history": draw_optimization_history(table, winner=winner, **starred)}
    if any(len(curve) for curve in curves.values()):
        drawings["learning_curves"] = draw_learning_curves(
            curves, states, starred["best"], winner=winner, loss_name=_name_loss(search), **named
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
    return [keep_drawing(search, drawing, name, notes.get(name, "")) for name, drawing in drawings.items()]


def keep_drawing(search: Search, drawing: Drawing, name: str, note: str = "") -> Picture:
    """Write a drawing into the run folder as PNG and PDF, and return it for the page. note: how to read it."""
    path, _ = drawing.save(search.folder.figures, name)
    png = path.read_bytes()
    title = drawing.title if drawing.title.endswith((".", "?", "!")) else f"{drawing.title}."
    return Picture(png=png, title=title, alt=drawing.alt, note=note, panels=drawing.cut_panels(png))


def _explain_lines(left_out: Sequence[str]) -> str:
    """Return how to read parallel coordinates, and which parameters they leave out."""
    told = "Each line is a trial, stronger where it is better; the green one is the best trial."
    return f"{told} Left out, less important: {', '.join(left_out)}." if left_out else told


def _name_loss(search: Search) -> str:
    """Return the loss with what its weights are."""
    balanced = "classes balanced" if search.study.preparation.balance else ""
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
