"""Steps 3 to 6 on the command line: `sweep`, `work`, `status`."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuner.cli.loading import open_study, open_study_search
from tuner.cli.options import (
    RUNS,
    ClosedTestOption,
    DaskOption,
    DeviceOption,
    EventsOption,
    FolderOption,
    JsonOption,
    QuietOption,
    StorageOption,
    StudyArgument,
    TrackerChoice,
    TrackerOption,
    WorkTrackerOption,
)
from tuner.cli.output import choose_display, print_json, print_text
from tuner.cli.tables import print_evaluation, summarize_sweep
from tuner.launchers.signals import find_exit_code

if TYPE_CHECKING:
    from tuner.tuning.search import Search
    from tuner.tuning.study import Study

_WATCH_SECONDS = 2.0
"""Between two looks at the storage."""

TrialsOption = Annotated[
    int | None,
    typer.Option(
        "--trials", metavar="N", min=1, help="Trials to finish in all. Default: the study's budget.", show_default=False
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(
        "--epochs", metavar="N", min=1, help="Epochs of a trial. Default: the study's budget.", show_default=False
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", help="Seed in place of the study's; use another --folder, too.", show_default=False
    ),
]
_WANDB = [TrackerChoice.WANDB]


def sweep(
    study: StudyArgument,
    *,
    trials: TrialsOption = None,
    epochs: EpochsOption = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            metavar="M",
            min=0.01,
            help="Wall time of this whole call, evaluation and report included; run it again to resume.",
            show_default=False,
        ),
    ] = None,
    search_minutes: Annotated[
        float | None,
        typer.Option(
            "--search-minutes",
            metavar="M",
            min=0.01,
            help="Wall time of the search alone; evaluation and report follow.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="Processes. Default: one to four per GPU, else one per core.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target",
            metavar="VALUE",
            help="Figure of merit on validation with which the search ends. Default: the study's budget.",
            show_default=False,
        ),
    ] = None,
    tracker: TrackerOption = _WANDB,
    closed_test: ClosedTestOption = False,
    dask: DaskOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """[dim]3-6[/]  Search for the best network, then evaluate it and write the report.

    Ctrl-C once: running trials are saved, the report is written, and the same command resumes later. Twice: exit at
    once. The same command never repeats a trial. The test part is opened once the budget of trials is spent.

    With --minutes, the search ends as early as the evaluation will need by the pace of the trials. Where that would
    leave the search less than half, the evaluation is shortened (fewer seeds and finalists, a smaller bag, less time
    for baselines) and says so. Where trials are left when the time is up, what was found is judged on validation alone.

    Exit codes: 0 when the budget of trials is spent or --minutes are over (`finished` in `tuner status --json` says
    which); 130 after Ctrl-C, so that `&&` stops; 75 after SIGTERM, SIGUSR1 or SIGHUP, by which a batch system takes the
    machine away: trials are given back within seconds, and a job script requeues on this code; 2 after an error. The
    run folder's tuner.log says what happened.
    """
    began = time.time()
    limited = limit_study(
        open_study(study, events),
        trials=trials,
        epochs=epochs,
        minutes=minutes,
        search_minutes=search_minutes,
        seed=seed,
        target=target,
    )
    from tuner.cli.conclusion import conclude_sweep
    from tuner.errors import SweepInterrupted
    from tuner.launchers.dask_workers import connect
    from tuner.trackers.choice import open_tracker
    from tuner.tuning.sweep import run_sweep

    display, ended_by = choose_display(quiet=quiet), None
    display.tell(f"Reading and preparing the events of {limited.name} ...")
    tracked = open_tracker(",".join(tracker))
    options = ["--events", events] if events else []
    with nullcontext() if dask is None else connect(dask) as cluster:
        try:
            search = run_sweep(
                limited,
                folder=folder,
                storage=storage,
                workers=workers,
                device=device,
                tracker=tracked,
                display=display,
                study_file=study,
                options=options,
                began=began,
                dask=cluster,
                apart=True,
            )
        except SweepInterrupted as interruption:
            search, ended_by = interruption.search, interruption.signal
            if ended_by != signal.SIGINT:  # no time for a report
                raise typer.Exit(find_exit_code(ended_by)) from None
        interrupted = ended_by is not None
        evaluation, page = conclude_sweep(
            search, display, open_test=not closed_test, device=device, interrupted=interrupted, dask=cluster
        )
    if as_json:
        print_json(summarize_sweep(search, evaluation, page, interrupted=interrupted))
    else:
        if evaluation is not None:
            print_evaluation(search, evaluation)
        print_text(f"Report: {page}")
    if ended_by is not None:
        raise typer.Exit(find_exit_code(ended_by))


def work(
    study: StudyArgument,
    *,
    until: Annotated[
        float | None, typer.Option("--until", metavar="SECONDS", help="Unix time to stop at.", show_default=False)
    ] = None,
    reserve: Annotated[
        bool, typer.Option("--reserve", help="Stop before --until, as early as the evaluation will need.")
    ] = False,
    device: DeviceOption = None,
    tracker: WorkTrackerOption = None,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """[dim]5-6[/]  Add a worker to a running sweep, on any machine that reaches the storage and the folder.

    Budget and seed are those that the sweep was started with. The worker exits when the budget is spent (code 0); on
    Ctrl-C, after the epoch (130); and within seconds on SIGTERM, SIGUSR1 or SIGHUP, by which a batch system takes the
    machine away (75, on which a job script requeues). Its trials are given back, and go on from their last checkpoint.

    Of several GPUs it takes the one that the fewest workers of this machine train on; start one for each.
    """
    search = open_study_search(study, folder=folder, storage=storage, events=events)
    from tuner.progress.logs import open_log, quiet_optuna
    from tuner.trackers.choice import open_tracker
    from tuner.tuning.worker import choose_seconds_to_close
    from tuner.tuning.worker import work as run_worker

    used = open_tracker(",".join(tracker) if tracker else _find_kind(search))
    ended_by = None
    with open_log(search.folder.log, "work"), quiet_optuna(), _take_gpu(device):
        try:
            ended_by = run_worker(search, tracker=used, device=device, until=until, reserves=reserve, owns_process=True)
        finally:
            used.close(choose_seconds_to_close(ended_by))
    if as_json:
        print_json(tell_work(search, ended_by))
    if ended_by is not None:
        raise typer.Exit(find_exit_code(ended_by))


def tell_work(search: Search, ended_by: signal.Signals | None) -> dict[str, Any]:
    """Return what a worker leaves behind; a batch system's signal leaves no time for a storage that is away."""
    from tuner.launchers.signals import PREEMPTION_SIGNALS
    from tuner.tuning.patient_storage import StorageAway
    from tuner.tuning.status import read_status

    told = {"study": search.study.name, "interrupted": ended_by is not None}
    try:
        status = read_status(search)
    except StorageAway:
        if ended_by not in PREEMPTION_SIGNALS:
            raise
        return told | {"finished": None, "budget_trials": search.study.budget.trials}
    return told | {"finished": status.finished, "budget_trials": status.budget_trials}


