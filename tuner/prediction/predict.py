"""Step 8, predict: scores of new events, or of a part of the study's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tuner.checked_files import warn_once
from tuner.events.reading import read_features
from tuner.events.table import NewEvents
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor, choose_predictor
from tuner.prediction.scores import Scores
from tuner.preparation.splits import Part
from tuner.tuning.figure_checks import describe_edited_figure
from tuner.tuning.search import Search


def predict(
    search: Search,
    events: str | Path | NewEvents,
    *,
    trial: int | None = None,
    candidate: str | None = None,
    device: str | None = None,
) -> Scores:
    """Return the scores of events, in their order, by what the evaluation handed on.

    Without an evaluation the network of the best complete trial is used.

    Args:
        search: The search that trained the network.
        events: A path that the study's reader understands, or events that were read. Labels come along as they are,
            and weights, where the file has their columns; neither is needed.
        trial: Number of a trial whose own network is to be used instead.
        candidate: Name of another candidate that the evaluation kept: "single", "refit", "bag", "ensemble", "blend".
        device: "cpu", "cuda", ...; None for a GPU where there is one.

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
        new = read_features(search.study.problem, events, features=preprocessing.features)
    selected = np.ones(len(new.table), bool) if new.selected is None else new.selected
    scores = np.full(len(selected), np.nan)
    scores[selected] = score_events(network, preprocessing.transform(new.table[selected]), device)
    return Scores(scores, new.labels, new.weights, predictor.description, new.notes, new.selected)


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
