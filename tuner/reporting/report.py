"""Write the report: one self-contained page on what was asked, what was done, and how good the answer is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import tuner
from tuner.checked_files import write_atomically
from tuner.evaluation.evaluate import read_valid_evaluation
from tuner.evaluation.publishing import publish
from tuner.evaluation.results import Evaluation
from tuner.evaluation.waiting import hold_alone
from tuner.figures import use_style
from tuner.launchers.process_pool import ProcessPool
from tuner.reporting.evaluation_figures import draw_judgement_pictures
from tuner.reporting.highlights import highlight, name_subject
from tuner.reporting.page import Page, Section, render_page
from tuner.reporting.pictures import open_picture_pool
from tuner.reporting.search_figures import draw_search_pictures
from tuner.reporting.sections.data import write_data, write_frame, write_preparation
from tuner.reporting.sections.deployment import write_hand_off, write_reproduction
from tuner.reporting.sections.evaluation import write_evaluation
from tuner.reporting.sections.exploration import write_exploration
from tuner.reporting.sections.search import write_model, write_search
from tuner.reporting.summary import answer
from tuner.trackers.base import Tracker
from tuner.trackers.not_recorded import describe_losses
from tuner.tuning.parameter_importances import measure_parameter_importances
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.status import count_left, read_status


def report(
    search: Search, evaluation: Evaluation | None = None, *, style: str = "house", tracker: Tracker | None = None
) -> Path:
    """Write `report.html` and the figures (PNG and PDF) into the run folder, and return the page's path.

    A search that was interrupted, or has no complete trial, gets a page that says so.

    Args:
        search: The search.
        evaluation: What the page tells of; None for the one in the run folder, where it still holds.
        style: Look of the figures, "house" or one of mplhep's ("ATLAS", "CMS", ...), which needs the extra "mplhep".
        tracker: Keeps the record of the study, with the page and its figures; None for the one that the sweep used,
            `NoTracker()` for none.

    Returns:
        Path of `report.html` in the run folder.

    Raises:
        StudyError: The style is unknown.
        MissingPackage: The style needs mplhep, which is not installed.
        DamagedFileError: A file of the run folder that the page needs is damaged or missing.
    """
    search = search.freeze()
    if evaluation is None:
        evaluation = read_valid_evaluation(search)
    with hold_alone(search.folder.path / ".report.lock", lambda: None), use_style(style):
        with open_picture_pool(search) as pool:
            page = _make_page(search, evaluation, pool)
        write_atomically(search.folder.report, render_page(page))
    publish(search, evaluation, tracker)
    return search.folder.report


def _make_page(search: Search, evaluation: Evaluation | None, pool: ProcessPool) -> Page:
    winner, seconds = _find_winner(search, evaluation), read_status(search).elapsed
    return Page(
        study=search.study.name,
        question=search.study.problem.question,
        answer=answer(search, winner, evaluation),
        notices=_list_notices(search),
        highlights=highlight(search, evaluation, seconds),
        subject=name_subject(evaluation),
        sections=_write_sections(search, evaluation, seconds, pool),
        made=datetime.now().astimezone(),
        maker=f"signal-tuner {tuner.__version__}",
    )


def _write_sections(
    search: Search, evaluation: Evaluation | None, seconds: float | None, pool: ProcessPool
) -> list[Section]:
    """Return the steps in order; those that were not taken are left out."""
    sections = [
        write_frame(search.study.problem, evaluation),
        write_data(search),
        write_exploration(search, pool),
        write_preparation(search),
    ]
    if (winner := _find_winner(search, evaluation)) is not None:
        sections += write_model(search, winner)
    importances = measure_parameter_importances(search)
    won = None if evaluation is None else evaluation.winner
    sections.append(write_search(search, draw_search_pictures(search, importances, pool, won), importances, seconds))
    if evaluation is not None:
        pictures = draw_judgement_pictures(search, evaluation, pool)
        sections.append(write_evaluation(search, evaluation, pictures))
    return [
        *sections,
        write_hand_off(search, evaluation),
        write_reproduction(search.folder),
    ]


def _find_winner(search: Search, evaluation: Evaluation | None) -> TrialRecord | None:
    """Return the trial whose setting won the evaluation; before that the best complete one."""
    if evaluation is None:
        return search.best_trial
    return next(trial for trial in search.trials if trial.number == evaluation.winner)


RESUME = "Rerun the same command to resume it."


def _list_notices(search: Search) -> list[str]:
    """Return what a reader must know first: that the search is not over, that nothing is complete, what is missing."""
    trials, budget = search.trials, search.study.budget.trials
    done = sum(trial.state in ("complete", "pruned") for trial in trials)
    missing = describe_losses(search.folder.path)
    if count_left(search):
        return [f"This search is not over: {done} of {budget} trials are done. {RESUME}", *missing]
    return missing if search.best_trial is not None else ["No trial is complete: there is no winner.", *missing]
