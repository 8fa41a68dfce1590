"""Jobs of a batch system: what each one asks for, and the shell script that it runs."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join, quote

from tuner.errors import SearchError, raise_together
from tuner.launchers.remote_commands import carry_variables
from tuner.launchers.signals import REQUEUE_CODE
from tuner.passwords import hide_passwords

SIGNAL_SECONDS = 120
"""Before its time is over, a job is told so that its workers give their trials back: they need seconds."""

MIN_MINUTES = 2 * math.ceil(SIGNAL_SECONDS / 60)

PATHS = ("PYTHONPATH", "WANDB_DIR")
"""Variables that a job gets beside those that any other machine gets: it runs this Python, in the same folders."""

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([MGT]?)i?B?", re.IGNORECASE)
_MEGABYTES = {"M": 1, "": 1, "G": 1024, "T": 1024**2}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([mhd]?)", re.IGNORECASE)
_MINUTES = {"m": 1, "": 1, "h": 60, "d": 24 * 60}
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What each job asks for."""

    cpus: int = 1
    """Cores."""
    gpus: int = 0
    """GPUs; each has a worker of its own."""
    memory_mb: int = 4096
    """Memory in MB (2^20 bytes)."""
    minutes: int = 240
    """After so long a job ends; one that has not finished is requeued."""
    partition: str | None = None
    """Slurm's partition."""
    extra: tuple[str, ...] = ()
    """Further lines of the request, such as `--account=atlas` (Slurm) or `+JobFlavour = "tomorrow"` (HTCondor)."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least {least}, but is {value}."
            for name, value, least in (
                ("--cpus", self.cpus, 1),
                ("--gpus", self.gpus, 0),
                ("--memory", self.memory_mb, 1),
            )
            if value < least
        ]
        if self.minutes < MIN_MINUTES:
            problems.append(
                f"--time must be at least {MIN_MINUTES} minutes, of which the last {SIGNAL_SECONDS} seconds are for "
                f"giving trials back, but is {self.minutes}."
            )
        words = [("--partition", self.partition or ""), *(("--extra", line) for line in self.extra)]
        problems += [f"{name} must be one line, but is {text!r}." for name, text in words if not _is_line(text)]
        raise_together(problems, SearchError, "The request of resources")

    @property
    def processes(self) -> int:
        """Workers of a job: one, or one for each GPU."""
        return max(1, self.gpus)

    @property
    def threads(self) -> int:
        """Threads of each worker."""
        return max(1, self.cpus // self.processes)


@dataclass(frozen=True, kw_only=True)
class BatchJob:
    """A command that a batch system is to run, once or several times at once."""

    name: str
    """Names its files: `work`, `conclude`."""
    title: str
    """By which the batch system lists it."""
    command: Sequence[str]
    """Program and arguments."""
    count: int = 1
    """How many jobs of it run at once."""
    processes: int = 1
    """How often each job starts the command."""
    resources: Resources
    """What each job asks for."""
    directory: Path
    """Where the command is run, so that relative paths of a study mean what they mean here."""
    logs: Path
    """Folder for what jobs print."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are written into its script, for all to read."""
    expected: Sequence[str] = ()
    """Variables that it needs and that are not written down: secrets, which the batch system passes on."""


def parse_memory(text: str) -> int:
    """Return MB for a memory such as "16G", "500M" or "2000" (MB). Raise `SearchError` for anything else."""
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        raise SearchError(f'--memory must be a size such as "16G" or "4000M", but is "{text}".')
    return math.ceil(float(found[1]) * _MEGABYTES[found[2].upper()])


def parse_time(text: str) -> int:
    """Return minutes for a time such as "90m", "12h", "2d", "1-12:00:00" or "240". Raise `SearchError` otherwise."""
    if clock := _CLOCK.fullmatch(text.strip()):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return (days * 24 + hours) * 60 + minutes + math.ceil(seconds / 60)
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise SearchError(
            f'--time must be minutes, or a time such as "90m", "12h", "2d" or "1-12:00:00", but is "{text}".'
        )
    return math.ceil(float(found[1]) * _MINUTES[found[2].lower()])


def choose_environment(threads: int, *, online: bool) -> dict[str, str]:
    """Return the variables that jobs need to find what this process finds.

    Args:
        threads: Threads of each worker.
        online: Whether trials are sent to the server of Weights & Biases as they come; nodes often reach none.
    """
    mode = "online" if online else os.environ.get("WANDB_MODE", "offline")
    carried = carry_variables() | {name: os.environ[name] for name in PATHS if os.environ.get(name)}
    told = {name: value for name, value in carried.items() if hide_passwords(value) == value}  # all may read a script
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return {"PYTHONUNBUFFERED": "1", **counts, **told, "WANDB_MODE": mode}


def write_script(job: BatchJob, header: Sequence[str], requeue: str, command: Sequence[str] | None = None) -> str:
    """Return the shell script of a job.

    SIGUSR1 says that the job's time is nearly over: the workers give their trials back and leave with an exit code of
    their own, and the job is requeued. At SIGTERM they do the same, and whether the job is requeued is left to the
    batch system: one that preempts does so by itself, and a job that somebody cancels stays away. Slurm sends SIGTERM
    to the workers as well, HTCondor to the script only; a signal that comes twice counts once.

    Args:
        job: The job.
        header: Lines for the batch system, below the first one.
        requeue: Command that puts the running job back into the queue; ":" where its exit code does.
        command: What to run in place of the job's command.
    """
    lines = ["#!/bin/bash", *header]
    lines += ["# Written by `tuner submit`. At SIGUSR1 workers give their trials back, and the job is requeued."]
    lines += [f'export PATH={quote(str(Path(sys.executable).parent))}:"$PATH"']
    lines += [f"export {name}={quote(value)}" for name, value in job.environment.items()]
    lines += [f': "${{{name}:?must be set where this job is submitted}}"' for name in job.expected]
    return "\n".join(lines) + _BODY.format(
        directory=quote(str(job.directory)),
        processes=job.processes,
        command=join(command or job.command),
        requeue=requeue,
        code=REQUEUE_CODE,
    )


_BODY = """
cd {directory} || exit 2
asked= ended_from_outside= code=0 running=()
pass_on() {{ for worker in "${{running[@]}}"; do kill "$1" "$worker" 2>/dev/null; done; }}
trap 'asked=yes; pass_on -USR1' USR1
trap 'ended_from_outside=yes; pass_on -TERM' TERM
for ((number = 0; number < {processes}; number++)); do
  {command} &
  running+=("$!")
done
for worker in "${{running[@]}}"; do
  while kill -0 "$worker" 2>/dev/null; do wait "$worker"; done
  wait "$worker"
  ended=$?
  # A worker that the signal met before it was listening is ended by it (128 + the signal's number).
  if [ "$asked" ] && [ "$ended" -gt 128 ]; then ended={code}; fi
  if [ "$ended" -eq {code} ] || [ "$code" -eq 0 ]; then code=$ended; fi
done
if [ "$code" -eq {code} ] && [ -z "$ended_from_outside" ]; then {requeue}; fi
exit "$code"
"""


def _is_line(text: str) -> bool:
    """Return whether a text is one line, so that it asks for what it says and for nothing else."""
    return text.isprintable()
