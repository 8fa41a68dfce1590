"""A sweep as jobs of a batch system: many that train, and one afterwards that evaluates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.checked_files import append_line, write_atomically
from tuner.errors import SearchError
from tuner.launchers.batch_jobs import BatchJob, Resources, choose_environment
from tuner.launchers.htcondor import (
    require_condor,
    submit_to_condor,
    write_condor_script,
    write_dag,
    write_submit_file,
)
from tuner.launchers.local import tuner_command
from tuner.launchers.slurm import (
    is_only_node,
    require_slurm,
    submit_to_slurm,
    write_slurm_script,
)
from tuner.passwords import hide_passwords
from tuner.progress.display import Display
from tuner.progress.logs import NOTES, open_log, quiet_optuna
from tuner.run_folder import RunFolder
from tuner.trackers.base import Tracker
from tuner.trackers.choice import name_kind
from tuner.tuning.provenance import describe_parts, record_call
from tuner.tuning.shared_storage import find_remarks, refuse_sqlite
from tuner.tuning.storage import STORAGE_VARIABLE
from tuner.tuning.study import Study
from tuner.tuning.submitted_jobs import SYSTEM_NAMES, SubmittedJob, System, find_job_list, read_jobs
from tuner.tuning.sweep import start_search

_DAG = "tuner.dag"


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is handed to a batch system."""

    system: System
    folder: RunFolder
    workers: int
    """How many jobs train at once."""
    files: tuple[tuple[str, str], ...]
    """Name and content of each file, in the order in which a person reads them."""
    environment: Mapping[str, str]
    """What the batch system passes on and no file tells: a storage with a password."""
    remarks: tuple[str, ...] = ()
    """What may go wrong, in a sentence each."""


def plan_submission(
    study: Study,
    study_file: Path,
    system: System,
    resources: Resources,
    *,
    workers: int,
    folder: Path,
    storage: str | None = None,
    work_options: Sequence[str] = (),
    sweep_options: Sequence[str] = (),
    online: bool = False,
) -> Submission:
    """Write what a batch system is to be handed: jobs that work, and one that evaluates and reports.

    The last one runs `tuner sweep`: where trials are left, as jobs were cancelled, it trains them first.

    Args:
        study: The study.
        study_file: Where it is read from.
        system: Which batch system.
        resources: What each job asks for.
        workers: How many jobs train at once.
        folder: Where run folders live.
        storage: URL of a database, or another journal file, in place of the run folder's journal.
        work_options: Further options of `tuner work`.
        sweep_options: Further options of `tuner sweep`.
        online: Whether Weights & Biases is sent to from the nodes.

    Raises:
        SearchError: The jobs would not find each other, or the system cannot be told of them.
    """
    run_folder = RunFolder(folder.absolute() / study.name)
    told, hidden = _place_storage(storage, system)
    where, file = ("--folder", str(folder.absolute())), study_file.absolute()
    train = BatchJob(
        name="work",
        title=f"tuner-{study.name}",
        command=tuner_command("work", file, *where, *work_options),
        count=workers,
        processes=resources.processes,
        resources=resources,
        directory=Path.cwd(),
        logs=run_folder.logs,
        environment=choose_environment(resources.threads, online=online) | told,
        expected=tuple(hidden),
    )
    conclude = tuner_command("sweep", file, *where, *sweep_options)
    judge = replace(train, name="conclude", command=conclude, count=1, processes=1)
    return Submission(
        system=system,
        folder=run_folder,
        workers=workers,
        files=tuple(
            _write_for_slurm(train, judge) if system == "slurm" else _write_for_condor(train, judge, run_folder.jobs)
        ),
        environment=hidden,
        remarks=() if system == "slurm" and is_only_node() else tuple(find_remarks(run_folder, storage)),
    )


