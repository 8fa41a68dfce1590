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
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Generic, Self, TypeVar

from tuner.launchers.local import die_with_parent, read_tail, share_machine

T = TypeVar("T")

LOOK_SECONDS = 0.5
"""Between two looks at how far jobs have come."""

MAX_STARTS = 2
"""Processes that try a job one after the other, before the process that asked for it does it itself."""

logger = logging.getLogger("tuner")


class Job(Generic[T]):
    """A call that a process of the pool makes; without processes this one makes it, when its result is asked for."""

    def __init__(self, call: Callable[[], T], future: Future[T] | None) -> None:
        self._call = call
        self.future = future

    def result(self) -> T:
        """Wait for the end of the call, and return what it returned or raise what it raised.

        Where the processes that tried died, the call is made here.
        """
        if self.future is not None:
            try:
                return self.future.result()
            except BrokenProcessPool:
                self.future = None
        return self._call()


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
            n_gpus: GPUs that are shared out among the processes.
        """
        self.n_processes = n_processes
        self._logs = logs
        self._n_gpus = n_gpus
        self._waiting: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._pids: set[int] = set()
        self._lock = threading.Lock()
        self._is_over = False

    def submit(self, function: Callable[..., T], *args: Any) -> Job[T]:
        """Return the job of calling a function; jobs begin in the order in which they are submitted.

        Args:
            function: Function of a module: it is named to the other process, not sent there.
            *args: What can be pickled, such as a `Search` whose study lies in a file.
        """
        call = partial(function, *args)
        if not self.n_processes:
            return Job(call, None)
        future: Future[T] = Future()
        self._waiting.put((call, future))
        if len(self._threads) < self.n_processes:
            thread = threading.Thread(target=self._serve, args=(len(self._threads),), name="tuner-pool", daemon=True)
            self._threads.append(thread)
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
                for pid in self._pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self, number: int) -> None:
        """Hand one job after the other to a process of this thread's own: when it dies, no other notices."""
        executor: ProcessPoolExecutor | None = None
        while (taken := self._waiting.get()) is not None:
            call, future = taken
            for n_starts in range(1, MAX_STARTS + 1):
                try:
                    executor = executor or self._start(number)
                    future.set_result(executor.submit(call).result())
                except BrokenProcessPool as error:
                    self._tell_death(executor, number)
                    executor = None
                    if n_starts == MAX_STARTS or self._is_over:
                        future.set_exception(error)
                        break
                except BaseException as error:  # whatever the call raised is raised where its result is asked for
                    future.set_exception(error)
                    break
                else:
                    break
        if executor is not None:
            executor.shutdown()

    def _start(self, number: int) -> ProcessPoolExecutor:
        """Return a pool of one process, which has started."""
        self._logs.mkdir(parents=True, exist_ok=True)
        executor = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(os.getpid(), self._log(number)),
        )
        environment = share_machine(os.environ, number, self.n_processes, self._n_gpus)
        with _starting(environment | {"PYTHONSAFEPATH": "1"}):
            started = executor.submit(os.getpid)
        pid = started.result()
        with self._lock:
            self._pids.add(pid)
            if self._is_over:
                os.kill(pid, signal.SIGKILL)
        return executor

    def _tell_death(self, executor: ProcessPoolExecutor | None, number: int) -> None:
        """Log that a process died, unless it was killed here; free what is left of its pool."""
        if executor is not None:
            executor.shutdown()
        if not self._is_over:
            log = self._log(number)
            tail = read_tail(log)
            ends = f", which ends:\n{tail}" if tail else "."
            logger.warning("A process died before its job was done, so it is done again. Its log is %s%s", log, ends)

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
