"""Step 1, get the data: read the events of a problem, give each column its role, check that they are what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.errors import EventsError, raise_together, suggest_name
from tuner.events.assembly import assemble_events
from tuner.events.categories import Codes, apply_codes, code_texts
from tuner.events.column_selection import NeededColumns, read_needed
from tuner.events.columns import (
    take_features,
    take_known_weights,
    take_observers,
)
from tuner.events.diagnostics import Findings
from tuner.events.labels import keep_labels
from tuner.events.large_files import are_large, read_in_groups
from tuner.events.missing_columns import find_missing
from tuner.events.name_patterns import fits
from tuner.events.part_sources import find_event_source
from tuner.events.reading_notes import note_reading
from tuner.events.sources import find_source
from tuner.events.table import Events, NewEvents
from tuner.fields import show_value
from tuner.given_events import GivenEvents, take_given
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
    source = find_event_source(problem)
    if are_large(problem):
        return read_in_groups(problem, source)
    return assemble_events(problem, source, read_needed(source, problem))


def find_new_source(problem: Problem, events: Any) -> EventSource:
    """Return the source of events to be scored, which a problem does not name itself.

    Args:
        problem: How its own events are read: others are read alike.
        events: A path; a source; or the events, as a DataFrame, a mapping of names to arrays or a structured array.

    Raises:
        EventsError: It is none of these.
        StudyError: Arrays do not fit each other.
    """
    given = take_given(events)
    if isinstance(given, GivenEvents):
        return find_source(given)
    if isinstance(given, str | Path):
        return find_source(problem.events).at(Path(given))
    if isinstance(given, EventSource):
        return given
    raise EventsError(
        f"Events to be scored must be a path, a DataFrame, a mapping of names to arrays, or events that were read, "
        f"but are {show_value(events)}."
    )


def read_features(
    problem: Problem,
    events: Any,
    *,
    features: Sequence[str] | None = None,
    codes: Codes | None = None,
    keep: Sequence[str] = (),
) -> NewEvents:
    """Read events to be scored, from elsewhere. Features must be there; other roles come along as they are.

    Args:
        problem: Gives the role of each column, and what stands for undefined.
        events: What `find_new_source` takes.
        features: Names of the inputs. None: those of the problem, or all columns without a role.
        codes: Texts of the features that hold texts, as training has them. None: as they are here.
        keep: Names, or patterns of names, of columns that come along as they are.

    Returns:
        Features float32 [n, d] of all events; labels as they came, weights, observers and ids where their columns are
        there; which events fulfil the problem's selection, as far as its columns are there.

    Raises:
        EventsError: A feature or a column that is to be kept is missing, or a feature holds text.
        StudyError: Arrays do not fit each other.
    """
    source = find_new_source(problem, events)
    if features is not None:
        problem = replace(problem, features=tuple(features), ignored=(), nuisances=())
    needed = read_needed(source, problem, to_score=True, also=keep)
    table, problem = needed.table, needed.problem
    found = Findings(
        [*needed.found.problems, *find_missing(needed, only_features=True), *_find_not_kept(needed, keep)],
        [*note_reading(table), *needed.found.notes],
    )
    raise_together(needed.found.problems and found.problems, EventsError, source.describe())
    kept = table[[name for name in table.columns if fits(name, keep)]] if keep else None
    if codes is None:
        there = [name for name in needed.features if name in table]
        table, codes = code_texts(table, there, problem, found, to_score=True)
    else:
        table = apply_codes(table, codes, found)
    coded = codes
    names = [name for name in needed.features if name in table]
    inputs = take_features(table, names, lambda name: () if name in coded else problem.list_undefined(name), found)
    labels = keep_labels(table[problem.label]) if problem.label in table else None
    weights = take_known_weights(table, problem.weight)
    observed = [name for name in problem.all_observers if name in table]
    observers = take_observers(table, observed, problem.list_undefined, None, found)
    event_id = table[problem.event_id].to_numpy() if problem.event_id in table else None
    raise_together(found.problems, EventsError, source.describe())
    return NewEvents(
        inputs,
        labels,
        weights,
        observers,
        event_id,
        source.describe(),
        codes=dict(codes),
        notes=tuple(found.notes),
        selected=needed.selected,
        kept=kept,
    )


def _find_not_kept(needed: NeededColumns, keep: Sequence[str]) -> list[str]:
    """Return a sentence for each name that is to be kept and stands for no column of one value an event."""
    left_out = needed.table.attrs.get("left_out", {})
    problems = []
    for name in keep:
        if name in left_out:
            problems.append(
                f'Column "{name}", which is to be kept, must be one value for each event, but {left_out[name]}.'
            )
        elif not any(fits(column, [name]) for column in needed.table.columns):
            problems.append(f'Column "{name}", which is to be kept, is not there.{suggest_name(name, needed.names)}')
    return problems
