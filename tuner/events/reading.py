"""Step 1, get the data: read the events of a problem, give each column its role, check that they are what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tuner.errors import EventsError, raise_together
from tuner.events.column_selection import NeededColumns, find_missing, note_left_out, read_needed
from tuner.events.columns import (
    check_features,
    take_event_id,
    take_features,
    take_known_weights,
    take_observers,
    take_weights,
)
from tuner.events.diagnostics import Findings
from tuner.events.labels import keep_labels, take_labels
from tuner.events.reading_notes import note_reading
from tuner.events.sources import find_source
from tuner.events.table import Events, NewEvents, compute_digest
from tuner.problem import EventSource, Problem


def read_events(problem: Problem) -> Events:
    """Read the events of a problem and check them; `problem.undefined`, infinity and not-a-number become undefined.

    Args:
        problem: Where the events are, and the role of each column.

    Returns:
        Features float32 [n, d], labels in {0, 1} [n], event weights float64 [n] (ones where the problem names none),
        observers and ids.

    Raises:
        EventsError: With everything that does not hold: missing columns, a label with one class or a third, weights
            that are not finite or not positive in total, features that are text, constant or undefined throughout.
    """
    source = find_source(problem.events)
    return assemble_events(problem, source, read_needed(source, problem))


def assemble_events(problem: Problem, source: EventSource, needed: NeededColumns) -> Events:
    """Return events from a table that was read, each column in its role.

    Args:
        problem: Says which column has which role.
        source: Where the table came from.
        needed: What `read_needed` returned.

    Raises:
        EventsError: As `read_events` does.
    """
    found = Findings(
        [*needed.found.problems, *find_missing(needed)],
        [*note_left_out(problem, needed.table, needed.formulas), *note_reading(needed.table), *needed.found.notes],
    )
    if needed.found.problems:  # what was not made or selected must not be judged as well
        raise_together(found.problems, EventsError, source.describe())
    problem, table = needed.problem, needed.table
    labels = take_labels(table, problem.label, problem.signal, found)
    weights = take_weights(table, problem.weight, labels, found)
    event_id = take_event_id(table, problem.event_id, found)
    observers = take_observers(table, problem.all_observers, problem.list_undefined, problem.optimum, found)
    features = take_features(table, needed.features, problem.list_undefined, found)
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
        cut_flow=needed.cut_flow,
        rows=None if needed.formulas.selection is None else table.index.to_numpy(np.int64),
        notes=tuple(found.notes),
    )


def read_features(problem: Problem, path: str | Path, *, features: Sequence[str] | None = None) -> NewEvents:
    """Read events to be scored, from another file. Features must be there; other roles come along as they are.

    Args:
        problem: Gives the role of each column, and what stands for undefined.
        path: Where the events are; read as the problem's own are.
        features: Names of the inputs. None: those of the problem, or all columns without a role.

    Returns:
        Features float32 [n, d] of all events; labels as they came, weights, observers and ids where their columns are
        there; which events fulfil the problem's selection, as far as its columns are there.

    Raises:
        EventsError: A feature is missing, or holds text.
    """
    source = find_source(problem.events).at(Path(path))
    if features is not None:
        problem = replace(problem, features=tuple(features), ignored=(), nuisances=())
    needed = read_needed(source, problem, to_score=True)
    table, problem = needed.table, needed.problem
    found = Findings(
        [*needed.found.problems, *find_missing(needed, only_features=True)],
        [*note_reading(table), *needed.found.notes],
    )
    raise_together(needed.found.problems and found.problems, EventsError, source.describe())
    inputs = take_features(table, needed.features, problem.list_undefined, found)
    labels = keep_labels(table[problem.label]) if problem.label in table else None
    weights = take_known_weights(table, problem.weight)
    there = [name for name in problem.all_observers if name in table]
    observers = take_observers(table, there, problem.list_undefined, None, found)
    event_id = table[problem.event_id].to_numpy() if problem.event_id in table else None
    raise_together(found.problems, EventsError, source.describe())
    return NewEvents(
        inputs,
        labels,
        weights,
        observers,
        event_id,
        source.describe(),
        notes=tuple(found.notes),
        selected=needed.selected,
    )
