"""Steps 3 to 6: prepare the events, search, train. Resumable by the same call."""

from __future__ import annotations

import logging
import secrets
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from filelock import FileLock

from tuner.errors import SearchError, SweepInterrupted, TunerError, gather, raise_gathered
from tuner.events.checks.finding import Finding
from tuner.launchers.allocation import choose_workers, count_gpus
from tuner.launchers.dask_workers import MOST_WORKERS, DaskWorkers, check_machines, connect
from tuner.launchers.local import Workers, launch, tuner_command
from tuner.launchers.signals import PREEMPTION_SIGNALS
from tuner.preparation.splits import Splits
from tuner.progress.display import Display, NoDisplay
from tuner.progress.logs import NOTES, open_log, quiet_optuna
from tuner.progress.wording import write_count
from tuner.run_folder import RunFolder
from tuner.trackers.base import Tracker
from tuner.trackers.choice import name_kind, name_shared_kind
from tuner.tuning.call_end import CallEnd
from tuner.tuning.compatibility import Probe, check_batches, check_resumption, identify, probe_space
from tuner.tuning.earlier_searches import find_earlier_settings, open_earlier
from tuner.tuning.figure_checks import check_figure
from tuner.tuning.findings import keep_findings, require_sound, tell_findings
from tuner.tuning.heartbeats import forget_workers
from tuner.tuning.ownership import take_folder
from tuner.tuning.patient_storage import StorageAway
from tuner.tuning.prepared_run import PreparedRun, keep_run, prepare_run
from tuner.tuning.provenance import describe_parts, record_call
from tuner.tuning.search import Search
from tuner.tuning.search_clock import SearchClock
from tuner.tuning.shared_storage import share_storage
from tuner.tuning.status import count_left
from tuner.tuning.storage import STORAGE_VARIABLE, open_storage
from tuner.tuning.study import Study, limit_time
from tuner.tuning.study_file import find_study_file, refuse_while_reading
from tuner.tuning.study_note import write_study_note
from tuner.tuning.trial_attributes import (
    enqueue_warm_start,
    read_identity,
    read_search_id,
    refuse_older,
    write_budget,
    write_identity,
    write_search_id,
)
from tuner.tuning.watching import StatusWatch
from tuner.tuning.worker_processes import STATUS_SECONDS, work_in_processes

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("tuner")

Fill = Callable[[optuna.Study, Mapping[str, Any]], None]
"""Puts trials into an Optuna study that was created just now; what all calls of its search share comes along."""


def sweep(
    study: Study,
    *,
    folder: str | Path = "runs",
    storage: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    tracker: Tracker | None = None,
    display: Display | None = None,
    minutes: float | None = None,
    search_minutes: float | None = None,
    dask: str | Path | Client | None = None,
) -> Search:
    """Spend a study's budget of trials and return the search; called again, go on where it stopped.

    Ctrl-C once, SIGTERM, SIGUSR1 or SIGHUP: running trials are given back, and `SweepInterrupted`, a
    `KeyboardInterrupt`, is raised, so that a program does not go on to open the test part; the same call resumes later.
    Ctrl-C twice: leave at once. What happens is kept in the run folder's `tuner.log`.

    Args:
        study: What to search, and how much.
        folder: Where run folders live; this study's is `folder/<its name>`.
        storage: URL of a database in place of the run folder's journal file.
        workers: Processes that share the study. None: one per core on a CPU, one to four per GPU. They need a study
            that is read from a file of its own (`load_study`, or an import); with any other this process trains alone.
        device: "cpu", "cuda" or "cuda:1". None: a GPU where there is one.
        tracker: Where the numbers of trials go. None: Weights & Biases. Each worker opens one of the same kind. This
            process trains alone with one that they cannot open: a `Memory`, one of your own, or one with arguments
            (`WeightsAndBiases(project=...)`). Name `workers` to share the study while a tracker is given.
        display: Shows the progress, such as `tuner.progress.open_display()`. None: only failed trials and whatever
            else goes wrong are logged, as warnings.
        minutes: Wall time of the whole, in place of the study's: this call and the judgement after it. The search ends
            as early as `tuner.evaluate` will need by the pace of the trials, but gets at least half; `tuner.evaluate`,
            called next, is then shortened where less is left than it needs.
        search_minutes: Wall time of the search alone, in place of the study's `minutes`.
        dask: Dask cluster whose machines train, each thread of it a worker: the address of its scheduler, a client, or
            a file ending in ".toml" that names one to be started (`tuner.launchers.cluster_file`). Machines may join
            and leave; all must see `folder`. `workers` is how many train at the most. A file's cluster ends with this
            call: `tuner.evaluate` starts one of its own. None: this machine trains.

    Returns:
        The study with its trials and its run folder.

    Raises:
        TunerError: Of the kind that fits, before anything is trained, with everything that does not hold.
        SweepInterrupted: After Ctrl-C or another of these signals; its `search` holds what was found until then.
    """
    study = limit_time(study, minutes=minutes, search_minutes=search_minutes)
    return run_sweep(
        study,
        folder=folder,
        storage=storage,
        workers=workers,
        device=device,
        tracker=tracker,
        display=display,
        dask=dask,
    )