@contextmanager
def _take_gpu(device: str | None) -> Iterator[None]:
    """Let this process see one GPU only, of those that there are, while the context is open."""
    from tuner.launchers.allocation import count_gpus
    from tuner.launchers.gpus import VARIABLE, claim_gpu

    names_one = device is not None and device != "cuda"
    with claim_gpu(0 if names_one else count_gpus(device), os.environ) as gpu:
        if gpu is not None:
            os.environ[VARIABLE] = gpu
        yield


def _find_kind(search: Search) -> str:
    """Return the kind of tracker that the sweep used; "none", and say so, where no other process can open it."""
    from tuner.tuning.provenance import find_tracker_kind

    kind = find_tracker_kind(search.folder)
    if kind is not None and "memory" not in kind.split(","):
        return kind
    logging.getLogger("tuner").warning(
        "The sweep's tracker cannot be opened by another process: this worker's numbers go to none. "
        "Name one with --tracker."
    )
    return "none"


def status(
    study: StudyArgument,
    folder: FolderOption = RUNS,
    storage: StorageOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep updating until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """[dim]6  [/]  Show trials by state, the best so far, the rate, the time left, and workers that do not respond.

    Reads the storage only, so it works while a sweep runs and, with --storage, on machines that do not see the run
    folder. Where it sees that, it tells of the jobs that `tuner submit` submitted, too.
    """
    search = open_study_search(study, folder=folder, storage=storage)
    from rich.console import Console

    from tuner.progress.display import open_display
    from tuner.progress.panels import render_status
    from tuner.tuning.status import read_status
    from tuner.tuning.submitted_jobs import read_jobs

    if as_json:
        jobs = [asdict(job) for job in read_jobs(search.folder)]
        print_json({**read_status(search).to_json(), **({"jobs": jobs} if jobs else {})})
    elif not watch:
        Console().print(render_status(read_status(search)))
        for job in read_jobs(search.folder):
            print_text(job.describe())
    else:
        with suppress(KeyboardInterrupt), open_display(Console()) as display:
            while True:
                display.update(read_status(search))
                time.sleep(_WATCH_SECONDS)


def limit_study(
    study: Study,
    *,
    trials: int | None = None,
    epochs: int | None = None,
    minutes: float | None = None,
    search_minutes: float | None = None,
    seed: int | None = None,
    target: float | None = None,
) -> Study:
    """Return the study with what the command line gave instead of its own: how much, and from which seed."""
    from tuner.tuning.study import limit_time

    study = limit_time(study, minutes=minutes, search_minutes=search_minutes)
    budget = study.budget
    return replace(
        study,
        seed=study.seed if seed is None else seed,
        budget=replace(
            budget,
            trials=budget.trials if trials is None else trials,
            epochs=budget.epochs if epochs is None else epochs,
            target=budget.target if target is None else target,
        ),
    )
