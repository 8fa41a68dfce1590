"""Command lines that a process on another machine runs for a sweep, in threads of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tuner.errors import SearchError
from tuner.launchers.local import THREAD_VARIABLES, start_process
from tuner.launchers.processes import name_host

CARRIED = ("MLFLOW_TRACKING_URI", "TUNER_DATA", "WANDB_ENTITY", "WANDB_MODE", "WANDB_PROJECT", "WANDB_TAGS")
"""Variables that commands on another machine get as they are here, on a cluster and in a batch system's jobs."""

_running: dict[str, subprocess.Popen[bytes]] = {}
"""The processes that this one runs at the moment, by the name of their task."""

_ended: set[str] = set()
"""Beginnings of the names of tasks that were killed: none of them starts a process any more."""

_sent: set[tuple[int, int]] = set()
"""Process numbers of these, and the signals that they were sent."""


@dataclass(frozen=True, kw_only=True)
class RemoteEnd:
    """How a command ended, and what names its process."""

    host: str
    pid: int
    started: float
    """Unix time."""
    exit_code: int
    """Negative for a signal, as in `subprocess`."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a machine has of what a worker needs."""

    version: str
    """Of tuner."""
    missing: tuple[str, ...]
    """Paths that are not there."""


def carry_variables() -> dict[str, str]:
    """Return the variables of this process that commands on another machine get, too."""
    return {name: os.environ[name] for name in CARRIED if os.environ.get(name)}


def run_command(
    task: str, arguments: Sequence[str], directory: str, log: str, environment: Mapping[str, str]
) -> RemoteEnd:
    """Run this machine's Python with arguments to its end; a process that this one's end takes with it.

    Args:
        task: Names it.
        arguments: Of Python.
        directory: Where to run it, if that is there.
        log: File to which it adds what it prints.
        environment: Variables beside those of this process. Threads are one, unless this process was told otherwise.

    Raises:
        SearchError: The tasks of such a name were killed.
    """
    if task.startswith(tuple(_ended)):
        raise SearchError(f"The process of {task} must not start any more: what it was for has ended.")
    started = time.time()
    variables = {**dict.fromkeys(THREAD_VARIABLES, "1"), **os.environ, **environment}
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with Path(log).open("ab") as output:
        command = [sys.executable, *arguments]
        where = directory if Path(directory).is_dir() else None
        process = _running[task] = start_process(command, output, variables, directory=where)
    try:
        if task.startswith(tuple(_ended)):  # since it was looked at above
            process.kill()
        process.wait()
    finally:
        del _running[task]
        if process.poll() is None:
            process.kill()
        _sent.difference_update({(process.pid, number) for number in signal.Signals})
    return RemoteEnd(host=name_host(), pid=process.pid, started=started, exit_code=process.returncode)


def list_commands(prefix: str) -> list[str]:
    """Return the tasks whose commands run here, of those whose names begin so."""
    return [task for task in list(_running) if task.startswith(prefix)]


def signal_commands(prefix: str, number: int) -> None:
    """Send a signal, once, to the commands that run here, of the tasks whose names begin so, and to their children.

    After SIGKILL no process is started for them either.
    """
    if number == signal.SIGKILL:
        _ended.add(prefix)
    for task, process in list(_running.items()):
        if task.startswith(prefix) and process.poll() is None and (process.pid, number) not in _sent:
            _sent.add((process.pid, number))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.Signals(number))


def look_around(paths: Sequence[str]) -> Place:
    """Return what this machine has: the version of tuner, and which of these paths are missing."""
    return Place(version=version("signal-tuner"), missing=tuple(path for path in paths if not Path(path).exists()))
