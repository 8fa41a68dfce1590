"""Step 7 on the command line: `evaluate`, `report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tuner.cli.loading import open_study_search
from tuner.cli.options import (
    RUNS,
    BagOption,
    ClosedTestOption,
    DaskOption,
    DeviceOption,
    EventsOption,
    FinalistsOption,
    FolderOption,
    FoldsOption,
    JsonOption,
    QuietOption,
    RecordOption,
    SeedsOption,
    StorageOption,
    StudyArgument,
    StyleOption,
    TrackerChoice,
)
from tuner.cli.output import choose_display, print_json, print_text

if TYPE_CHECKING:
    from tuner.trackers.base import Tracker


def evaluate(
    study: StudyArgument,
    *,
    finalists: FinalistsOption = None,
    seeds: SeedsOption = None,
    bag: BagOption = None,
    folds: FoldsOption = None,
    closed_test: ClosedTestOption = False,
    device: DeviceOption = None,
    dask: DaskOption = None,
    tracker: RecordOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """[dim]7  [/]  Retrain the best settings and compare them with boosted trees, on validation and test.

    The test part is opened once per evaluation, and every opening is logged in the run folder. Run again, it shows the
    same figures. What no option sets, the study's `evaluation` does.

    Ctrl-C: the trainings that are done are kept, and the same command resumes later (exit code 130;
    75 after SIGTERM, SIGUSR1 or SIGHUP, on which a job script requeues).
    """
    search = open_study_search(study, folder=folder, storage=storage, events=events)
    from tuner.cli.conclusion import explain_interruption
    from tuner.cli.tables import print_evaluation
    from tuner.evaluation.evaluate import evaluate as evaluate_search
    from tuner.evaluation.evaluate import read_evaluation

    options = {"finalists": finalists, "seeds": seeds, "bag": bag, "folds": folds}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    settings = replace(search.study.evaluation, **given)
    stored = read_evaluation(search)
    display = choose_display(quiet=quiet)
    with explain_interruption(search):
        evaluation = evaluate_search(
            search,
            settings=settings,
            open_test=not closed_test,
            device=device,
            tracker=_open_tracker(tracker),
            display=display,
            dask=dask,
        )
    if as_json:
        print_text(evaluation.to_json().rstrip())
        return
    print_evaluation(search, evaluation)
    is_old = stored is not None and stored.to_json() == evaluation.to_json()
    print_text(f"{'Already evaluated:' if is_old else 'Wrote'} {search.folder.evaluation}")


def report(
    study: StudyArgument,
    *,
    style: StyleOption = "house",
    tracker: RecordOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]7  [/]  Write report.html: the frame, the data, the search, the winner, its figures, how to reproduce it.

    Never opens the test part: shows what `tuner evaluate` measured, and says so where it has not measured yet.
    """
    search = open_study_search(study, folder=folder, storage=storage, events=events)
    from tuner.reporting.report import report as write_report

    page = write_report(search, style=style, tracker=_open_tracker(tracker))
    if as_json:
        print_json({"files": [str(page)]})
    else:
        print_text(f"Wrote {page}")


def _open_tracker(choices: Sequence[TrackerChoice] | None) -> Tracker | None:
    from tuner.trackers.choice import open_tracker

    return open_tracker(",".join(choices)) if choices else None
