"""Step 8 on the command line: `predict`, `export`, `sync`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tuner.cli.loading import open_study, open_study_search
from tuner.cli.options import (
    RUNS,
    CandidateOption,
    DeviceOption,
    FolderOption,
    JsonOption,
    OutputOption,
    StorageOption,
    StudyArgument,
    TrialOption,
)
from tuner.cli.output import print_json, print_text
from tuner.errors import SearchError
from tuner.run_folder import RunFolder, check_output


def predict(
    study: StudyArgument,
    events: Annotated[
        str,
        typer.Argument(
            metavar="EVENTS",
            help="Data file with the same features; label and weight may be absent.",
            show_default=False,
        ),
    ],
    *,
    candidate: CandidateOption = None,
    trial: TrialOption = None,
    output: OutputOption = None,
    device: DeviceOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]8  [/]  Score new events with what the evaluation handed on, one score each, in the file's order.

    Event ids, labels, weights and observers come along where the file has them; the column "candidate" says what
    scored.
    """
    own_network = _read_trial(trial)
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.events.part_sources import find_event_source
    from tuner.events.sources import find_input_files
    from tuner.prediction.predict import predict as predict_scores
    from tuner.prediction.scores import ENDINGS
    from tuner.progress.wording import write_count

    path = output or search.folder.path / "predictions.parquet"
    own = find_event_source(search.study.problem)
    reads = [*find_input_files(own), *find_input_files(own.at(Path(events)))]
    check_output(path, ENDINGS, reads=reads, folder=search.folder)
    scores = predict_scores(search, events, trial=own_network, candidate=candidate, device=device)
    scores.save(path)
    if as_json:
        n_selected = len(scores) if scores.selected is None else int(scores.selected.sum())
        told = {"files": [str(path)], "candidate": scores.candidate, "by": scores.by, "n_events": len(scores)}
        findings = [finding.to_json() for finding in scores.findings]
        print_json(told | {"n_selected": n_selected, "notes": list(scores.notes), "findings": findings})
        return
    for note in scores.notes:
        print_text(f"Note: {note}")
    print_text(f"Wrote {write_count(len(scores), 'score')} by the {scores.candidate} ({scores.by}) to {path}")
    if scores.selected is not None and (n_left_out := int((~scores.selected).sum())):
        verb = "does" if n_left_out == 1 else "do"
        print_text(f"{write_count(n_left_out, 'event')} of them {verb} not fulfil `selection`: there `score` is empty.")


def export(
    study: StudyArgument,
    *,
    candidate: CandidateOption = None,
    trial: TrialOption = None,
    output: OutputOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]8  [/]  Write what the evaluation handed on as one ONNX file: features go in as read, scores come out.

    From the first complete trial of a sweep on, --trial best writes the best network so far, while the sweep goes on.
    """
    own_network = _read_trial(trial)
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.prediction.export import export as export_network

    path = export_network(search, output or search.folder.path / "network.onnx", trial=own_network, candidate=candidate)
    if as_json:
        print_json({"files": [str(path)]})
    else:
        print_text(f"Wrote {path}")


def sync(study: StudyArgument, folder: FolderOption = RUNS, as_json: JsonOption = False) -> None:
    """[dim]3-6[/]  Upload the offline Weights & Biases runs of a study. Log in first: wandb login."""
    run_folder = RunFolder(folder / open_study(study).name)
    from tuner.progress.wording import write_count
    from tuner.trackers.wandb_sync import sync_runs

    number = sync_runs(run_folder.path)
    if as_json:
        print_json({"runs": number, "folder": str(run_folder.wandb)})
        return
    print_text(f"Uploaded {write_count(number, 'run')} of {run_folder.wandb}")


def _read_trial(word: str | None) -> int | Literal["best"] | None:
    """Return what `--trial` names; None where it is not given. Raise `SearchError` where it names nothing."""
    if word is None or word == "best":
        return word  # type: ignore[return-value]  # mypy takes the comparison for one of any text
    if word.isdecimal():
        return int(word)
    raise SearchError(f'--trial must be the number of a trial, or "best", but is "{word}".')