def run_sweep(
    study: Study,
    *,
    folder: str | Path = "runs",
    storage: str | None = None,
    workers: int | None = None,
    device: str | None = None,
    tracker: Tracker | None = None,
    display: Display | None = None,
    study_file: Path | None = None,
    options: Sequence[str] = (),
    began: float | None = None,
    apart: bool = False,
    dask: str | Path | Client | None = None,
) -> Search:
    """Sweep as `sweep` does, with workers that are started in a way of one's own.

    study_file: the file that workers read the study from; None: looked for among the imported modules.
    options: passed on to each worker's `tuner work`.
    began: when the call began that has a limit of time, in Unix time; None: now.
    apart: whether even one worker trains in a process of its own, which this one outlives: the user's code may crash or
        hang.
    """
    began = time.time() if began is None else began
    refuse_while_reading()
    tracker_options = _name_tracker(tracker)
    if tracker_options is None:
        workers = _refuse_workers(tracker, workers, dask)
    if dask is not None:
        folder, storage = Path(folder).absolute(), share_storage(storage)
    run_folder = RunFolder(Path(folder) / study.name)
    with quiet_optuna(), nullcontext() if dask is None else connect(dask) as client:
        search, splits = start_search(
            study,
            run_folder,
            storage,
            study_file=study_file,
            tracker=tracker,
            device=device if client is None else None,
            display=display,
        )
        with open_log(run_folder.log, "sweep"):
            if study_file is None and (tracker is None or client is not None or apart or (workers or 1) > 1):
                study_file = search.study_file
            n_left = count_left(search)
            if client is None:
                n_workers = choose_workers(n_left, workers, device, study_file)
            else:
                study_file, n_workers = _find_shared_file(study_file), min(n_left, workers or MOST_WORKERS)
                check_machines(client, [study_file, run_folder.path.absolute()], version("signal-tuner"))
            record_call(
                run_folder,
                study,
                events_digest=splits.events_digest,
                parts=describe_parts(splits),
                device=device or "automatic",
                workers=n_workers,
                tracker="wandb" if tracker is None else name_kind(tracker),
                study_file=search.study_file,
            )
            if study.budget.minutes is not None:
                search = replace(search, call_end=CallEnd.find(study.budget.minutes, began=began))
            NOTES.info("Sweep of %s: %s, %s", study.name, _say_left(search, n_left), write_count(n_workers, "worker"))
            if n_left:
                command: list[str] = []
                if n_workers > 1 or client is not None or (apart and tracker_options is not None):
                    assert study_file is not None
                    command = tuner_command("work", study_file, *_name_options(folder, device))
                    command += [*(tracker_options or ()), *options]
                with display or NoDisplay() as shown:
                    ended_by = _spend_budget(
                        search,
                        command,
                        n_workers,
                        shown,
                        tracker=tracker,
                        device=device,
                        client=client,
                    )
                with suppress(StorageAway) if ended_by in PREEMPTION_SIGNALS else nullcontext():
                    _note_end(search, ended_by)
                if ended_by is not None:
                    raise SweepInterrupted(search, ended_by)
    return search


def _note_end(search: Search, ended_by: signal.Signals | None) -> None:
    """Note where a search stands at the end of a call."""
    write_study_note(search)
    if early := search.describe_early_end():
        logger.warning("The search ends early: %s", early)
    NOTES.info("%s: %s", "Interrupted" if ended_by else "Sweep ended", _say_left(search))


