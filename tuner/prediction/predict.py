"""Step 8, predict: scores of new events, or of a part of the study's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tuner.events.reading import read_features
from tuner.events.table import NewEvents
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Candidate, choose_candidate
from tuner.prediction.scores import Scores
from tuner.preparation.splits import Part
from tuner.tuning.search import Search


def predict(
    search: Search,
    events: str | Path | NewEvents,
    *,
    trial: int | None = None,
    ensemble: bool = False,
    device: str | None = None,
) -> Scores:
    """Return the winner's scores (or those of the trial of that number, or the ensemble's) for events, in their order.

    events: a path that the study's reader understands, or events that were read. Labels come along as they are, and
    weights, where the file has their columns; neither is needed. Raise `EventsError` where a feature is missing,
    `SearchError` where no trial is complete.
    """
    candidate = choose_candidate(search, trial=trial, ensemble=ensemble)
    network = load_network(search, candidate)
    preprocessing = search.splits.preprocessing
    if isinstance(events, NewEvents):
        new = events
    else:
        new = read_features(search.study.problem, events, features=preprocessing.features)
    scores = score_events(network, preprocessing.transform(new.table), device)
    return Scores(scores, new.labels, new.weights, candidate.trial, new.notes)


def score_part(
    search: Search, part: str, *, candidate: Candidate | None = None, device: str | None = None
) -> np.ndarray:
    """Return a candidate's scores (None: the winner's) of the "train", "validation" or "test" part, float64 [n].

    Whoever scores the test part has opened it: `tuner.evaluate` does, and logs it.
    """
    candidate = candidate or choose_candidate(search)
    prepared: Part = getattr(search.splits, part)
    return score_events(load_network(search, candidate), prepared.x, device)
