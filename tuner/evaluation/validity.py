"""What a judgement rests on: the same contents give the same judgement, which is then not made again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.evaluation.results import Evaluation
from tuner.events.reading import read_events
from tuner.events.table import Events, compute_digest
from tuner.events.variants import Direction, read_variant
from tuner.tuning.contents import agree, describe_contents
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search

TRIALS, EVENTS, FIGURE, CUT, SEED, JUDGEMENT = (
    "complete trials",
    "events",
    "figure of merit",
    "working point",
    "seed",
    "finalists, seeds or baselines",
)
COLUMNS = "observers or event ids"


def read_judged_events(search: Search, settings: EvaluationSettings) -> Events | None:
    """Return the events as read, where observers, nuisances or ids are needed of them; None where none is."""
    problem = search.study.problem
    by_id = _is_folded(settings) and problem.event_id is not None
    return read_events(problem) if problem.all_observers or problem.nuisances or by_id else None


def find_grounds(search: Search, settings: EvaluationSettings) -> dict[str, str]:
    """Return what a judgement rests on and what is known without the events' file, by name.

    A setting that has its default is as good as not there. Functions count by what they do, not by their names.
    """
    problem, usual = search.study.problem, asdict(EvaluationSettings())
    return {
        TRIALS: search.fingerprint,
        EVENTS: search.splits.events_digest,
        FIGURE: describe_contents(problem.figure_of_merit),
        CUT: describe_contents(problem.working_point),
        SEED: str(search.study.seed),
        JUDGEMENT: repr({name: value for name, value in asdict(settings).items() if value != usual[name]}),
        "names of observers": repr((*problem.all_observers, problem.optimum)),
        "names of nuisances": repr([(nuisance.name, nuisance.down is not None) for nuisance in problem.nuisances]),
    }


def still_holds(evaluation: Evaluation, search: Search) -> bool:
    """Return whether an evaluation is of the search's present trials and events, and of its problem's rules.

    What the evaluation took from the events besides is compared where these can be read and are those of the search.
    """
    before, settings = evaluation.rests_on, evaluation.settings
    now = find_grounds(search, settings)
    if any(name in now for name in name_changes(before, now)):
        return False
    try:
        events = read_judged_events(search, settings)
        if events is None or events.digest != search.splits.events_digest:
            return True
        now |= find_grounds_in_events(search, settings, events)
    except EventsError:
        return True
    return not any(name_changes(before, now))


def find_grounds_in_events(search: Search, settings: EvaluationSettings, events: Events | None) -> dict[str, str]:
    """Return what a judgement rests on besides: the values of observers, ids, and of each nuisance's variants.

    events: as read. Raise `EventsError` where a variant does not fit them.
    """
    if events is None:
        return {}
    problem, grounds = search.study.problem, {}
    columns = dict(events.observers.items())
    if _is_folded(settings) and events.event_id is not None:
        columns["event id"] = pd.Series(events.event_id)
    if columns:
        grounds[COLUMNS] = _hash_columns(columns)
    for nuisance in problem.nuisances:
        directions: tuple[Direction, ...] = ("up",) if nuisance.down is None else ("up", "down")
        found = {
            direction: compute_digest(read_variant(problem, nuisance, direction, events), events.labels, events.weights)
            for direction in directions
        }
        grounds[f'nuisance "{nuisance.name}"'] = repr(found)
    return grounds


def _is_folded(settings: EvaluationSettings) -> bool:
    """Return whether ids keep events together in folds."""
    return settings.folds is not None or settings.bag is not None


def name_changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield the grounds that differ, in the order of `now`; then those that are gone."""
    for name in {**now, **before}:
        if name not in before or name not in now or not agree(before[name], now[name]):
            yield name


def _hash_columns(columns: Mapping[object, pd.Series]) -> str:
    """Return the SHA-256 of the values of columns of numbers or of text, by name."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        values = column.astype(np.float64) if pd.api.types.is_numeric_dtype(column.dtype) else column
        digest.update(f"{name}\0".encode())
        digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return digest.hexdigest()