def start_search(
    study: Study,
    run_folder: RunFolder,
    storage: str | None = None,
    *,
    study_file: Path | None = None,
    tracker: Tracker | None = None,
    device: str | None = None,
    display: Display | None = None,
    fill: Fill | None = None,
) -> tuple[Search, Splits]:
    """Check everything, prepare the events, and create the search or check that it may go on; train nothing.

    Args:
        study: The study, with the budget and the seed of this call.
        run_folder: Where its files go.
        storage: URL of a database in place of the run folder's journal file.
        study_file: The file that workers read the study from; None: looked for among the imported modules.
        tracker: Where the numbers of trials go.
        device: As asked for; it must be there.
        display: Shows what was found of the events.
        fill: Gives a search that is created its first trials; None: the warm starts wait in its queue.

    Returns:
        The search, and its prepared parts.

    Raises:
        TunerError: Of the kind that fits, with everything that does not hold.
    """
    probe, prepared, findings = _check_and_prepare(study, run_folder, device)
    run_folder.create()
    with open_log(run_folder.log, "sweep"):
        optuna_study = _open_or_create(study, run_folder, storage, probe, prepared.splits, fill=fill)
        search = Search(study, run_folder, storage, study_file or find_study_file(study), tracker, optuna_study)
        tell_findings(findings, display)
        keep_findings(findings, run_folder)
        splits = keep_run(prepared, run_folder)
        write_study_note(search)
    return search, splits


def _check_and_prepare(
    study: Study, folder: RunFolder, device: str | None
) -> tuple[Probe, PreparedRun, tuple[Finding, ...]]:
    """Return what the space samples, the prepared parts and what was found of the events.

    Raise everything that does not hold at once.
    """
    problems: list[TunerError] = []
    if device is not None:
        from tuner.training.device import find_device

        gather(problems, lambda: find_device(device))
    gather(problems, folder.check)
    probe = gather(problems, lambda: probe_space(study))
    if not folder.owner.exists():  # one that has begun needs them no more
        gather(problems, lambda: [open_earlier(earlier) for earlier in study.earlier_searches])
    prepared = gather(problems, lambda: prepare_run(study.problem, study.preparation, folder))
    if probe and prepared:
        gather(problems, lambda: check_batches(prepared.splits, probe))
    findings = None
    if prepared:
        gather(problems, lambda: check_figure(study.problem.figure_of_merit, prepared.splits))
        events = prepared.events.events
        findings = gather(problems, lambda: require_sound(events, prepared.splits, study.problem))
    raise_gathered(f'Study "{study.name}"', problems)
    assert probe is not None
    assert prepared is not None
    assert findings is not None
    return probe, prepared, findings


def _queue_warm_starts(study: Study, optuna_study: optuna.Study, _: Mapping[str, Any]) -> None:
    """Put the warm starts of the search space, and the settings of earlier searches, into the queue."""
    earlier = find_earlier_settings(study)
    for params in (*study.space.warm_starts, *(params for params in earlier if params not in study.space.warm_starts)):
        enqueue_warm_start(optuna_study, params)


def _open_or_create(
    study: Study, folder: RunFolder, storage_url: str | None, probe: Probe, splits: Splits, *, fill: Fill | None = None
) -> optuna.Study:
    """Create the Optuna study with its warm starts, or check that this study may go on with it; take the folder."""
    storage = open_storage(folder.journal, storage_url)
    identity = identify(
        study,
        splits.events_digest,
        probe,
        parts=splits.fingerprint,
        n_events=sum(len(part.labels) for part in (splits.train, splits.validation, splits.test)),
        features=splits.preprocessing.features,
    )
    with FileLock(folder.lock):
        optuna_study = optuna.create_study(
            study_name=study.name, storage=storage, direction="maximize", load_if_exists=True
        )
        refuse_older(optuna_study)
        check_resumption(optuna_study, identity, probe)
        forget_workers(optuna_study)
        is_new = read_identity(optuna_study) is None
        search_id = read_search_id(optuna_study)
        if search_id is None:
            search_id = secrets.token_hex(8)
            write_search_id(optuna_study, search_id)
        take_folder(folder, search_id, is_new=is_new)
        if is_new:  # last of all, so that who is killed in between begins anew
            (fill or partial(_queue_warm_starts, study))(optuna_study, identity)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                optuna_study.set_metric_names(["validation AUC"])
            write_identity(optuna_study, identity)
        budget = study.budget
        write_budget(
            optuna_study,
            trials=budget.trials,
            epochs=budget.epochs,
            seed=study.seed,
            target=budget.target,
            stop_when_improbable=budget.stop_when_improbable,
        )
    return optuna_study


