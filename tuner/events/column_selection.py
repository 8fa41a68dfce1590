"""Which columns of a source a problem needs, and which of them are not there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from tuner.errors import EventsError, name_all, suggest_name
from tuner.events.sources import SelectiveSource
from tuner.problem import EventSource, Problem


def read_needed(
    source: EventSource, problem: Problem, *, with_variants: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that a problem needs, and the names of all that there are and may be needed.

    The index of the frame that a file was written from is not among them, unless the problem gives it a role.
    with_variants: read the shifted columns of nuisances, too.
    """
    choice = _Choice(problem, with_variants)
    if isinstance(source, SelectiveSource):
        table = source.read_columns(choice)
    else:
        table = source.read()
        table = table[[name for name in table.columns if choice(name)]]
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise EventsError(f"{source.describe()} must name each column once, but has twice: {name_all(twice)}.")
    if len(table) == 0:
        raise EventsError(f"{source.describe()} must hold events, but has none.")
    index = {name for name in table.attrs.get("index", ()) if name not in problem.roles}
    table = table.drop(columns=[name for name in table.columns if name in index])
    return table.reset_index(drop=True), [name for name in choice.names if name not in index]


def find_missing(problem: Problem, table: pd.DataFrame, names: list[str], *, only_features: bool = False) -> list[str]:
    """Return a sentence for each column that the problem names and that is not there, or cannot be read.

    table and names: as `read_needed` returns them.
    """
    problems = []
    for column, role in problem.roles.items():
        if column in names or role == "ignored" or (only_features and role != "feature"):
            continue
        if column in (left_out := table.attrs.get("left_out", {})):
            problems.append(
                f'{role.capitalize()} "{column}" must be a number for each event, but {left_out[column]}. '
                "Write what you need of it as a column of its own."
            )
            continue
        near = suggest_name(column, names) or f" There are {name_all(names)}."
        problems.append(f'Column "{column}" ({role}) is not there.{near}')
    known = list_features(problem, names)
    for nuisance in () if only_features else problem.nuisances:
        problems += [
            f'Nuisance "{nuisance.name}" must shift features, but "{name}" is none.{suggest_name(name, known)}'
            for name in nuisance.shifted
            if name not in known
        ]
    if isinstance(problem.undefined, Mapping) and not only_features:
        problems += [
            f'`undefined` names column "{name}", which is not there.{suggest_name(name, names)}'
            for name in problem.undefined
            if name not in names
        ]
    problems += [
        f'`units` names column "{name}", which is not there.{suggest_name(name, names)}'
        for name in (() if only_features else problem.units)
        if name not in names
    ]
    if not known:
        problems.append("There must be a feature, but each column has another role.")
    return problems


def note_left_out(problem: Problem, table: pd.DataFrame) -> list[str]:
    """Return a sentence that names the columns which no network can take, where any column may be a feature."""
    if problem.features is not None:
        return []
    index = [name for name in table.attrs.get("index", ()) if name not in problem.roles]
    why = dict.fromkeys(index, "is a row index") | table.attrs.get("left_out", {})
    told = [f'"{name}" {text}' for name, text in why.items() if name not in problem.roles]
    if not told:
        return []
    more = f"; and {len(told) - MAX_TOLD} more" if len(told) > MAX_TOLD else ""
    return [f"Columns that are left out, as they are no features: {'; '.join(told[:MAX_TOLD])}{more}."]


def list_features(problem: Problem, columns: pd.DataFrame | list[str]) -> list[str]:
    """Return the names of the features that are there: those the problem names, or all columns without a role."""
    if problem.features is not None:
        return [name for name in problem.features if name in columns]
    return [str(name) for name in columns if name not in problem.roles]


MAX_TOLD = 8
"""Columns that a note names, at most."""


@dataclass
class _Choice:
    """Which columns a problem needs; remembers the names of all that there are."""

    problem: Problem
    with_variants: bool = False
    names: dict[str, None] = field(default_factory=dict)

    def __call__(self, name: str) -> bool:
        self.names[name] = None
        role = self.problem.roles.get(name)
        if role == "nuisance variant":
            return self.with_variants
        return role != "ignored" and (role is not None or self.problem.features is None)
