"""A pool of processes for jobs of seconds to minutes; one that dies costs only its job, which is done again."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

from tuner.errors import SearchError, describe_error
from tuner.launchers.local import die_with_parent, read_tail, share_machine
from tuner.launchers.processes import describe_exit

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""Between two looks at how far jobs have come."""

MAX_STARTS = 2
"""Processes that try a job one after the other: one may be killed from outside, a job that ends two ends the next."""

logger = logging.getLogger("tuner")


class Job(Generic[T]):
    """A call that a process of the pool makes; without processes this one makes it, when its result is asked for."""

    def __init__(self, call: Callable[[], T], future: Future[T] | None) -> None:
        self._call = call
        self.future = future

    @property
    def is_running(self) -> bool:
        """Whether a process has the call still before it or in hand."""
        return self.future is not None and not self.future.done()

    def result(self) -> T:
        """Wait for the end of the call, and return what it returned or raise what it raised.

        Where no process could be started, the call is made here.

        Raises:
            SearchError: The processes that tried died of it: this one, which would die as well, leaves it alone.
        """
        if self.future is not None:
            try:
                return self.future.result()
            except BrokenProcessPool:
                self.future = None
        return self._call()


@dataclass(frozen=True, eq=False)
class _Group:
    """Processes that take their jobs from one queue."""

    numbers: range
    """Of the processes, within the pool."""
    waiting: queue.SimpleQueue[tuple[partial[Any], Future[Any]] | None] = field(default_factory=queue.SimpleQueue)
    threads: list[threading.Thread] = field(default_factory=list)
    """One for each process that was started."""


@dataclass(frozen=True, eq=False)
class _Served:
    """A process that has started, and the executor that hands it jobs."""

    executor: ProcessPoolExecutor
    process: BaseProcess