def _name_tracker(tracker: Tracker | None) -> list[str] | None:
    """Return the options with which a worker opens a tracker like this one; None where it cannot."""
    if tracker is None:
        return []
    kind = name_shared_kind(tracker)
    if kind is None:
        return None
    return [word for name in kind.split(",") for word in ("--tracker", name)]


def _refuse_workers(tracker: Tracker | None, workers: int | None, dask: object) -> int:
    """Return how many workers use a tracker that no other process can open: 1. Raise `SearchError` for others."""
    if dask is not None or (workers is not None and workers > 1):
        asked, alone = f"`workers={workers}`", "`workers=1`"
        if dask is not None:
            asked, alone = "`dask`", "call without `dask`"
        raise SearchError(
            f"{asked} needs a tracker that each worker can open for itself by its name alone, but this "
            f"`{type(tracker).__name__}` is your own, keeps its numbers in this process, or has settings of its own. "
            "Use one of `tuner.trackers` without arguments (environment variables such as `WANDB_PROJECT` and "
            f"`WANDB_MODE` hold for all workers), or {alone}."
        )
    return 1 if workers is None else workers


def _find_shared_file(study_file: Path | None) -> Path:
    """Return the absolute path of a study's file. Raise `SearchError` where no file holds it."""
    if study_file is None:
        raise SearchError(
            "Workers on a Dask cluster read the study from a file that they see, but no file holds this one: write it "
            "as `study` into a module of its own."
        )
    return study_file.absolute()


def _name_options(folder: str | Path, device: str | None) -> list[str]:
    """Return the options with which a worker finds a search; its budget and seed it reads in the run folder."""
    options = ["--folder", str(folder)]
    if device is not None:
        options += ["--device", device]
    return options


def _spend_budget(
    search: Search,
    command: Sequence[str],
    n_workers: int,
    display: Display,
    *,
    tracker: Tracker | None,
    device: str | None,
    client: Client | None,
) -> signal.Signals | None:
    """Train, in processes of a command or, without one, here, until budget or time is spent.

    Return the signal that ended it.
    """
    until, reserves = None, search.call_end is not None
    if search.call_end is not None:
        until = search.call_end.trained
    elif (minutes := search.study.budget.search_minutes) is not None:
        until = time.time() + 60 * minutes
    if not command:
        clock = SearchClock(search, until, reserves=reserves)
        return _work_here(search, tracker, device, clock, display)
    timed = [*command, *([] if until is None else ["--until", f"{until:.1f}"]), *(["--reserve"] if reserves else [])]
    n_gpus = 0 if client is not None else count_gpus(device)
    common: dict[str, Any] = {
        "workers": n_workers,
        "folder": search.folder,
        "environment": {STORAGE_VARIABLE: search.storage_url or ""},
    }

    def start() -> Workers:
        if client is not None:
            return DaskWorkers(client, timed[1:], **common)
        return launch(timed, n_gpus=n_gpus, **common)

    clock = SearchClock(search, until, reserves=reserves)
    return work_in_processes(search, start, n_workers, display, clock, gpus=n_gpus > 0)


def _say_left(search: Search, n_left: int | None = None) -> str:
    left = count_left(search) if n_left is None else n_left
    return f"{left} of {write_count(search.study.budget.trials, 'trial')} left"


def _work_here(
    search: Search,
    tracker: Tracker | None,
    device: str | None,
    clock: SearchClock,
    display: Display,
) -> signal.Signals | None:
    """Train in this process; a thread looks at the storage for the display. Return the signal that ended it."""
    from tuner.trackers import WeightsAndBiases
    from tuner.tuning.worker import choose_seconds_to_close, work

    tracker, ended_by = tracker or WeightsAndBiases(), None
    with _show(search, display, clock, gpus=count_gpus(device) > 0):
        try:
            ended_by = work(
                search,
                tracker=tracker,
                device=device,
                until=clock.until,
                reserves=clock.reserves,
            )
            return ended_by
        finally:
            tracker.close(timeout=choose_seconds_to_close(ended_by))


@contextmanager
def _show(search: Search, display: Display, clock: SearchClock, *, gpus: bool) -> Iterator[None]:
    """Update the display from a thread."""
    if isinstance(display, NoDisplay):
        yield
        return
    over = threading.Event()
    own = Search(search.study, search.folder, search.storage_url)
    watched = SearchClock(own, clock.until, reserves=clock.reserves)
    with StatusWatch(own, display, watched, gpus=gpus) as watch:

        def look() -> None:
            while not over.wait(STATUS_SECONDS):
                watch.look_when_due()

        thread = threading.Thread(target=look, name="tuner-display", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
