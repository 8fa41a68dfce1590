"""Step 8, predict: scores of new events, or of a part of the study's own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tuner.checked_files import warn_once
from tuner.errors import EventsError
from tuner.events.categories import recode
from tuner.events.checks.finding import Finding, list_findings
from tuner.events.reading import read_features
from tuner.events.table import NewEvents
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor, choose_predictor
from tuner.prediction.scores import Scores
from tuner.prediction.unusual_events import N_MEASURED, find_unusual, measure_ranges
from tuner.preparation.splits import Part
from tuner.tuning.figure_checks import describe_edited_figure
from tuner.tuning.search import Search

logger = logging.getLogger("tuner")


def predict(
    search: Search,
    events: str | Path | NewEvents | pd.DataFrame | Mapping[str, ArrayLike] | np.ndarray,
    *,
    trial: int | Literal["best"] | None = None,
    candidate: str | None = None,
    device: str | None = None,
) -> Scores:
    """Return the scores of events, in their order, by what the evaluation handed on.

    Without an evaluation the network of the best complete trial is used. Events that lack what training never lacked,
    or lie far outside of it, are scored all the same: a warning is logged that tells how many there are, and the
    scores' `findings` tell it, too.

    Args:
        search: The search that trained the network.
        events: A path that the study's reader understands; a DataFrame, a mapping of names to arrays [n] or a
            structured array [n]; or events that were read. Labels, weights, event ids and observers come along as they
            are, where their columns are there; none is needed.
        trial: Number of a trial whose own network is to be used instead; "best" for the best complete one, also while
            the sweep still runs.
        candidate: Name of another candidate that the evaluation kept: "single", "refit", "bag", "ensemble", "blend".
        device: "cpu", "cuda", ...; None for a GPU where there is one.

    Returns:
        A score for each event, with what is known of the events, and the candidate that gave them.

    Raises:
        EventsError: A feature is missing.
        SearchError: No trial is complete, or what was asked for is not there.
    """
    if told := describe_edited_figure(search):
        warn_once(f"What is handed on was chosen by the figure of merit as it was then. {told}")
    predictor = choose_predictor(search, trial=trial, name=candidate)
    network = load_network(search, predictor)
    preprocessing = search.splits.preprocessing
    if isinstance(events, NewEvents):
        new = events
    else:
        names, codes = preprocessing.features, preprocessing.codes
        new = read_features(search.study.problem, events, features=names, codes=codes)
    table = recode(new.table, new.codes, preprocessing.codes)
    selected = np.ones(len(table), bool) if new.selected is None else new.selected
    scores = np.full(len(selected), np.nan)
    scores[selected] = score_events(network, preprocessing.transform(table[selected]), device)
    findings = _compare(search, table[selected], tuple(preprocessing.codes))
    for line in list_findings(findings):
        logger.warning("%s", line)
    return Scores(
        scores,
        new.labels,
        new.weights,
        None if new.event_id is None else pd.Series(new.event_id, name=search.study.problem.event_id),
        new.observers if len(new.observers.columns) else None,
        predictor.name,
        predictor.description,
        new.notes,
        findings,
        new.selected,
    )


def _compare(search: Search, table: pd.DataFrame, coded: tuple[str, ...]) -> tuple[Finding, ...]:
    """Return in what features [n, d] are unlike those of training; a warning where the latter are not kept any more."""
    try:
        known = search.open_events().events.table
    except EventsError as error:
        logger.warning("New events cannot be compared with those of training, which are not kept whole. %s", error)
        return ()
    rows = search.splits.train.rows[:N_MEASURED]
    return find_unusual(table, measure_ranges(known.to_numpy()[rows], tuple(map(str, known.columns))), coded)


def score_part(
    search: Search, part: str, *, predictor: Predictor | None = None, device: str | None = None
) -> np.ndarray:
    """Return the scores of the "train", "validation" or "test" part, float64 [n].

    Whoever scores the test part has opened it: `tuner.evaluate` does, and logs it.

    Args:
        search: The search that split the events.
        part: Name of the part.
        predictor: What scores; None for what is handed on.
        device: "cpu", "cuda", ...; None for a GPU where there is one.
    """
    predictor = predictor or choose_predictor(search)
    prepared: Part = getattr(search.splits, part)
    return score_events(load_network(search, predictor), prepared.x, device)
