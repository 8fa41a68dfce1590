"""What follows a sweep: the winner is evaluated once the budget is spent, and the report is written in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner.cli.tables import print_evaluation

if TYPE_CHECKING:
    from tuner.progress.display import Display
    from tuner.tune.search import Search


def conclude_sweep(search: Search, display: Display, *, open_test: bool) -> None:
    """Evaluate the winner where the budget of trials is spent, write the report, and say what comes next.

    An interrupted sweep leaves the test part closed: it is to be opened once, for the final winner. So does a sweep
    that was told to (`open_test=False`), and one whose winner was evaluated before.
    """
    from tuner.evaluate.evaluation import Evaluation
    from tuner.evaluate.step import evaluate
    from tuner.report.step import report
    from tuner.run_folder import read_json
    from tuner.tune.sweep import is_spent

    if search.winner is None:
        display.tell("No trial is complete yet: the same command goes on.")
        return
    known = read_json(search.folder.evaluation)
    evaluation = Evaluation.from_json(known) if known.get("winner") == search.winner.number else None
    if evaluation is None and open_test and is_spent(search):
        display.tell("Evaluating the winner: the test part is opened.")
        evaluation = evaluate(search)
    page = report(search, evaluation)
    if evaluation is not None:
        print_evaluation(evaluation)
    if not is_spent(search):
        display.tell("The budget is not spent: the same command goes on where this one stopped.")
    display.tell(f"Report: {page}")
