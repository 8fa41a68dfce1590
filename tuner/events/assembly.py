"""From a table that was read to events: each column in its role, and what does not hold told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all, raise_together
from tuner.events.categories import code_texts, find_unknown_categories
from tuner.events.column_selection import NeededColumns
from tuner.events.columns import check_features, take_event_id, take_features, take_observers, take_weights
from tuner.events.diagnostics import Findings
from tuner.events.labels import take_labels
from tuner.events.missing_columns import find_missing, note_left_out
from tuner.events.part_sources import find_given_parts
from tuner.events.reading_notes import note_reading
from tuner.events.table import Events, compute_digest
from tuner.problem import EventSource, Problem
from tuner.progress.wording import join_words


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
        [*needed.found.problems, *find_missing(needed)], [*note_reading(needed.table), *needed.found.notes]
    )
    found.problems += find_unknown_categories(needed.problem, needed.features)
    if needed.found.problems:  # what was not made or selected must not be judged as well
        raise_together(found.problems, EventsError, source.describe())
    problem = needed.problem
    table = needed.table
    labels = take_labels(table, problem.label, problem.signal, found)
    weights = take_weights(table, problem.weight, labels, found)
    event_id = take_event_id(table, problem.event_id, found)
    observers = take_observers(table, problem.all_observers, problem.list_undefined, problem.optimum, found)
    features, codes = take_inputs(needed, needed.features, labels, found)
    given_parts = find_given_parts(table)
    found.notes += _note_fixed_selection(needed)
    raise_together(found.problems, EventsError, source.describe())
    return Events(
        features,
        labels,
        weights,
        observers,
        event_id,
        source.describe(),
        digest=compute_digest(features, labels, weights, codes=codes, given_parts=given_parts),
        optimum=problem.optimum,
        cut_flow=needed.cut_flow,
        rows=None if needed.formulas.selection is None else table.index.to_numpy(np.int64),
        codes=codes,
        given_parts=given_parts,
        notes=tuple(found.notes),
    )


def _note_fixed_selection(needed: NeededColumns) -> list[str]:
    """Return a sentence where a shift may move events across a cut, as the shifted events are those of the nominal."""
    formulas = needed.formulas
    cut = {*formulas.list_selection()}
    told = [
        nuisance.name
        for nuisance in needed.problem.nuisances
        if any(
            {*formulas.list_raw(variant)} & cut if isinstance(variant, Mapping) else cut and variant is not None
            for variant in (nuisance.up, nuisance.down)
        )
    ]
    if not told:
        return []
    which = "nuisance" if len(told) == 1 else "nuisances"
    return [
        f"The shifted events of {which} {name_all(told)} are those that pass `selection` with their nominal values: "
        "what a shift moves across a cut is not counted."
    ]


def take_inputs(
    needed: NeededColumns, names: Sequence[str], labels: np.ndarray, found: Findings
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """Return features as float32 [n, d], and the texts of those that hold texts; note which columns are left out.

    needed: what was read; names: columns that may be features; what is not in the table is left out; labels: [n].
    """
    problem = needed.problem
    there = [name for name in names if name in needed.table]
    table, codes = code_texts(needed.table, there, problem, found, labels)
    found.notes[:0] = note_left_out(problem, table, needed.formulas)
    there = [name for name in there if name in table]
    features = take_features(table, there, lambda name: () if name in codes else problem.list_undefined(name), found)
    among = "" if needed.formulas.selection is None else " that the selection leaves"
    if among:
        features = _drop_fixed(features, needed, found)
    check_features(features, table, found, among=among)
    return features, {name: texts for name, texts in codes.items() if name in features}


def _drop_fixed(features: pd.DataFrame, needed: NeededColumns, found: Findings) -> pd.DataFrame:
    """Return features [n, d] without those that a selection has made the same in all events, and that nobody named.

    A note tells them.
    """
    told = {}
    for name in features.columns:
        values = features[name].to_numpy()
        if name not in needed.named and len(values) and (np.isnan(values).all() or values.min() == values.max()):
            told[name] = f'"{name}" ({"undefined" if np.isnan(values[0]) else f"{values[0]:g}"})'
    if told and len(told) < len(needed.features):
        one = len(told) == 1
        found.notes.append(
            f"{join_words([*told.values()])} {'is' if one else 'are'} the same in all events that the selection "
            f"leaves, and so {'is no feature' if one else 'are no features'}."
        )
        return features.drop(columns=[*told])
    return features
