"""Step 7, evaluate: the winner on validation and, once, on test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tuner.errors import EventsError
from tuner.evaluate.evaluation import Evaluation, PartEvaluation
from tuner.evaluate.openings import count_openings, log_opening
from tuner.evaluate.part_evaluation import evaluate_scores
from tuner.metrics.figures_of_merit import CutFigure
from tuner.predict.network import choose_trial
from tuner.predict.step import score_part
from tuner.prepare.splits import Part
from tuner.read.step import read_events
from tuner.run_folder import write_atomically
from tuner.tune.search import Search

N_BOOTSTRAP = 200


def evaluate(search: Search, *, open_test: bool = True, device: str | None = None) -> Evaluation:
    """Return the winner's figures with 68 % intervals on validation and on test; write them to the run folder.

    The cut is chosen on validation by the problem's working point and frozen for test; so is the best cut of a
    significance, where that is the figure of merit. The test part is opened once
    for a winner: the opening is logged in the run folder before anything of it is scored, and a later call for the
    same winner, events, figure of merit and working point reads what was found then.

    open_test: False leaves the test part closed and judges on validation alone.
    Writes `evaluation.json` and, for the test part, `scores.parquet`: row of the events, label, weight, score and
    observers. Raise `SearchError` where no trial is complete, `EventsError` where the events have changed.
    """
    winner = choose_trial(search).number
    stored = read_evaluation(search)
    if stored is not None and _still_holds(stored, search, winner) and (stored.opening is not None or not open_test):
        return stored
    observers = _read_observers(search)
    scores = score_part(search, "validation", trial=winner, device=device)
    part = search.splits.validation
    problem = search.study.problem
    threshold = problem.working_point.choose(part.labels, scores, part.weights)
    figure, figure_cut = problem.figure_of_merit, None
    if isinstance(figure, CutFigure):
        figure_cut = figure.choose(part.labels, scores, part.weights)
    parts = [_evaluate_part(search, "validation", scores, observers, threshold=threshold)]
    opening, known = None, 0 if stored is None else stored.openings
    if open_test:
        opening = log_opening(search, winner, reason=_tell_reason(search, stored, winner), known=known).number
        scores = score_part(search, "test", trial=winner, device=device)
        parts.append(_evaluate_part(search, "test", scores, observers, threshold=threshold, figure_cut=figure_cut))
        _write_scores(search, scores, observers)
    evaluation = Evaluation(
        study=search.study.name,
        winner=winner,
        figure_of_merit=figure.name,
        opening=opening,
        openings=count_openings(search, known=known),
        events_digest=search.splits.events_digest,
        parts=tuple(parts),
    )
    write_atomically(search.folder.evaluation, evaluation.to_json())
    return evaluation


def read_evaluation(search: Search) -> Evaluation | None:
    """Return what the last evaluation of a search found; None where there was none."""
    path = search.folder.evaluation
    return Evaluation.from_json(path.read_text(encoding="utf-8")) if path.exists() else None


def _still_holds(stored: Evaluation, search: Search, winner: int) -> bool:
    """Return whether an evaluation is of this winner, these events and this problem's figure and cut."""
    problem = search.study.problem
    return (
        (stored.winner, stored.events_digest, stored.figure_of_merit)
        == (winner, search.splits.events_digest, problem.figure_of_merit.name)
    ) and all(part.threshold_rule == _tell_rule(search) for part in stored.parts)


def _tell_reason(search: Search, stored: Evaluation | None, winner: int) -> str:
    """Return why the test part is opened now."""
    if not count_openings(search, known=0 if stored is None else stored.openings):
        return "first evaluation"
    if stored is None:
        return "evaluation.json is not there any more"
    if stored.opening is None:
        return "the last evaluation had left the test part closed"
    if stored.events_digest != search.splits.events_digest:
        return "other events"
    if stored.winner != winner:
        return f"trial {winner} took the place of trial {stored.winner} as winner"
    return "other figure of merit or working point"


def _tell_rule(search: Search) -> str:
    return f"{search.study.problem.working_point.name}, chosen on validation"


def _read_observers(search: Search) -> pd.DataFrame:
    """Return the observers of all events, in the order of the events as read; no columns where the problem has none."""
    if not search.study.problem.all_observers:
        return pd.DataFrame()
    events = read_events(search.study.problem)
    if events.digest != search.splits.events_digest:
        raise EventsError(
            f"The events must be those that were split for the search, but {events.source} has changed since: "
            f"its hash is {events.digest[:12]}, not {search.splits.events_digest[:12]}. "
            "Bring the old events back, or start a study of another name."
        )
    return events.observers


def _evaluate_part(
    search: Search,
    name: str,
    scores: np.ndarray,
    observers: pd.DataFrame,
    *,
    threshold: float,
    figure_cut: float | None = None,
) -> PartEvaluation:
    part: Part = getattr(search.splits, name)
    problem = search.study.problem
    return evaluate_scores(
        part.labels,
        scores,
        part.weights,
        candidate="winner",
        part=name,
        threshold=threshold,
        threshold_rule=_tell_rule(search),
        optimum=None if problem.optimum is None else observers[problem.optimum].to_numpy()[part.rows],
        figure_of_merit=problem.figure_of_merit,
        figure_cut=figure_cut,
        n_bootstrap=N_BOOTSTRAP,
        seed=search.study.seed,
    )


def _write_scores(search: Search, scores: np.ndarray, observers: pd.DataFrame) -> None:
    """Write the scores of the test part, so that anyone can compute its figures again."""
    part = search.splits.test
    columns = {
        "row": np.asarray(part.rows),
        "label": np.asarray(part.labels).astype(np.int8),
        "weight": np.asarray(part.weights, dtype=np.float64),
        "score": scores,
    }
    for name, observer in observers.items():
        columns[f"observer {name}" if name in columns else str(name)] = observer.to_numpy()[part.rows]
    table = pd.DataFrame(columns)
    write_atomically(search.folder.scores, table.to_parquet(index=False))
