"""A pool of processes on the machines of a Dask cluster, for the jobs of an evaluation."""

from __future__ import annotations

import itertools
import pickle
import secrets
import signal
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from tuner.errors import SearchError, describe_error
from tuner.launchers.local import read_tail
from tuner.launchers.pickled_call import read_outcome, write_call
from tuner.launchers.process_pool import MAX_STARTS, Job, ProcessPool
from tuner.launchers.processes import describe_exit
from tuner.launchers.remote_commands import carry_variables, run_command, signal_commands

if TYPE_CHECKING:
    import distributed

T = TypeVar("T")


class DaskPool(ProcessPool):
    """Processes on the machines of a Dask cluster, a fresh one for each job; one that is lost is done again."""

    def __init__(self, client: distributed.Client, logs: Path) -> None:
        """Make a pool.

        Args:
            client: Of the cluster.
            logs: Folder, which all machines see, of the files `dask-pool-<n>.log`.
        """
        super().__init__(max(1, sum(client.ncores().values())), logs.absolute())
        self._client = client
        self._group = f"tuner-job-{secrets.token_hex(4)}"
        self._submitted: list[distributed.Future] = []
        self._settled: list[Future[Any]] = []
        self._numbers = itertools.count()

    def submit(self, function: Callable[..., T], *args: Any, needs_gpu: bool = True) -> Job[T]:  # noqa: ARG002
        """Return the job of calling a function, on whatever machine has room.

        Args:
            function: Function of a module.
            *args: What can be pickled, such as a `Search` whose study lies in a file that all machines see.
            needs_gpu: As in `ProcessPool`; here all machines are alike.
        """
        call: partial[T] = partial(function, *args)
        future: Future[T] = Future()
        self._settled.append(future)
        self._hand_over(future, function.__name__, pickle.dumps(call))
        return Job(call, future)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all jobs; kill their processes where an exception is raised."""
        if kind is None:
            self.watch([Job(_nothing, future) for future in self._settled], _nothing)
        else:
            self._is_over = True
            self._client.cancel(self._submitted)
            self._client.run(signal_commands, self._group, int(signal.SIGKILL), on_error="ignore")

    def _hand_over(self, future: Future[Any], name: str, call: bytes) -> None:
        """Hand the cluster a pickled call, of which a future is to have the outcome."""
        number = next(self._numbers)
        started = self._client.submit(
            run_pickled,
            f"{self._group}-{number}",
            call,
            str(Path.cwd()),
            str(self._log(number)),
            carry_variables(),
            key=(self._group, number),
            pure=False,
        )
        self._submitted.append(started)
        started.add_done_callback(partial(self._settle, future, name, call))

    def _settle(self, future: Future[Any], name: str, call: bytes, started: distributed.Future) -> None:
        """Give a job what came of its task; hand it over again where Dask forgot it, as the client was cut off."""
        if started.cancelled() and not self._is_over and self._client.status in ("running", "connecting"):
            self._hand_over(future, name, call)
            return
        try:
            is_good, outcome = pickle.loads(started.result())
        except SearchError as error:
            is_good, outcome = False, error
        except (CancelledError, Exception) as error:
            is_good, outcome = False, SearchError(f"The Dask cluster must run `{name}`, but: {describe_error(error)}")
        if is_good:
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    def _log(self, number: int) -> Path:
        return self._logs / f"dask-pool-{number}.log"


def run_pickled(task: str, call: bytes, directory: str, log: str, environment: Mapping[str, str]) -> bytes:
    """Make a pickled call in a process of its own, twice where it dies; return its pickled outcome.

    Args:
        task: Names it.
        call: A call of no arguments, pickled.
        directory: Where to run it, if that is there.
        log: File to which it adds what it prints.
        environment: Variables beside those of this process.

    Raises:
        SearchError: The processes died of it.
    """
    for _ in range(MAX_STARTS):
        with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
            write_call(Path(folder), call)
            end = run_command(task, ["-P", "-m", "tuner.launchers.pickled_call", folder], directory, log, environment)
            outcome = read_outcome(Path(folder))
        if outcome is not None:
            return outcome
    tail = read_tail(Path(log))
    raise SearchError(
        f"A job must leave its process alive, but {MAX_STARTS} processes died of it; the last one "
        f"{describe_exit(end.exit_code)}. SIGKILL often means that the memory was full. The log is {log}"
        f"{f', which ends:{chr(10)}{tail}' if tail else '.'}"
    )


def _nothing() -> None:
    """Do nothing."""
