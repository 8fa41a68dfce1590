"""Workers as processes of this machine, each with its share of the cores and, where there are several, its GPU."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from tuner.launchers.gpus import VARIABLE, name_gpus
from tuner.launchers.processes import describe_exit, name_host
from tuner.launchers.signals import INTERRUPTED_CODE, REQUEUE_CODE
from tuner.run_folder import RunFolder

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_PR_SET_PDEATHSIG = 1
if sys.platform == "linux":
    _prctl = ctypes.CDLL(None, use_errno=True).prctl
_TAIL_BYTES = 2000


@dataclass(frozen=True, kw_only=True)
class ExitedWorker:
    """A worker that has ended."""

    number: int
    """Its number among the workers, from 0."""
    pid: int | None
    """Its process number; None where its machine was lost with it."""
    started: float
    """When it was started, in Unix time."""
    exit_code: int
    """0 for a good end; negative for the signal that ended it, as in `subprocess`."""
    log: Path
    """What it printed."""
    host: str = field(default_factory=name_host)
    """Within which its process number means one process."""

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than well. An end in order after a signal (130, 75) is a good end."""
        return self.exit_code not in (0, INTERRUPTED_CODE, REQUEUE_CODE, -signal.SIGINT)

    def describe(self) -> str:
        """Return what happened and the end of what it printed, for a message."""
        tail = read_tail(self.log)
        ends = f", which ends:\n{tail}" if tail else "."
        return f"Worker {self.number} {describe_exit(self.exit_code)}. Its log is {self.log}{ends}"


class Workers(Protocol):
    """Workers that were started together, here or elsewhere. Leaving the `with` block kills what still runs."""

    @property
    def pids(self) -> tuple[int, ...]:
        """Process numbers of those that run on this machine."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what still runs."""

    def poll(self) -> list[ExitedWorker]:
        """Return the workers that ended since the last call."""

    def replace(self, number: int) -> None:
        """Start another worker instead of one that has ended."""

    def withdraw(self) -> list[int]:
        """Take back the workers that have not begun yet; return their numbers."""

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask every worker once, by this signal, to give its trials back and leave."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have ended; False where `timeout` seconds were not enough."""


class LocalWorkers:
    """Processes that were started together. Leaving the `with` block kills what still runs.

    Each process leads a group of its own: a Ctrl-C in the terminal reaches the parent only, which passes it on.
    """

    def __init__(self, start: Callable[[int], subprocess.Popen[bytes]], logs: Sequence[Path]) -> None:
        self._start = start
        self._logs = tuple(logs)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._started: list[float] = []
        self._reported: set[int] = set()
        self._interrupted_by: signal.Signals | None = None
        try:
            for number in range(len(logs)):
                self._started.append(time.time())
                self._processes.append(start(number))
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what still runs."""
        self.kill()

    @property
    def n_running(self) -> int:
        """Number of workers that have not ended."""
        return sum(process.poll() is None for process in self._processes)

    @property
    def pids(self) -> tuple[int, ...]:
        """Process numbers, by worker."""
        return tuple(process.pid for process in self._processes)

    def poll(self) -> list[ExitedWorker]:
        """Return the workers that ended since the last call."""
        ended = []
        for number, process in enumerate(self._processes):
            code = process.poll()
            if code is not None and number not in self._reported:
                self._reported.add(number)
                ended.append(
                    ExitedWorker(
                        number=number,
                        pid=process.pid,
                        started=self._started[number],
                        exit_code=code,
                        log=self._logs[number],
                    )
                )
        return ended

    def replace(self, number: int) -> None:
        """Start another worker instead of one that has ended.

        It is interrupted, too, where the others were: a Ctrl-C may come while it is being started.
        """
        assert self._processes[number].poll() is not None
        self._started[number] = time.time()
        process = self._processes[number] = self._start(number)
        self._reported.discard(number)
        if self._interrupted_by is not None:
            _send(process, self._interrupted_by)

    def withdraw(self) -> list[int]:
        """Take back the workers that have not begun yet: none, as each begins at once."""
        return []

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask every worker once, by this signal, to give its trials back and leave."""
        self._interrupted_by = number
        self._signal(number)

    def kill(self) -> None:
        """End every worker and its children at once (SIGKILL), and wait for their end."""
        self._signal(signal.SIGKILL)
        for process in self._processes:
            process.wait()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have ended; False where `timeout` seconds were not enough."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for process in self._processes:
            try:
                process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes:
            _send(process, number)


