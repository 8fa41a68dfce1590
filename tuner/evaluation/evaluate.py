"""Step 7, evaluate: finalists, ensemble and baselines side by side, on validation and, once, on test."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuner.checked_files import read_json
from tuner.errors import SearchError
from tuner.evaluation.judge import Judge
from tuner.evaluation.publishing import publish
from tuner.evaluation.results import Evaluation, describe_mismatch
from tuner.evaluation.retraining_processes import open_pool
from tuner.evaluation.time_table import TimeTable
from tuner.evaluation.validity import TRIALS, find_grounds, find_grounds_in_events, still_holds
from tuner.evaluation.waiting import hold_alone, wait_for_workers
from tuner.launchers.dask_workers import connect
from tuner.prediction.networks import are_kept, hand_on_again
from tuner.preparation.kept_events import KeptEvents
from tuner.progress.display import Display, NoDisplay
from tuner.progress.logs import open_log, quiet_optuna
from tuner.progress.stages import STAGES
from tuner.trackers.base import Tracker
from tuner.tuning.call_end import CallEnd
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.figure_checks import check_figure_is_unchanged
from tuner.tuning.search import Search

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("tuner")

WAITING = "Another process evaluates this search: waiting for what it finds. Ctrl-C stops waiting."


def evaluate(
    search: Search,
    settings: EvaluationSettings | None = None,
    *,
    open_test: bool = True,
    device: str | None = None,
    tracker: Tracker | None = None,
    display: Display | None = None,
    minutes: float | None = None,
    dask: str | Path | Client | None = None,
) -> Evaluation:
    """Return the judgement of a search, with 68 % intervals; write it to the run folder.

    The best configurations are trained anew with several seeds; the winner is the one with the best mean of the figure
    of merit on validation (by AUC among those that a figure of one cut cannot tell from the best). Beside it are judged
    what can be made of it and of the other trainings (a bag, a refit, a greedy ensemble) and baselines (boosted trees,
    logistic regression). One of them is handed on to `tuner.predict` and `tuner.export`; the test part has no say in
    that. Cuts are chosen on events that a candidate was not trained on, and frozen for test.

    Networks of one structure are trained together, in packs that the number of processes and the memory bound. Dropout
    is drawn for a pack as a whole: with dropout, another machine gives other trainings of the same configurations.

    The test part is opened once: the opening is logged in the run folder before anything of it is scored, and a later
    call on the same trials, events and rules reads what was found then. One process at a time evaluates a search;
    another one waits, and reads what the first has found. While workers still train the study, the test part is not
    opened: this waits for them. The events are those that the sweep kept in the run folder.

    Writes `evaluation.json`, `finalists/`, `cut_scores.parquet` (events that the cuts were chosen on), for a
    bag `bag_scores.parquet`, and for the test part `scores.parquet`: row of the events, label, weight, observers, the
    score of what is handed on, and those of every candidate.

    Args:
        search: What a sweep returned, or `open_search`.
        settings: How many finalists, seeds, baselines. None: the study's own.
        open_test: False leaves the test part closed and judges on validation alone.
        device: "cpu", "cuda" or "cuda:1". None: a GPU where there is one.
        tracker: Keeps the record of the study, with every figure of the evaluation. None: the one that the sweep used;
            `NoTracker()`: none. It is closed at the end, and may be used again.
        display: Shows how far it has come, such as `tuner.progress.open_display()`.
        minutes: Wall time of the judgement and the report after it. Where it needs more by the pace of the trials, it
            has fewer seeds and finalists and a smaller bag, and says so. None: what is left of the `minutes` that the
            sweep was called with, where these are not over yet; else no limit.
        dask: Dask cluster whose machines train and fit, as in `tuner.sweep`. None: this machine.

    Returns:
        Figures with intervals and verdicts, of every candidate on every part that is open.

    Raises:
        SearchError: No trial is complete, or the code of the figure of merit is not the one that ranked the trials.
        EventsError: The study names another source, observer or nuisance than when it was swept, and the events there
            are others, or a nuisance's variant does not fit them. Both before anything is trained.
    """
    settings = settings or search.study.evaluation
    end = _find_end(search, minutes)
    evaluation = _find_or_judge(search, settings, end, open_test=open_test, device=device, display=display, dask=dask)
    publish(search, evaluation, tracker)
    return replace(evaluation, search=search)


def _find_end(search: Search, minutes: float | None) -> CallEnd | None:
    """Return when judgement and report are to end; None where no time limits them."""
    if minutes is not None:
        return CallEnd.find(minutes)
    return search.call_end if search.call_end is not None and time.time() < search.call_end.ends else None


def _find_or_judge(
    search: Search,
    settings: EvaluationSettings,
    end: CallEnd | None,
    *,
    open_test: bool,
    device: str | None,
    display: Display | None,
    dask: str | Path | Client | None,
) -> Evaluation:
    """Return the evaluation in the run folder where it still holds, else a new one."""
    # Where nothing else is shown, one must still see that it waits.
    tell_waiting = logger.warning if display is None or type(display) is NoDisplay else display.tell
    check_figure_is_unchanged(search)
    if search.best_trial is None:
        raise SearchError(f'The search of study "{search.study.name}" must hold a complete trial, but holds none yet.')
    open_events = cache(search.open_events)  # each opening hashes the files
    find_stored = partial(_find_stored, search, settings, open_events, open_test=open_test, may_be_short=bool(end))
    if (stored := find_stored()) is not None:
        return stored
    shown = display or NoDisplay()
    with open_log(search.folder.log, "evaluate"), quiet_optuna(), shown:
        shown.plan(search.study.name, _list_stages(settings, open_test=open_test))
        if open_test:
            wait_for_workers(search, tell_waiting)
        with hold_alone(search.folder.path / ".evaluation.lock", lambda: tell_waiting(WAITING)):
            if open_test:  # again, as a worker may have begun while this waited for the lock
                wait_for_workers(search, tell_waiting)
            if (stored := find_stored()) is not None:
                return stored  # another process has found it since
            return _judge(
                search, settings, end, open_events(), open_test=open_test, dask=dask, device=device, display=shown
            )


def _list_stages(settings: EvaluationSettings, *, open_test: bool) -> list[str]:
    """Return the names of the stages that a judgement takes."""
    taken = {
        "bag": settings.bag is not None or settings.refit,
        "baselines": settings.baseline_trials > 0,
        "test": open_test,
        "folds": open_test and settings.folds,
    }
    return [name for name in STAGES if name != "report" and taken.get(name, True)]


def _judge(
    search: Search,
    settings: EvaluationSettings,
    end: CallEnd | None,
    kept: KeptEvents,
    *,
    open_test: bool,
    device: str | None,
    display: Display,
    dask: str | Path | Client | None,
) -> Evaluation:
    """Return the judgement of all trials, also of those that end meanwhile."""
    cluster = nullcontext() if dask is None else connect(dask)
    with cluster as client, open_pool(search, device, client) as pool:
        while True:
            frozen = search.freeze()
            time_table = TimeTable.draw_up(frozen, settings, end, n_processes=max(1, pool.n_processes))
            rests_on = find_grounds(frozen, time_table.settings) | find_grounds_in_events(
                search, time_table.settings, kept
            )
            judge = Judge(
                frozen,
                time_table.settings,
                time_table=time_table,
                rests_on=rests_on,
                stored=read_evaluation(search),
                kept=kept,
                pool=pool,
                device=device,
                display=display,
                is_current=partial(_is_current, search, rests_on[TRIALS]),
            )
            if (evaluation := judge.judge(open_test=open_test)) is not None:
                return evaluation
            display.tell("More trials ended meanwhile: they are judged, too")


def _is_current(search: Search, trials: str) -> bool:
    """Return whether the complete trials are still those of this fingerprint."""
    return search.fingerprint == trials


def _find_stored(
    search: Search,
    settings: EvaluationSettings,
    open_events: Callable[[], KeptEvents],
    *,
    open_test: bool,
    may_be_short: bool,
) -> Evaluation | None:
    """Return the evaluation in the run folder where it is just what would be found again; else None.

    may_be_short: whether one will do that was shortened: time limits this one, too.
    """
    stored = read_evaluation(search)
    if (
        stored is not None
        and (stored.settings == settings or (may_be_short and stored.wanted == settings))
        and (stored.opening is not None or not open_test)
        and are_kept(search, stored.handed_on)
        and still_holds(stored, search, open_events)
    ):
        hand_on_again(search, *stored.predictors)
        return stored
    return None


def read_evaluation(search: Search) -> Evaluation | None:
    """Return what the last evaluation of a search found; None where there was none.

    Raise `DamagedFileError` where its file is damaged, `SearchError` where another version wrote it.
    """
    path = search.folder.evaluation
    advice = (
        "Restore it from a copy; or delete it and run `tuner evaluate`, which opens the test part again and logs that."
    )
    if not path.exists():
        return None
    content = read_json(path, advice=advice)
    try:
        return replace(Evaluation.from_json(json.dumps(content)), search=search)
    except ValueError as error:
        raise SearchError(
            f'"{path}" must be an evaluation that this version of tuner wrote, but {describe_mismatch(error)}. Move it '
            "away; `tuner evaluate` then judges anew, opens the test part once more, and says so in its log."
        ) from error


def read_valid_evaluation(search: Search) -> Evaluation | None:
    """Return the kept evaluation; None where there is none, or where it is of other trials, events or rules.

    Raise what `read_evaluation` raises; `SearchError` where the code of the figure of merit has changed.
    """
    check_figure_is_unchanged(search)
    kept = read_evaluation(search)
    return kept if kept is not None and still_holds(kept, search) else None
