"""What follows a sweep: the winner is evaluated, and the report is written in any case."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tuner.launchers.signals import INTERRUPTED_CODE, REQUEUE_CODE, Preempted, leave_at_once, take_signals

if TYPE_CHECKING:
    from distributed import Client

    from tuner.evaluation.results import Evaluation
    from tuner.progress.display import Display
    from tuner.tuning.search import Search


def conclude_sweep(
    search: Search,
    display: Display,
    *,
    open_test: bool,
    device: str | None,
    interrupted: bool = False,
    dask: Client | None = None,
) -> tuple[Evaluation | None, Path]:
    """Judge the finalists, write the report, say what comes next. Return the judgement, if there is one, and the page.

    Where the budget of trials is not spent, or Ctrl-C ended the sweep, the test part stays closed; and nothing is
    judged, unless the time of the call was over, for which what there is is judged on validation. Where other workers
    train the last of its trials, this waits for them, if no time limits it.
    """
    from tuner.evaluation.evaluate import evaluate
    from tuner.evaluation.waiting import wait_for_workers
    from tuner.progress.logs import open_log
    from tuner.progress.stages import Stage
    from tuner.progress.wording import write_count
    from tuner.reporting.report import report
    from tuner.tuning.commands import name_step
    from tuner.tuning.status import count_left, count_running
    from tuner.tuning.warm_starts import describe_gain, measure_gain

    end, is_limited = search.call_end, search.study.budget.search_minutes is not None or search.call_end is not None
    if not interrupted and end is None and 0 < count_left(search) <= count_running(search):
        wait_for_workers(search, display.tell)
    spent = not count_left(search)
    evaluation = None
    with explain_interruption(search), open_log(search.folder.log, "sweep"), display:
        minutes = None
        if (spent or is_limited) and not interrupted and search.best_trial is not None:
            if end is not None and end.ends <= time.time():  # else `evaluate` would take all the time it likes
                minutes = 0.0
            evaluation = evaluate(
                search, open_test=open_test and spent, device=device, display=display, minutes=minutes, dask=dask
            )
        display.plan(search.study.name, ["report"])
        display.advance(Stage(name="report", text="Writing the report"))
        page = report(search, evaluation)
    if (gain := measure_gain(search)) is not None:
        display.tell(describe_gain(gain))
    if search.best_trial is None:
        display.tell("No trial is complete yet.")
    if interrupted:
        display.tell("Interrupted: rerun the same command to resume.")
    elif evaluation is not None and not spent:
        display.tell(
            f"The time is up with {write_count(count_left(search), 'trial')} left: what was found is judged on "
            "validation, and the test part stays closed. Rerun the same command to resume, or open the test part with "
            f"{name_step(search, 'evaluate')}"
        )
    elif not spent:
        display.tell(
            "The budget is not spent: rerun the same command to resume, or judge what there is with "
            f"{name_step(search, 'evaluate')}"
        )
    return evaluation, page


@contextmanager
def explain_interruption(search: Search) -> Iterator[None]:
    """Where a signal ends an evaluation, say what of it is kept, and exit with 130 (Ctrl-C) or 75 (others)."""
    from tuner.evaluation.test_set_log import count_openings

    n_before = count_openings(search)
    try:
        with take_signals(leave_at_once):
            yield
    except KeyboardInterrupt as interruption:
        print(_describe_interruption(search, is_opened=count_openings(search) > n_before), file=sys.stderr)
        raise typer.Exit(REQUEUE_CODE if isinstance(interruption, Preempted) else INTERRUPTED_CODE) from None


def _describe_interruption(search: Search, *, is_opened: bool) -> str:
    """Return what is kept of an evaluation that was interrupted, and what the same command does."""
    from tuner.progress.wording import write_count

    n_kept = sum(1 for _ in search.folder.finalists.glob("*.pt"))
    kept = f"{write_count(n_kept, 'training')} {'is' if n_kept == 1 else 'are'} kept in {search.folder.finalists}"
    opened = (
        "The test part was opened already: that is logged, and it is opened once more then."
        if is_opened
        else "The test part was not opened."
    )
    return f"Interrupted: {kept}. Rerun the same command to resume. {opened}"