def submit_sweep(
    study: Study,
    study_file: Path,
    submission: Submission,
    *,
    storage: str | None = None,
    tracker: Tracker | None = None,
    display: Display | None = None,
) -> list[SubmittedJob]:
    """Prepare the events, create the search, and hand its jobs to the batch system.

    Args:
        study: The study, with the budget and the seed of this call.
        study_file: Where it is read from.
        submission: What `plan_submission` planned for it.
        storage: As it was planned with.
        tracker: Where the numbers of trials go; workers open one of the same kind.
        display: Shows what was found of the events.

    Returns:
        The jobs.

    Raises:
        TunerError: The study does not hold, its jobs of before have not ended, or the system refuses the new ones.
    """
    folder, system = submission.folder, submission.system
    require_slurm() if system == "slurm" else require_condor()
    _refuse_twice(folder)
    with quiet_optuna():
        search, splits = start_search(study, folder, storage, study_file=study_file, tracker=tracker, display=display)
        with open_log(folder.log, "submit"):
            record_call(
                folder,
                study,
                events_digest=splits.events_digest,
                parts=describe_parts(splits),
                device="automatic",
                workers=submission.workers,
                tracker="wandb" if tracker is None else name_kind(tracker),
                study_file=search.study_file,
            )
            folder.logs.mkdir(parents=True, exist_ok=True)
            for name, content in submission.files:
                write_atomically(folder.jobs / name, content)
                if name.endswith(".sh"):  # HTCondor runs it as a program
                    (folder.jobs / name).chmod(0o755)
            jobs = _hand_over(submission)
            for job in jobs:
                row = {"system": job.system, "number": job.number, "purpose": job.purpose, "submitted": time.time()}
                append_line(find_job_list(folder), row)
                NOTES.info("Submitted %s job %s (%s)", SYSTEM_NAMES[job.system], job.number, job.purpose)
    return jobs


def _place_storage(storage: str | None, system: System) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables that name the storage: those that a script may tell, and those that it must not."""
    if storage is None:
        return {}, {}
    if "://" not in storage:
        return {STORAGE_VARIABLE: str(Path(storage).absolute())}, {}
    refuse_sqlite(storage)
    if hide_passwords(storage) == storage:
        return {STORAGE_VARIABLE: storage}, {}
    if system == "htcondor":
        raise SearchError(
            "The storage of HTCondor's jobs must be without a password, as everybody reads their environment in the "
            "queue, but it has one. Keep it in ~/.pgpass (mode 600), where PostgreSQL's library looks for it."
        )
    return {}, {STORAGE_VARIABLE: storage}


def _write_for_slurm(train: BatchJob, judge: BatchJob) -> list[tuple[str, str]]:
    return [(_script(job), write_slurm_script(job)) for job in (train, judge)]


def _write_for_condor(train: BatchJob, judge: BatchJob, folder: Path) -> list[tuple[str, str]]:
    files = []
    for job in (train, judge):
        files.append((_script(job), write_condor_script(job)))
        files.append((f"{job.name}.sub", write_submit_file(job, folder / _script(job))))
    dag = write_dag([(job.name, folder / f"{job.name}.sub") for job in (train, judge)])
    return [*files, (_DAG, dag)]


def _hand_over(submission: Submission) -> list[SubmittedJob]:
    """Hand the written files to the batch system."""
    folder = submission.folder.jobs
    if submission.system == "slurm":
        numbers = submit_to_slurm([folder / name for name, _ in submission.files], submission.environment)
        purposes = ["train", "evaluate"]
    else:
        numbers, purposes = submit_to_condor(folder / _DAG), ["train and evaluate"]
    return [
        SubmittedJob(system=submission.system, number=number, purpose=purpose, states=("PENDING",))
        for number, purpose in zip(numbers, purposes, strict=True)
    ]


def _refuse_twice(folder: RunFolder) -> None:
    """Raise `SearchError` where jobs of an earlier submission have not ended: two would evaluate at once."""
    jobs = read_jobs(folder)
    if unknown := [job for job in jobs if job.states is None]:
        raise SearchError(
            f"The jobs of an earlier submission must have ended, but {SYSTEM_NAMES[unknown[0].system]} does not answer "
            f"whether job {' and job '.join(job.number for job in unknown)} has. Run this again, on a machine from "
            f'which it can be asked. If you know that they have ended, delete "{find_job_list(folder)}" first.'
        )
    left = [job for job in jobs if job.states]
    if left:
        more = f"More workers: `sbatch {folder.jobs / 'work.sh'}`. " if left[0].system == "slurm" else ""
        cancel = "scancel" if left[0].system == "slurm" else "condor_rm"
        numbers = " ".join(job.number for job in left)
        raise SearchError(
            f"The jobs of an earlier submission must have ended, but there is {left[0].describe()}. {more}"
            f"To begin anew: `{cancel} {numbers}`."
        )


def _script(job: BatchJob) -> str:
    return f"{job.name}.sh"