def launch(
    command: Sequence[str],
    *,
    workers: int,
    folder: RunFolder,
    n_gpus: int = 0,
    name: str = "worker",
    environment: Mapping[str, str] | None = None,
) -> LocalWorkers:
    """Start `workers` processes of one command; each writes what it prints to `<run folder>/logs/<name>-<n>.log`.

    A crash leaves its traceback in the log. The cores are shared out evenly through the usual environment variables. On
    Linux the workers die with their parent.

    Args:
        command: Program and arguments.
        workers: How many to start.
        folder: The run folder.
        n_gpus: Where there are several, worker n sees only GPU n modulo `n_gpus`; `CUDA_VISIBLE_DEVICES`, where it is
            set, says which those are.
        name: Begins the names of the logs.
        environment: Variables beside those of this process.
    """
    folder.logs.mkdir(parents=True, exist_ok=True)
    shared = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(environment or {})}
    logs = [folder.logs / f"{name}-{number}.log" for number in range(workers)]

    def start(number: int) -> subprocess.Popen[bytes]:
        with logs[number].open("ab") as output:
            return start_process(command, output, share_machine(shared, number, workers, n_gpus))

    return LocalWorkers(start, logs)


def share_machine(environment: Mapping[str, str], worker: int, workers: int, n_gpus: int = 0) -> dict[str, str]:
    """Return a worker's environment: threads for its share of the cores, and one GPU where there are several.

    Args:
        environment: Of this process.
        worker: Number of the worker, from 0.
        workers: How many there are.
        n_gpus: GPUs of this machine.
    """
    threads = str(max(1, count_cores() // workers))
    shared = dict(environment) | dict.fromkeys(THREAD_VARIABLES, threads)
    if n_gpus > 1:
        gpus = name_gpus(n_gpus, environment)
        shared[VARIABLE] = gpus[worker % len(gpus)]
    return shared


def count_cores() -> int:
    """Return the cores that this process may use: what a batch system or a container left of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def tuner_command(verb: str, study: Path, *options: str) -> list[str]:
    """Return the command line of one worker: `python -m tuner work STUDY ...`.

    `-P` keeps the current folder out of the way: a `signal.py` there must not stand for Python's own.
    """
    return [sys.executable, "-P", "-m", "tuner", verb, str(study), *options]


def read_tail(log: Path, n_bytes: int = _TAIL_BYTES) -> str:
    """Return the last whole lines of a log; an empty text where there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - n_bytes))
        text = file.read().decode(errors="replace")
    return (text.partition("\n")[2] if size > n_bytes else text).strip()


def start_process(
    command: Sequence[str], output: IO[bytes], environment: Mapping[str, str], *, directory: str | None = None
) -> subprocess.Popen[bytes]:
    """Start one process in a group of its own, which on Linux dies with this one.

    Args:
        command: Program and arguments.
        output: Where all goes that it prints.
        environment: Its variables.
        directory: Where it runs; None: where this process does.
    """
    # Ruff's warning is of locks that other threads hold over the fork: `die_with_parent` takes none.
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=directory,
        process_group=0,
        preexec_fn=partial(die_with_parent, os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
    )


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the group of a process that has not ended."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def die_with_parent(parent: int) -> None:
    """Ask Linux to kill this process when the thread that started it ends, and so when its parent dies.

    Args:
        parent: The parent's process number; where it has died already, this process ends at once.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
