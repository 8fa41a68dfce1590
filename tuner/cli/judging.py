"""Step 7 on the command line: `evaluate`, `report`."""

from __future__ import annotations

from tuner.cli.opening import open_study_search
from tuner.cli.options import (
    RUNS,
    ClosedTestOption,
    DeviceOption,
    EventsOption,
    FolderOption,
    JsonOption,
    StorageOption,
    StudyArgument,
)
from tuner.cli.printing import print_text


def evaluate(
    study: StudyArgument,
    *,
    closed_test: ClosedTestOption = False,
    device: DeviceOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]7  [/]  Measure the winner on validation and test, with uncertainties.

    The test part is opened once for a winner, and every opening is logged in the run folder. Asked again, the same
    figures are shown.
    """
    search = open_study_search(study, folder=folder, storage=storage, events=events)
    from tuner.cli.tables import print_evaluation
    from tuner.evaluate.step import evaluate as evaluate_search
    from tuner.evaluate.step import read_evaluation

    stored = read_evaluation(search)
    evaluation = evaluate_search(search, open_test=not closed_test, device=device)
    if as_json:
        print_text(evaluation.to_json().rstrip())
        return
    print_evaluation(evaluation)
    is_old = stored is not None and stored.to_json() == evaluation.to_json()
    print_text(f"{'Already evaluated:' if is_old else 'Wrote'} {search.folder.evaluation}")


def report(
    study: StudyArgument, folder: FolderOption = RUNS, storage: StorageOption = None, events: EventsOption = None
) -> None:
    """[dim]7  [/]  Write report.html: the frame, the data, the search, the winner, its figures, how to reproduce it.

    Does not open the test part: what `tuner evaluate` measured is shown, and where it did not, the page says so.
    """
    search = open_study_search(study, folder=folder, storage=storage, events=events)
    from tuner.report.step import report as write_report

    print_text(f"Wrote {write_report(search)}")
