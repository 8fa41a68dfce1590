"""Step 1, get the data: read the events of a problem, give each column its role, check that they are what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from tuner.errors import EventsError, name_all, raise_together, suggest_name
from tuner.problem import EventSource, Problem
from tuner.read.columns import (
    check_features,
    take_event_id,
    take_features,
    take_known_weights,
    take_observers,
    take_weights,
)
from tuner.read.events import Events, NewEvents, compute_digest
from tuner.read.findings import Findings
from tuner.read.labels import take_known_labels, take_labels
from tuner.read.sources import SelectiveSource, find_source


def read_events(problem: Problem) -> Events:
    """Read the events of a problem and check them; `problem.undefined`, infinity and not-a-number become undefined.

    Raise `EventsError` that tells all that does not hold: missing columns, a label with one class or a third, weights
    that are not finite or not positive in total, features that are text, constant or undefined throughout.
    """
    source = find_source(problem.events)
    table, names = _read_needed(source, problem)
    found = Findings(_find_missing(problem, names))
    labels = take_labels(table, problem.label, problem.signal, found)
    weights = take_weights(table, problem.weight, labels, found)
    event_id = take_event_id(table, problem.event_id, found)
    observers = take_observers(table, problem.all_observers, problem.undefined, problem.optimum, found)
    features = take_features(table, _list_features(problem, table), problem.undefined, found)
    check_features(features, found)
    raise_together(found.problems, EventsError, source.describe())
    return Events(
        features,
        labels,
        weights,
        observers,
        event_id,
        source.describe(),
        digest=compute_digest(features, labels, weights),
        optimum=problem.optimum,
        notes=tuple(found.notes),
    )


def read_features(problem: Problem, path: str | Path, *, features: Sequence[str] | None = None) -> NewEvents:
    """Read events to be scored from another place. Features must be there; columns of other roles come along.

    features: names of the inputs. None: those of the problem, or all columns without a role. Raise `EventsError`.
    """
    source = find_source(problem.events).at(Path(path))
    if features is not None:
        problem = replace(problem, features=tuple(features), ignored=())
    table, names = _read_needed(source, problem)
    found = Findings(_find_missing(problem, names, only_features=True))
    inputs = take_features(table, _list_features(problem, table), problem.undefined, found)
    labels = take_known_labels(table, problem.label, problem.signal, found)
    weights = take_known_weights(table, problem.weight, found)
    there = [name for name in problem.all_observers if name in table]
    observers = take_observers(table, there, problem.undefined, None, found)
    event_id = table[problem.event_id].to_numpy() if problem.event_id in table else None
    raise_together(found.problems, EventsError, source.describe())
    return NewEvents(inputs, labels, weights, observers, event_id, source.describe())


@dataclass
class _Choice:
    """Which columns a problem needs; remembers the names of all that there are."""

    problem: Problem
    names: dict[str, None] = field(default_factory=dict)

    def __call__(self, name: str) -> bool:
        self.names[name] = None
        role = self.problem.roles.get(name)
        return role != "ignored" and (role is not None or self.problem.features is None)


def _read_needed(source: EventSource, problem: Problem) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns that a problem needs, and the names of all that there are."""
    choice = _Choice(problem)
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
    return table.reset_index(drop=True), list(choice.names)


def _find_missing(problem: Problem, names: list[str], *, only_features: bool = False) -> list[str]:
    """Return a sentence for each column that the problem names and that is not there."""
    problems = []
    for column, role in problem.roles.items():
        if column in names or role == "ignored" or (only_features and role != "feature"):
            continue
        near = suggest_name(column, names) or f" There are {name_all(names)}."
        problems.append(f'Column "{column}" ({role}) is not there.{near}')
    if not _list_features(problem, names):
        problems.append("There must be a feature, but each column has another role.")
    return problems


def _list_features(problem: Problem, columns: pd.DataFrame | list[str]) -> list[str]:
    """Return the names of the features that are there: those the problem names, or all columns without a role."""
    if problem.features is not None:
        return [name for name in problem.features if name in columns]
    return [str(name) for name in columns if name not in problem.roles]
