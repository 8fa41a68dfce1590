"""Jobs of Slurm: a script with its `#SBATCH` lines, handed to `sbatch`."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.errors import SearchError
from tuner.launchers.batch_jobs import SIGNAL_SECONDS, BatchJob, write_script

REQUEUE = 'scontrol requeue "$SLURM_JOB_ID"'

COMMAND_SECONDS = 60.0
"""How long a command of Slurm may take: `sbatch` waits for a busy controller."""

_STATES_SECONDS = 10.0

_UNQUOTABLE = re.compile(r"[\"'\\]")


def write_slurm_script(job: BatchJob) -> str:
    """Return the script of a job, or of an array of jobs where there are several."""
    resources = job.resources
    log = str(job.logs / f"slurm-{job.name}-").replace("%", "%%") + ("%A_%a.log" if job.count > 1 else "%j.log")
    options = [
        f"--job-name={_quote(job.title)}",
        *([f"--array=0-{job.count - 1}"] if job.count > 1 else []),
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={resources.cpus}",
        f"--mem={resources.memory_mb}M",
        f"--time={resources.minutes}",
        *([f"--gres=gpu:{resources.gpus}"] if resources.gpus else []),
        *([f"--partition={_quote(resources.partition)}"] if resources.partition else []),
        f"--signal=B:USR1@{SIGNAL_SECONDS}",
        "--requeue",
        "--open-mode=append",
        f"--output={_quote(log)}",
        *resources.extra,
    ]
    return write_script(job, [f"#SBATCH {option}" for option in options], REQUEUE)


def require_slurm() -> None:
    """Raise `SearchError` where jobs cannot be submitted to Slurm from here."""
    if shutil.which("sbatch") is None:
        raise SearchError(
            "`sbatch` must be on the path to submit jobs to Slurm, but is not. Run this on a machine from which jobs "
            "are submitted, or look at the scripts with --dry-run."
        )


def submit_to_slurm(scripts: Sequence[Path], environment: Mapping[str, str]) -> list[str]:
    """Hand scripts to `sbatch`, each to begin when the one before has ended, however that went.

    Args:
        scripts: Files that `write_slurm_script` wrote.
        environment: Variables beside those of this process, which Slurm passes on to the jobs.

    Returns:
        The numbers of the jobs.

    Raises:
        SearchError: Slurm refuses a script; the jobs that it took are cancelled.
    """
    numbers: list[str] = []
    for script in scripts:
        after = [f"--dependency=afterany:{numbers[-1]}"] if numbers else []
        try:
            answer = _run(["sbatch", "--parsable", *after, str(script)], environment)
        except SearchError:
            if numbers:
                _run(["scancel", *numbers], environment)
            raise
        numbers.append(answer.strip().partition(";")[0])
    return numbers


def read_slurm_states(numbers: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the states of what is left of each job, such as RUNNING, one for each element of an array.

    numbers: of the jobs. None where Slurm cannot be asked; a job that has ended has no states.
    """
    states: dict[str, list[str]] = {number: [] for number in numbers}
    command = ["squeue", "--noheader", "--array", "--format=%A %F %T", "--me"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_STATES_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    for line in answer.splitlines():
        own, array, state = line.split()
        number = array if array in states else own
        if number in states:
            states[number].append(state)
    return states


def is_only_node() -> bool:
    """Return whether this machine is all that Slurm has, so that what is here is everywhere."""
    try:
        answer = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%N"],
            capture_output=True,
            text=True,
            timeout=_STATES_SECONDS,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return set(answer.split()) == {socket.gethostname().partition(".")[0]}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return what a command of Slurm prints."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SearchError(
            f"`{command[0]}` must answer within {COMMAND_SECONDS:.0f} s, but did not. Slurm may have taken the job all "
            "the same: look with `squeue --me`, and cancel it with `scancel` before you submit again."
        ) from error
    if done.returncode:
        raise SearchError(f"Slurm must take the jobs, but refused: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _quote(text: str) -> str:
    """Return a value of an option as `#SBATCH` lines take it."""
    if _UNQUOTABLE.search(text) or not text.isprintable():
        raise SearchError(f"Slurm's options must be without quotes and backslashes, but there is {text!r}.")
    return f'"{text}"' if re.search(r"[\s#;]", text) else text
