"""Step 8 on the command line: `predict`, `export`, `sync`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tuner.cli.loading import open_study, open_study_search
from tuner.cli.options import (
    RUNS,
    CalibrateOption,
    CandidateOption,
    DeviceOption,
    FolderOption,
    InputLayout,
    JsonOption,
    OutputFormat,
    OutputOption,
    PriorOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    TrialOption,
)
from tuner.cli.output import print_json, print_text
from tuner.errors import FolderError, SearchError
from tuner.run_folder import RunFolder

if TYPE_CHECKING:
    from tuner.prediction.score_files import ScoredFiles
    from tuner.tuning.search import Search


def predict(
    study: StudyArgument,
    events: Annotated[
        list[str],
        typer.Argument(
            metavar="EVENTS...",
            help="Data files with the same features, in any format that is read; label and weight may be absent.",
            show_default=False,
        ),
    ],
    *,
    candidate: CandidateOption = None,
    trial: TrialOption = None,
    output: OutputOption = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(
            "--out-dir",
            metavar="FOLDER",
            help="Folder for several files: each gets one of its own name there.",
            show_default=False,
        ),
    ] = None,
    as_format: Annotated[
        OutputFormat, typer.Option("--format", help="Format of the files in --out-dir.")
    ] = OutputFormat.PARQUET,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="NAME", help="Another column that comes along; repeat it, or name several by a pattern."
        ),
    ] = None,
    calibrate: CalibrateOption = None,
    prior: PriorOption = None,
    out_of_fold: Annotated[
        bool,
        typer.Option(
            help="Score events that were trained on, known by their ids, by networks of the bag that did not see them."
        ),
    ] = True,
    device: DeviceOption = None,
    quiet: QuietOption = False,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]8  [/]  Score new events with what the evaluation handed on, one score each, in the file's order.

    The ending of --output names the format: .parquet, .root (a tree "scores", a friend of the events' tree), .h5, .csv.
    Columns: event id, score, decision at the frozen cut, label, weight, observers, candidate, and what --keep names.
    """
    own_network, share = _read_trial(trial), _read_prior(prior)
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.cli.scoring_progress import show_scoring
    from tuner.prediction.score_files import predict_files

    paths, outputs = _choose_outputs(search, events, output, out_dir, as_format)
    with show_scoring(quiet=quiet or as_json) as advance:
        scored = predict_files(
            search,
            paths,
            outputs,
            trial=own_network,
            candidate=candidate,
            keep=keep or (),
            calibration=None if calibrate is None else calibrate.value,
            prior=share,
            out_of_fold=out_of_fold,
            device=device,
            on_progress=advance,
        )
    if as_json:
        print_json(_list_scored(scored))
    else:
        _tell_scored(scored)


def _choose_outputs(
    search: Search, events: list[str], output: Path | None, out_dir: Path | None, as_format: OutputFormat
) -> tuple[list[str], list[Path]]:
    """Return the files to be scored, and where the scores of each go. Raise `FolderError`."""
    from tuner.prediction.score_files import list_inputs, name_outputs

    if output is not None and out_dir is not None:
        raise FolderError("Either --output or --out-dir may be given, but both are.")
    if out_dir is not None:
        paths = list_inputs(events)
        return paths, name_outputs(paths, out_dir, f".{as_format.value}")
    if len(events) > 1:
        raise FolderError(
            f"Scores of several files need a folder, but none is named for these {len(events)}. "
            "Name one with --out-dir."
        )
    return events, [output or search.folder.path / "predictions.parquet"]


def _list_scored(scored: ScoredFiles) -> dict[str, Any]:
    """Return what was written for a machine: the form of `tuner predict --json`."""
    return {
        "files": [str(file.output) for file in scored.files],
        "candidate": scored.candidate,
        "by": scored.by,
        "n_events": scored.n_events,
        "n_selected": scored.n_events - sum(file.n_left_out for file in scored.files),
        "n_signal": sum(file.n_signal for file in scored.files),
        "cut": scored.cut,
        "cut_rule": scored.cut_rule,
        "probability": scored.probabilities or None,
        "notes": list(scored.notes),
        "findings": [finding.to_json() for finding in scored.findings],
    }


def _tell_scored(scored: ScoredFiles) -> None:
    """Print notes, what events are unlike those of training, and what was written."""
    from tuner.events.checks.finding import list_findings
    from tuner.progress.wording import write_count

    for note in scored.notes:
        print_text(f"Note: {note}")
    for line in list_findings(scored.findings):
        print_text(line)
    for file in scored.files:
        print_text(
            f"Wrote {write_count(file.n_events, 'score')} by the {scored.candidate} ({scored.by}) to {file.output}: "
            f"{file.n_signal:,} at or above the cut of {scored.cut:.6g} ({scored.cut_rule})"
        )
        if file.n_left_out:
            left_out = write_count(file.n_left_out, "event")
            verb = "does" if file.n_left_out == 1 else "do"
            print_text(f"{left_out} of them {verb} not fulfil `selection`: there `score` is empty.")
    if scored.probabilities:
        print_text(f'Column "probability": {scored.probabilities}.')


def export(
    study: StudyArgument,
    *,
    candidate: CandidateOption = None,
    trial: TrialOption = None,
    output: OutputOption = None,
    inputs: Annotated[
        InputLayout, typer.Option("--inputs", help="ONNX: one matrix of all features, or an input for each, by name.")
    ] = InputLayout.MATRIX,
    calibrate: CalibrateOption = None,
    prior: PriorOption = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="NAME", help="Licence of the network, for its model card.")
    ] = "",
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]8  [/]  Write what the evaluation handed on as one file: features go in as read, scores come out.

    The ending of --output names the format: .onnx, .pt2 (PyTorch), .safetensors (read by tuner.load). A model card of
    the same name that ends in .json stands beside it. From the first complete trial of a sweep on, --trial best writes
    the best network so far, while the sweep goes on.
    """
    own_network, share = _read_trial(trial), _read_prior(prior)
    search = open_study_search(study, folder=folder, storage=storage)
    from tuner.prediction.export import export_file

    exported = export_file(
        search,
        output or search.folder.path / "network.onnx",
        trial=own_network,
        candidate=candidate,
        inputs=inputs.value,
        calibration=None if calibrate is None else calibrate.value,
        prior=share,
        licence=licence,
    )
    if as_json:
        told = {"files": [str(exported.path), str(exported.card)], "candidate": exported.candidate}
        cost = {"n_bytes": exported.n_bytes, "seconds_one": exported.seconds_one, "seconds_many": exported.seconds_many}
        print_json(told | cost | {"agreement": str(exported.agreement)})
        return
    for line in exported.lines:
        print_text(line)
    print_text(f"Wrote {exported.path}, and its model card {exported.card}")


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


def _read_prior(word: str | None) -> float | Literal["events"] | None:
    """Return the share of signal that `--prior` names. Raise `SearchError` where it names none."""
    if word is None or word == "events":
        return word  # type: ignore[return-value]  # mypy takes the comparison for one of any text
    try:
        return float(word)
    except ValueError as error:
        raise SearchError(f'--prior must be a share of signal, such as 0.01, or "events", but is "{word}".') from error


def _read_trial(word: str | None) -> int | Literal["best"] | None:
    """Return what `--trial` names; None where it is not given. Raise `SearchError` where it names nothing."""
    if word is None or word == "best":
        return word  # type: ignore[return-value]  # mypy takes the comparison for one of any text
    if word.isdecimal():
        return int(word)
    raise SearchError(f'--trial must be the number of a trial, or "best", but is "{word}".')
