"""Step 8, predict: scores of new events, or of a part of the study's own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tuner.events.checks.finding import list_findings
from tuner.events.table import NewEvents
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import Predictor, choose_predictor
from tuner.prediction.probabilities import Kind
from tuner.prediction.scores import Scores
from tuner.prediction.scoring import EventScorer
from tuner.preparation.splits import Part
from tuner.tuning.search import Search

logger = logging.getLogger("tuner")


def predict(
    search: Search,
    events: str | Path | NewEvents | pd.DataFrame | Mapping[str, ArrayLike] | np.ndarray,
    *,
    trial: int | Literal["best"] | None = None,
    candidate: str | None = None,
    keep: Sequence[str] = (),
    calibration: Kind | None = None,
    prior: float | Literal["events"] | None = None,
    out_of_fold: bool = True,
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
        keep: Names, or patterns of names, of other columns that come along as they are.
        calibration: "isotonic" or "platt" adds calibrated probabilities, fitted on events that were not trained on.
        prior: Share of signal that the probabilities hold for, in (0, 1), or "events": that of the study. None: 1/2.
        out_of_fold: Let an event that the search trained on, known by its id, be scored by those networks of a bag that
            did not see it.
        device: "cpu", "cuda", ...; None for a GPU where there is one.

    Returns:
        A score for each event, with the decision at the frozen cut, what is known of the events, and the candidate
        that gave them.

    Raises:
        EventsError: A feature, or a column that is to be kept, is missing.
        SearchError: No trial is complete, or what was asked for is not there.
    """
    scorer = EventScorer(
        search,
        trial=trial,
        candidate=candidate,
        calibration=calibration,
        prior=prior,
        out_of_fold=out_of_fold,
        device=device,
    )
    new = events if isinstance(events, NewEvents) else scorer.read(events, keep=keep)
    scores = scorer.score(new)
    findings = scorer.list_findings()
    if scorer.lost:
        logger.warning("%s", scorer.lost)
    for line in list_findings(findings):
        logger.warning("%s", line)
    return replace(scores, notes=scorer.list_notes(), findings=findings)


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
