"""Columns that a problem needs and that are not there, or that no network can take: what is told of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import pandas as pd

from tuner.errors import name_all, suggest_name
from tuner.events.column_selection import MAX_TOLD, NeededColumns
from tuner.events.expressions.syntax import quote_name
from tuner.events.formulas import Formulas
from tuner.events.listing import get_lists
from tuner.problem import Problem
from tuner.progress.wording import join_words


def find_missing(needed: NeededColumns, *, only_features: bool = False) -> list[str]:
    """Return a sentence for each column that the problem names and that is not there, or cannot be read."""
    problem, table, names = needed.problem, needed.table, needed.names
    left_out = table.attrs.get("left_out", {})
    problems: list[str] = []
    lacking: dict[str, str] = {}
    for column, role in problem.roles.items():
        is_made = column in needed.formulas.columns  # what cannot be made is told as such
        if (column in names and column not in left_out) or is_made or role == "ignored":
            continue
        if only_features and role != "feature":
            continue
        if column in left_out:
            advice = f"Make columns of what you need of it: {_advise_lists(column, left_out[column])}."
            advice = advice if get_lists(left_out[column]) else "Leave it out with `ignored`."
            problems.append(
                f'{role.capitalize()} "{column}" must be a number for each event, but {left_out[column]}. {advice}'
            )
        else:
            lacking[column] = role
    problems += _tell_lacking(lacking, names, needed.formulas.weight_problem)
    shiftable = [*needed.features, *needed.formulas.list_all()]
    for nuisance in () if only_features else problem.nuisances:
        problems += [
            f'Nuisance "{nuisance.name}" must shift features, but "{name}" is none.{suggest_name(name, shiftable)}'
            for name in nuisance.shifted
            if name not in shiftable
        ]
    if isinstance(problem.undefined, Mapping) and not only_features:
        problems += [
            f'`undefined` names column "{name}", which is not there.{suggest_name(name, names)}'
            for name in problem.undefined
            if name not in names and name not in left_out
        ]
    problems += [
        f'`units` names column "{name}", which is not there.{suggest_name(name, names)}'
        for name in (() if only_features else problem.units)
        if name not in names
    ]
    if not needed.features and "feature" not in lacking.values():
        problems.append("There must be a feature, but each column has another role.")
    return problems


def _tell_lacking(lacking: Mapping[str, str], names: Sequence[str], weight_problem: str) -> list[str]:
    """Return a sentence for each column that is not there but resembles one, and one for all others.

    lacking: column to its role. names: of those that there are.
    """
    near = {column: suggest_name(column, names) for column in lacking}
    problems = [
        f'Column "{column}" ({role}) is not there.{near[column]}' for column, role in lacking.items() if near[column]
    ]
    alone = [column for column in lacking if not near[column]]
    if alone:
        by_role: dict[str, list[str]] = {}
        for column in alone:
            by_role.setdefault(lacking[column], []).append(column)
        told = [f"{name_all(columns)} ({role})" for role, columns in by_role.items()]
        which = f"Column {told[0]} is" if len(alone) == 1 else f"Columns {join_words(told)} are"
        problems.append(f"{which} not there. There are {name_all(names)}.")
    return [f"{told} {weight_problem}" if weight_problem and "(weight)" in told else told for told in problems]


def note_left_out(problem: Problem, table: pd.DataFrame, formulas: Formulas) -> list[str]:
    """Return a sentence that names the columns which no network can take, where any column may be a feature."""
    if problem.features is not None:
        return []
    index = [name for name in table.attrs.get("index", ()) if name not in problem.roles]
    why = dict.fromkeys(index, "is a row index") | table.attrs.get("left_out", {})
    used = formulas.list_all()
    told = [f'"{name}" {text}' for name, text in why.items() if name not in problem.roles and name not in used]
    if not told:
        return []
    more = f"; and {len(told) - MAX_TOLD} more" if len(told) > MAX_TOLD else ""
    lists = next((name for name, text in why.items() if get_lists(text) and name not in problem.roles), None)
    advice = "" if lists is None else f" Make numbers of lists with `columns`: {_advise_lists(lists, why[lists])}."
    return [f"Columns that are left out, as they are no features: {'; '.join(told[:MAX_TOLD])}{more}.{advice}"]


def _advise_lists(name: str, why: str) -> str:
    """Return how numbers are made of lists of numbers, as an argument of `Problem`."""
    lists = get_lists(why)
    quoted = quote_name(name)
    if lists and lists.valid:
        quoted = f"{quoted}[{quote_name(lists.valid)}]"
    stem = re.sub(r"\W+", "_", name).strip("_")
    made = {f"first_{stem}": f"index({quoted}, 0)"}
    if lists and (lists.length is None or lists.valid):
        made[f"n_{stem}"] = f"len({quoted})"
    padding = f" (`{lists.valid}` tells which entries are no padding)" if lists and lists.valid else ""
    return f"`columns={json.dumps(made)}`{padding}"
