"""Jobs of HTCondor: scripts, their submit files, and a DAG that runs one after the other."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tuner.errors import SearchError
from tuner.launchers.batch_jobs import SIGNAL_SECONDS, BatchJob, write_script
from tuner.launchers.signals import REQUEUE_CODE

COMMAND_SECONDS = 60.0
"""How long a command of HTCondor may take."""

_STATES_SECONDS = 10.0
_STATES = {1: "PENDING", 2: "RUNNING", 3: "REMOVED", 4: "COMPLETED", 5: "HELD", 6: "RUNNING", 7: "SUSPENDED"}
"""HTCondor's `JobStatus`, in Slurm's words."""


def write_condor_script(job: BatchJob) -> str:
    """Return the script of a job. It keeps its time itself, as HTCondor knows of none; its exit code requeues it."""
    seconds = 60 * job.resources.minutes - SIGNAL_SECONDS
    timed = ["timeout", "--preserve-status", "--signal=USR1", str(seconds), *job.command]
    return write_script(job, [], ":", timed)


def write_submit_file(job: BatchJob, script: Path) -> str:
    """Return the submit description of a job whose script lies at a path that all machines see.

    `MaxRuntime` and `RequestRuntime` are how CERN and DESY are told of the time; elsewhere they mean nothing.
    """
    resources, seconds = job.resources, 60 * job.resources.minutes
    logs = job.logs / f"condor-{job.name}"
    lines = [
        "# Written by `tuner submit`.",
        "universe = vanilla",
        f"executable = {_check(script)}",
        f"initialdir = {_check(job.directory)}",
        f"batch_name = {_check(job.title)}",
        f"output = {_check(logs)}-$(Cluster)_$(Process).out",
        f"error = {_check(logs)}-$(Cluster)_$(Process).err",
        f"log = {_check(logs)}.events",
        "should_transfer_files = NO",
        f"request_cpus = {resources.cpus}",
        f"request_memory = {resources.memory_mb}",
        *([f"request_gpus = {resources.gpus}"] if resources.gpus else []),
        f"+MaxRuntime = {seconds}",
        f"+RequestRuntime = {seconds}",
        "kill_sig = SIGUSR1",
        "remove_kill_sig = SIGTERM",
        f"job_max_vacate_time = {SIGNAL_SECONDS}",
        f"on_exit_remove = ExitBySignal || (ExitCode =!= {REQUEUE_CODE})",
        *resources.extra,
        f"queue {job.count}",
    ]
    return "\n".join(lines) + "\n"


def write_dag(submit_files: Sequence[tuple[str, Path]]) -> str:
    """Return the DAG file of named submit files, each to begin when the one before has ended, however that went."""
    lines = ["# Written by `tuner submit`."]
    lines += [f"JOB {name} {_check_word(path)}" for name, path in submit_files]
    for (before, _), (after, _) in itertools.pairwise(submit_files):
        lines += [f"SCRIPT POST {before} /bin/true", f"PARENT {before} CHILD {after}"]
    return "\n".join(lines) + "\n"


def require_condor() -> None:
    """Raise `SearchError` where jobs cannot be submitted to HTCondor from here."""
    if shutil.which("condor_submit_dag") is None:
        raise SearchError(
            "`condor_submit_dag` must be on the path to submit jobs to HTCondor, but is not. Run this on a machine "
            "from which jobs are submitted, or look at the files with --dry-run."
        )


def submit_to_condor(dag: Path) -> list[str]:
    """Hand a DAG to `condor_submit_dag`, and return the number of the cluster that runs it.

    Raises:
        SearchError: HTCondor refuses.
    """
    command = ["condor_submit_dag", "-force", str(dag)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise SearchError(
            f"`{command[0]}` must answer within {COMMAND_SECONDS:.0f} s, but did not. HTCondor may have taken the jobs "
            "all the same: look with `condor_q`, and remove them with `condor_rm` before you submit again."
        ) from error
    found = re.search(r"submitted to cluster (\d+)", done.stdout)
    if done.returncode or found is None:
        raise SearchError(f"HTCondor must take the jobs, but refused: {done.stderr.strip() or done.stdout.strip()}")
    return [found[1]]


def read_condor_states(numbers: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the states of the jobs that each DAG has in the queue; None where HTCondor cannot be asked.

    Between two of them, or where they are yet to come, the DAG's own job, which submits them, stands for them.
    """
    states: dict[str, list[str]] = {}
    for number in numbers:
        constraint = f"DAGManJobId == {number} || ClusterId == {number}"
        command = ["condor_q", "-constraint", constraint, "-format", "%d ", "ClusterId", "-format", "%d\n", "JobStatus"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_STATES_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        listed = [line.split() for line in done.stdout.splitlines()]
        jobs = [row for row in listed if row[0] != number] or listed
        states[number] = [_STATES.get(int(status), "UNKNOWN") for _, status in jobs]
    return states


def _check(value: object) -> str:
    """Return a value as a submit file takes it, where a `$` begins a macro."""
    text = str(value)
    if "$" in text or not text.isprintable():
        raise SearchError(f"HTCondor's submit files take paths without a `$`, but there is {text!r}.")
    return text


def _check_word(path: Path) -> str:
    """Return a path as a DAG file takes it: one word."""
    if re.search(r"\s", str(path)):
        raise SearchError(
            f'HTCondor\'s DAG files take paths without blanks, but there is "{path}". Name another --folder.'
        )
    return _check(path)
