"""What follows a sweep: the winner is evaluated, and the report is written in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.progress.display import Display
    from tuner.tune.search import Search


def conclude_sweep(
    search: Search, display: Display, *, open_test: bool, device: str | None, show_figures: bool
) -> None:
    """Judge the finalists, print how they stand if wanted, write the report, and say what comes next.

    Where the budget of trials is not spent nothing is judged and the test part stays closed: an interrupted sweep has
    no finalists yet. Where other workers train the last of its trials, this waits for them.
    """
    from tuner.cli.tables import print_evaluation
    from tuner.evaluate.step import evaluate
    from tuner.evaluate.waiting import wait_for_workers
    from tuner.report.step import report
    from tuner.tune.commands import name_step
    from tuner.tune.status import count_left, count_running

    n_left = count_left(search)
    if 0 < n_left <= count_running(search):
        wait_for_workers(search, display.tell)
    spent = not count_left(search)
    evaluation = None
    if search.winner is None:
        display.tell("No trial is complete yet.")
    elif spent:
        evaluation = evaluate(search, open_test=open_test, device=device, tell=display.tell)
        if show_figures:
            print_evaluation(search, evaluation)
    display.tell("Writing the report")
    page = report(search, evaluation)
    if not spent:
        display.tell(
            "The budget is not spent: the same command goes on where this one stopped. What there is, is judged by: "
            f"{name_step(search, 'evaluate')}"
        )
    display.tell(f"Report: {page}")
