"""Tell of an evaluation wherever people look: the storage, Optuna Dashboard, and the tracker of the sweep."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tuner.errors import MissingPackage, TunerError
from tuner.evaluation.results import Evaluation
from tuner.evaluation.study_record import find_last_call, read_provenance, record_study
from tuner.evaluation.validity import TRIALS
from tuner.evaluation.verdicts import summarize_verdict, tabulate_verdicts
from tuner.evaluation.waiting import hold_alone
from tuner.progress.logs import NOTES, open_log
from tuner.trackers.base import SECONDS_TO_CLOSE, Tracker
from tuner.trackers.choice import open_tracker
from tuner.trackers.memory import Memory, NoTracker
from tuner.tuning.outcome import Outcome, keep_finite, write_outcome
from tuner.tuning.search import Search
from tuner.tuning.study_artifacts import keep_study_artifacts
from tuner.tuning.study_note import write_study_note

logger = logging.getLogger("tuner")


def publish(search: Search, evaluation: Evaluation | None, tracker: Tracker | None = None) -> None:
    """Tell of a search, and of its evaluation where there is one, in the storage and to the tracker; never raise.

    In the storage are the outcome, and for Optuna Dashboard the study's note, the report and its figures.

    Published again, the record replaces the one before. What goes wrong costs no figure: a warning tells.

    Args:
        search: The search.
        evaluation: None where there is none.
        tracker: None for the one that the sweep was given, else for another one of the kind that it used, as its run
            folder tells. A user's own cannot be opened again: hand it in. Nothing is sent where that is `NoTracker`.
            The tracker is closed at the end, which writes what is left, for at most a minute; more may be logged after
            that.
    """
    with suppress(Exception):  # a storage that fails is told of below
        search = search.freeze()
    steps = (
        lambda: _write_outcome(search, evaluation),
        lambda: write_study_note(search, "" if evaluation is None else tabulate_verdicts(evaluation)),
        lambda: keep_study_artifacts(search),
        lambda: _track(search, evaluation, tracker),
    )
    with open_log(search.folder.log, "publish"):
        problems = dict.fromkeys(told for step in steps if (told := _try(step)) is not None)
        if problems:
            subject = "search" if evaluation is None else "evaluation"
            logger.warning(
                "The %s is complete, but could not be published everywhere: %s", subject, "; ".join(problems)
            )


def _try(step: Callable[[], None]) -> str | None:
    """Take a step; return what went wrong, None where nothing did."""
    try:
        step()
    except Exception as error:  # a storage, a service, a disk may raise anything
        return str(error) if isinstance(error, TunerError) else f"{type(error).__name__}: {error}"
    return None


def _write_outcome(search: Search, evaluation: Evaluation | None) -> None:
    """Keep the verdict, what is handed on and its figures on test in the storage, where `tuner status` finds them."""
    if evaluation is None:
        return
    part = evaluation.part("test")
    measurements = {} if part is None else part.measurements
    test = {name: (keep_finite(m.value), keep_finite(m.low), keep_finite(m.high)) for name, m in measurements.items()}
    outcome = Outcome(
        winner=evaluation.winner,
        handed_on=evaluation.handed_on.description,
        verdict=summarize_verdict(evaluation),
        test=None if part is None else test,
        openings=evaluation.openings,
        fingerprint=evaluation.rests_on[TRIALS],
    )
    write_outcome(search, outcome)


def _track(search: Search, evaluation: Evaluation | None, tracker: Tracker | None) -> None:
    """Hand the record of the study to its tracker."""
    used = tracker or search.tracker or _reopen_tracker(search)
    if used is None or isinstance(used, NoTracker):
        return
    with hold_alone(search.folder.path / ".publishing.lock", lambda: None):
        network = None if evaluation is None else _keep_network(search, evaluation)
        try:
            used.log_study(record_study(search, evaluation, network=network))
        finally:
            used.close(SECONDS_TO_CLOSE)


def _reopen_tracker(search: Search) -> Tracker | None:
    """Return a tracker of the kind that the last call of the sweep used; None where there is nothing to be opened.

    A folder of an older version, which does not tell, has used Weights & Biases where it holds such runs.
    """
    call = find_last_call(read_provenance(search))
    kind = call.get("tracker", "wandb" if search.folder.wandb.exists() else "none")
    if kind is None:
        NOTES.info(
            "The sweep's tracker was one of your own, or has settings of its own, and cannot be opened again: to have "
            "the study's record there, hand it to `tuner.evaluate(search, tracker=...)`."
        )
        return None
    tracker = open_tracker(kind)
    return None if isinstance(tracker, Memory) else tracker


def _keep_network(search: Search, evaluation: Evaluation) -> Path | None:
    """Return what is handed on as ONNX in the run folder, written where it is not there; None where it cannot be."""
    from tuner.prediction.export import keep_network

    try:
        return keep_network(search, evaluation.handed_on)
    except MissingPackage as error:
        NOTES.info("The network handed on is no artifact of the study's record. %s", error)
    except TunerError as error:
        logger.warning("The network handed on is no artifact of the study's record. %s", error)
    return None