class ProcessPool:
    """Processes that share the machine's cores, and its GPUs; each is started when a job waits for one.

    Leaving the `with` block in good order waits for all jobs; an exception, Ctrl-C among them, kills the processes.
    They also end when this process does.
    """

    def __init__(self, n_processes: int, logs: Path, *, n_gpus: int = 0) -> None:
        """Make a pool.

        Args:
            n_processes: Processes at the most; 0 for jobs that are done in this one.
            logs: Folder of the files `pool-<n>.log`, to which processes write what they print.
            n_gpus: GPUs of this machine. Where there are some, the first processes have one each; the others, which
                have none, take only jobs that need none.
        """
        self.n_processes = n_processes
        self._logs = logs
        self._n_gpus = n_gpus
        n_training = n_gpus if 0 < n_gpus < n_processes else n_processes
        self._training, self._beside = _Group(range(n_training)), _Group(range(n_training, n_processes))
        self._running: dict[int, BaseProcess] = {}
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def stretch(self) -> float:
        """How many times as long trainings take while one process does something else; 1 where others are left."""
        return self.n_processes / (self.n_processes - 1) if self.n_processes > 1 and not self._n_gpus else 1.0

    def submit(self, function: Callable[..., T], *args: Any, needs_gpu: bool = True) -> Job[T]:
        """Return the job of calling a function; jobs begin in the order in which they are submitted.

        Args:
            function: Function of a module: it is named to the other process, not sent there.
            *args: What can be pickled, such as a `Search` whose study lies in a file.
            needs_gpu: Whether it is to run where a GPU is, if the machine has some.
        """
        call = partial(function, *args)
        if not self.n_processes:
            return Job(call, None)
        future: Future[T] = Future()
        group = self._training if needs_gpu or not self._beside.numbers else self._beside
        group.waiting.put((call, future))
        if len(group.threads) < len(group.numbers):
            number = group.numbers[len(group.threads)]
            thread = threading.Thread(target=self._serve, args=(number, group), name="tuner-pool", daemon=True)
            group.threads.append(thread)
            thread.start()
        return Job(call, future)

    def watch(self, jobs: Sequence[Job[Any]], look: Callable[[], object]) -> None:
        """Return when the processes have ended all of these jobs; call `look` now and then until then."""
        left = {job.future for job in jobs if job.future is not None}
        while left:
            left = set(wait(left, timeout=LOOK_SECONDS).not_done)
            look()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the processes end their jobs; kill them where an exception is raised."""
        if kind is not None:
            with self._lock:
                self._is_over = True
                for process in self._running.values():
                    process.kill()
        for group in (self._training, self._beside):
            for _ in group.threads:
                group.waiting.put(None)
            for thread in group.threads:
                thread.join()

    def _serve(self, number: int, group: _Group) -> None:
        """Hand one job after the other to a process of this thread's own: when it dies, no other notices."""
        served: _Served | None = None
        while (taken := group.waiting.get()) is not None:
            call, future = taken
            n_deaths = 0
            while not future.done():
                try:
                    served = served or self._start(number)
                except (BrokenProcessPool, OSError) as error:
                    logger.warning(
                        "A process could not be started, so this one does its job: %s", describe_error(error)
                    )
                    future.set_exception(BrokenProcessPool())
                    break
                try:
                    future.set_result(served.executor.submit(call).result())
                except BrokenProcessPool:
                    n_deaths += 1
                    self._end(served, number)
                    self._tell_death(served.process, call, future, number, is_last=n_deaths == MAX_STARTS)
                    served = None
                except BaseException as error:  # whatever the call raised is raised where its result is asked for
                    future.set_exception(error)
        if served is not None:
            self._end(served, number)

    def _start(self, number: int) -> _Served:
        """Return a process that has started. Raise `BrokenProcessPool` where it died on the way."""
        self._logs.mkdir(parents=True, exist_ok=True)
        executor = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(os.getpid(), self._log(number)),
        )
        with _starting(self._share_machine(number) | {"PYTHONSAFEPATH": "1"}):
            started = executor.submit(os.getpid)
        pid = started.result()
        process = next((child for child in multiprocessing.active_children() if child.pid == pid), None)
        if process is None:
            raise BrokenProcessPool("it died at once")
        with self._lock:
            self._running[number] = process
            if self._is_over:
                process.kill()
        return _Served(executor, process)

    def _share_machine(self, number: int) -> dict[str, str]:
        """Return the environment of a process: its share of the cores, and its GPU or none."""
        environment = share_machine(os.environ, number, self.n_processes, self._n_gpus)
        return environment | {"CUDA_VISIBLE_DEVICES": ""} if number in self._beside.numbers else environment

    def _end(self, served: _Served, number: int) -> None:
        """Wait for the end of a process, and free what is left of it."""
        served.executor.shutdown()
        with self._lock:
            del self._running[number]

    def _tell_death(
        self, process: BaseProcess, call: partial[Any], future: Future[Any], number: int, *, is_last: bool
    ) -> None:
        """Log that a process died, so that its job is done again; the last time let the job fail with that."""
        tail, log = read_tail(self._log(number)), self._log(number)
        ends = f", which ends:\n{tail}" if tail else "."
        how = describe_exit(process.exitcode or 0)
        if is_last or self._is_over:
            future.set_exception(
                SearchError(
                    f"`{call.func.__name__}` must leave its process alive, but {MAX_STARTS} processes died of it; "
                    f"the last one {how}. SIGKILL often means that the memory was full. Fix this, then rerun "
                    f"the same command to resume. The log is {log}{ends}"
                )
            )
        else:
            logger.warning(
                "A process died before its job was done (it %s), so it is done again. Its log is %s%s", how, log, ends
            )

    def _log(self, number: int) -> Path:
        return self._logs / f"pool-{number}.log"


_start_lock = threading.Lock()


@contextmanager
def _starting(environment: dict[str, str]) -> Iterator[None]:
    """Give this process the environment of one that is being started, and no main script, for that moment.

    `multiprocessing` takes the environment as it is, and runs the main script anew in each process: a script without
    `if __name__ == "__main__"` would sweep there. `PYTHONSAFEPATH` keeps the current folder out of the way: a
    `signal.py` there must not stand for Python's own.
    """
    with _start_lock:
        main, before = sys.modules["__main__"], dict(os.environ)
        sys.modules["__main__"] = ModuleType("__main__")
        os.environ.update(environment)
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            for name in environment.keys() - before.keys():
                del os.environ[name]
            os.environ.update(before)


def _begin(parent: int, log: Path) -> None:
    """Begin as a process of a pool: end with its parent, leave Ctrl-C to it, print to a file."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    faulthandler.enable()
