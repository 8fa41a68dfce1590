"""Nuisance variants: the same events with something measured otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import pandas as pd

from tuner.errors import EventsError, StudyError, raise_together
from tuner.events.assembly import assemble_events
from tuner.events.categories import apply_codes
from tuner.events.column_selection import read_needed
from tuner.events.columns import take_features
from tuner.events.diagnostics import Findings, locate
from tuner.events.labels import take_labels
from tuner.events.missing_columns import find_missing
from tuner.events.part_sources import find_event_source
from tuner.events.reading import read_events
from tuner.events.sources import find_source
from tuner.events.table import Events
from tuner.problem import Nuisance, Problem

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = ("up", "down")


def read_with_variants(problem: Problem) -> tuple[Events, dict[tuple[str, Direction], pd.DataFrame]]:
    """Read the events of a problem, and the variants of its nuisances; each source is read once.

    Returns:
        The events, and the features of the shifted events, float32 [n, d], by nuisance and direction.

    Raises:
        EventsError: As `read_events` and `read_variant` do.
    """
    if not problem.nuisances:
        return read_events(problem), {}
    source = find_event_source(problem)
    needed = read_needed(source, problem, with_variants=True)
    events = assemble_events(problem, source, needed)
    variants: dict[tuple[str, Direction], pd.DataFrame] = {}
    for nuisance in problem.nuisances:
        for direction in DIRECTIONS:
            variant = getattr(nuisance, direction)
            if isinstance(variant, Mapping):
                found = Findings()
                taken = _take_shifted(problem, needed.shift(variant), events, variant, found)
                where = f'Nuisance "{nuisance.name}", {direction}: {source.describe()}'
                raise_together(found.problems, EventsError, where)
                variants[nuisance.name, direction] = taken
            elif variant is not None:
                variants[nuisance.name, direction] = read_variant(problem, nuisance, direction, events)
    return events, variants


def read_variant(problem: Problem, nuisance: Nuisance, direction: Direction, events: Events) -> pd.DataFrame:
    """Return the features of the shifted events as `read_events` would give them, float32 [n, d].

    Args:
        problem: The problem that the nuisance belongs to.
        nuisance: What is shifted.
        direction: "up" or "down".
        events: The nominal events.

    Returns:
        The shifted features, in the order of the nominal events.

    Raises:
        EventsError: Columns are missing, or these are not the same events in the same order: another number of them,
            other labels or other event ids.
        StudyError: The nuisance has no such variant.
    """
    variant = getattr(nuisance, direction)
    if variant is None:
        raise StudyError(f'Nuisance "{nuisance.name}" has no variant "{direction}"; it is the opposite of the other.')
    columns: Mapping[str, str] = variant if isinstance(variant, Mapping) else {}
    source = find_event_source(problem) if isinstance(variant, Mapping) else find_source(variant)
    nominal = replace(problem, weight=None, observers=(), optimum=None, ignored=(), selection=None, categories=())
    nominal = replace(nominal, features=events.features, nuisances=(nuisance,) if columns else ())
    needed = read_needed(source, nominal, with_variants=bool(columns), only_roles=True)
    found = Findings([*needed.found.problems, *find_missing(needed)])
    if not found.problems:
        table = needed.shift(columns)
        found.problems += _find_differences(needed.problem, table, events, found)
    if not found.problems:
        table = table if events.rows is None else table.iloc[events.rows]
        features = _take_shifted(problem, table, events, columns, found)
    raise_together(found.problems, EventsError, f'Nuisance "{nuisance.name}", {direction}: {source.describe()}')
    return features


def _take_shifted(
    problem: Problem, table: pd.DataFrame, events: Events, columns: Mapping[str, str], found: Findings
) -> pd.DataFrame:
    """Return features of which some are in other columns, float32 [n, d]; undefined values are those of the feature."""
    names = [columns.get(name, name) for name in events.features]
    nominal_of = dict(zip(names, events.features, strict=True))
    codes = {name: events.codes[nominal] for name, nominal in nominal_of.items() if nominal in events.codes}
    table = apply_codes(table, codes)
    undefined = {name: () if name in codes else problem.list_undefined(nominal) for name, nominal in nominal_of.items()}
    shifted = take_features(table, names, lambda name: undefined[name], found)
    return shifted.set_axis(list(events.features), axis="columns")


def _find_differences(problem: Problem, table: pd.DataFrame, events: Events, found: Findings) -> list[str]:
    """Return a sentence for the first thing that shows that these are not the nominal events in their order."""
    n_nominal = len(events.labels) if events.cut_flow is None else events.cut_flow.n_read
    if len(table) != n_nominal:
        return [_tell(f"there are {len(table):,} events instead of {n_nominal:,}")]
    table = table if events.rows is None else table.iloc[events.rows]
    labels = take_labels(table, problem.label, problem.signal, found)
    kept = {"label": (problem.label, labels, events.labels)}
    if problem.event_id is not None and events.event_id is not None:
        kept["event id"] = (problem.event_id, table[problem.event_id].to_numpy(), events.event_id)
    for role, (column, values, nominal) in kept.items():
        if len(values) == len(nominal) and (other := values != nominal).any():
            row = int(other.argmax())
            return [
                _tell(f'{role} "{column}" differs in {other.sum():,} events, the first of them {locate(table, row)}')
            ]
    return []


def _tell(difference: str) -> str:
    return f"The variant must hold the same events in the same order as the nominal ones, but {difference}."
