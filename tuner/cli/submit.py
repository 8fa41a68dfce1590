"""Steps 3 to 7 on the command line, as jobs of a batch system: `submit`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from tuner.cli.loading import open_study
from tuner.cli.options import (
    RUNS,
    ClosedTestOption,
    EventsOption,
    FolderOption,
    JsonOption,
    StorageOption,
    StudyArgument,
    TrackerChoice,
    TrackerOption,
)
from tuner.cli.output import choose_display, print_json, print_text
from tuner.cli.sweep import EpochsOption, SeedOption, TrialsOption, limit_study
from tuner.errors import SearchError

_REQUEST = "What each job asks for"
_WANDB = [TrackerChoice.WANDB]
_NO_LINES: list[str] = []


def submit(
    study: StudyArgument,
    *,
    slurm: Annotated[bool, typer.Option("--slurm", help="Submit to Slurm.")] = False,
    htcondor: Annotated[bool, typer.Option("--htcondor", help="Submit to HTCondor.")] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, max=10_000, help="Jobs that train at once.")
    ] = 4,
    cpus: Annotated[int, typer.Option("--cpus", metavar="N", help="Cores.", rich_help_panel=_REQUEST)] = 1,
    gpus: Annotated[
        int, typer.Option("--gpus", metavar="N", help="GPUs, each with a worker.", rich_help_panel=_REQUEST)
    ] = 0,
    memory: Annotated[
        str, typer.Option("--memory", metavar="SIZE", help="Memory: 4G, 500M.", rich_help_panel=_REQUEST)
    ] = "4G",
    time: Annotated[
        str,
        typer.Option(
            "--time",
            metavar="TIME",
            help="Its time: 90m, 12h, 2d, 1-12:00:00. Unfinished, it is requeued.",
            rich_help_panel=_REQUEST,
        ),
    ] = "4h",
    partition: Annotated[
        str | None,
        typer.Option("--partition", metavar="NAME", help="Slurm's partition.", rich_help_panel=_REQUEST),
    ] = None,
    extra: Annotated[
        list[str],
        typer.Option(
            "--extra",
            metavar="LINE",
            help="A further line of the request, such as --extra=--account=atlas. Repeat it for several.",
            rich_help_panel=_REQUEST,
        ),
    ] = _NO_LINES,
    trials: TrialsOption = None,
    epochs: EpochsOption = None,
    seed: SeedOption = None,
    tracker: TrackerOption = _WANDB,
    online: Annotated[
        bool, typer.Option("--online", help="Send to Weights & Biases from the nodes. Default: `tuner sync` later.")
    ] = False,
    closed_test: ClosedTestOption = False,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be submitted; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """[dim]3-7[/]  Submit a sweep to Slurm or HTCondor: jobs that train, then one that evaluates and reports.

    The events are read and prepared here, so that mistakes show before anything is submitted. The run folder must be
    seen by all machines. Two minutes before a job's time is over, and where it is preempted, its workers give their
    trials back within seconds, and the job is requeued until the budget of trials is spent. Scripts are kept in the run
    folder's jobs/; `tuner status` tells of the jobs.
    """
    limited = limit_study(open_study(study, events), trials=trials, epochs=epochs, seed=seed)
    if slurm == htcondor:
        raise SearchError("One batch system must be named: --slurm or --htcondor.")
    from tuner.launchers.batch_jobs import Resources, parse_memory, parse_time
    from tuner.tuning.submission import plan_submission, submit_sweep

    budget = {"--trials": trials, "--epochs": epochs, "--seed": seed, "--events": events}
    given = [word for name, value in budget.items() if value is not None for word in (name, str(value))]
    submission = plan_submission(
        limited,
        study,
        "slurm" if slurm else "htcondor",
        Resources(
            cpus=cpus,
            gpus=gpus,
            memory_mb=parse_memory(memory),
            minutes=parse_time(time),
            partition=partition,
            extra=tuple(extra),
        ),
        workers=workers,
        folder=folder,
        storage=storage,
        work_options=given[-2:] if events else [],
        sweep_options=[
            "--quiet",
            *given,
            *(word for name in tracker for word in ("--tracker", name.value)),
            *(["--closed-test"] if closed_test else []),
        ],
        online=online,
    )
    display = choose_display(quiet=dry_run)
    for remark in submission.remarks:
        typer.echo(f"Note: {remark}", err=True)
    told = {"folder": str(submission.folder.jobs), "files": dict(submission.files)}
    if dry_run and as_json:
        print_json({"jobs": [], **told})
        return
    if dry_run:
        for name, content in submission.files:
            print_text(f"# {submission.folder.jobs / name}\n{content}")
        return
    from tuner.trackers.choice import open_tracker

    jobs = submit_sweep(
        limited, study, submission, storage=storage, tracker=open_tracker(",".join(tracker)), display=display
    )
    if as_json:
        print_json({"jobs": [asdict(job) for job in jobs], **told})
        return
    for job in jobs:
        print_text(f"Submitted {job.describe()}")
    print_text(f"Scripts: {submission.folder.jobs}")
