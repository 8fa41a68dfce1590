"""Workers as tasks of a Dask cluster: as many as it has room for, on whatever machines join it."""

from __future__ import annotations

import logging
import secrets
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tuner.errors import MissingPackage, SearchError, describe_error, name_all
from tuner.launchers.cluster_file import ClusterSettings, read_cluster_file
from tuner.launchers.local import ExitedWorker
from tuner.launchers.remote_commands import (
    Place,
    RemoteEnd,
    carry_variables,
    list_commands,
    look_around,
    run_command,
    signal_commands,
)
from tuner.launchers.signals import PREEMPTION_SIGNALS
from tuner.launchers.watchdog import LEAVE_SECONDS
from tuner.run_folder import RunFolder

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger("tuner")

CONNECT_SECONDS = 30.0
"""What a scheduler is given to answer."""

MOST_WORKERS = 2000
"""Tasks that wait for room in a cluster at the most."""

TASK_SECONDS = "1h"
"""How long Dask expects a worker to run: by this an adaptive cluster asks for as many jobs as there are tasks."""

TASK = "tuner-work"

_LOOK_SECONDS = 0.1

_MAX_SHARE = 0.05
"""Share of the time that asking machines what they run may take."""

_JOB_QUEUES = {
    "slurm": "SLURMCluster",
    "htcondor": "HTCondorCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
}


class DaskWorkers:
    """Workers that a Dask cluster runs, one for each of its threads. Leaving the `with` block kills what still runs.

    Dask gives a task whose machine is lost to another; tasks that find no room wait for machines that join.
    """

    def __init__(
        self,
        client: Client,
        arguments: Sequence[str],
        *,
        workers: int,
        folder: RunFolder,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Hand the tasks to the cluster.

        Args:
            client: Of the cluster.
            arguments: Of Python: each machine uses its own.
            workers: How many at the most.
            folder: The run folder, which all machines see under its absolute path.
            environment: Variables beside those that are passed on in any case.
        """
        self._client = client
        self._arguments = list(arguments)
        self._folder = folder
        self._group = _name_group()
        self._environment = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            **carry_variables(),
            **(environment or {}),
        }
        self._n_starts = 0
        self._begun: dict[str, str] = {}
        """Tasks that are known to run, and the addresses of their machines."""
        self._signal: signal.Signals | None = None
        """By which the workers were asked to leave."""
        self._due = 0.0
        self._futures: dict[int, Future[RemoteEnd]] = {number: self._submit(number) for number in range(workers)}

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what still runs."""
        if self._futures:
            self.kill()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process numbers of workers on this machine that may be measured: none are known."""
        return ()

    def poll(self) -> list[ExitedWorker]:
        """Return the workers that ended since the last call.

        Raises:
            SearchError: The scheduler is gone, or a machine cannot start workers.
        """
        if self._client.status == "connecting":
            return []
        if self._client.status != "running":
            raise SearchError(
                "The Dask scheduler must be reachable while a sweep uses it, but is not any more. Rerun the same "
                "command to resume, with a scheduler that is."
            )
        done = [(number, future) for number, future in self._futures.items() if future.done()]
        if self._signal is None and any(future.cancelled() for _, future in done):
            self._begin_anew()
            return []
        return [self._describe_end(number, self._futures.pop(number)) for number, _ in done]

    def replace(self, number: int) -> None:
        """Start another worker instead of one that has ended."""
        assert number not in self._futures
        self._futures[number] = self._submit(number)

    def withdraw(self) -> list[int]:
        """Take back the workers that have found no room yet, or that lost their machine; return their numbers.

        Those that Dask has begun anew since they were asked to leave are asked, too.
        """
        began = time.monotonic()
        if not self._futures or self._client.status != "running" or began < self._due:
            return []
        if self._signal is not None:
            self._ask(signal_commands, self._group, int(self._signal))
        self._begun = self._find_begun()
        self._due = time.monotonic() + (time.monotonic() - began) / _MAX_SHARE
        waiting = self._find_waiting()
        self._client.cancel(list(waiting.values()), reason="No trial is left for it.")
        for number in waiting:
            del self._futures[number]
        return list(waiting)

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ask every worker once, by this signal, to give its trials back and leave."""
        self._signal, self._due = number, 0.0
        self._ask(signal_commands, self._group, int(number))

    def kill(self) -> None:
        """End every worker and its children at once (SIGKILL)."""
        self._client.cancel(list(self._find_waiting().values()), reason="The sweep ends.")
        self._ask(signal_commands, self._group, int(signal.SIGKILL))
        self._client.cancel(list(self._futures.values()), reason="The sweep ends.")
        self._futures.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all have ended; False where `timeout` seconds were not enough."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not all(future.done() for future in self._futures.values()):
            if deadline is not None and time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _submit(self, number: int) -> Future[RemoteEnd]:
        self._n_starts += 1
        log, directory = str(self._log(number).absolute()), str(Path.cwd())
        # A key of two parts makes them tasks of one group, which wait at the scheduler and not with busy machines.
        return self._client.submit(
            run_command,
            self._name(self._n_starts),
            self._arguments,
            directory,
            log,
            self._environment,
            key=(self._group, self._n_starts),
            pure=False,
        )

    def _begin_anew(self) -> None:
        """Start all workers again once those have left that Dask has forgotten: it does so where a client is cut off.

        Their commands run on, and would do so beside those of their successors.
        """
        asked, number = time.monotonic(), PREEMPTION_SIGNALS[0]
        while any(self._ask(list_commands, self._group).values()):
            self._ask(signal_commands, self._group, int(number))
            time.sleep(_LOOK_SECONDS)
            if time.monotonic() - asked > LEAVE_SECONDS:
                number = signal.SIGKILL
        if self._client.status != "running":  # cut off again: the next call goes on
            return
        logger.warning(
            "The connection to the Dask scheduler was lost for a while: its workers gave their trials back and begin "
            "again."
        )
        self._begun.clear()
        self._group = _name_group()
        self._futures = {number: self._submit(number) for number in self._futures}

    def _find_begun(self) -> dict[str, str]:
        """Return the tasks that run, and where; a machine that does not answer, but is there, runs what it ran."""
        answers = self._ask(list_commands, self._group)
        try:
            silent = set(self._client.nthreads()) - set(answers)
        except (OSError, TimeoutError, ValueError):
            return self._begun
        kept = {task: address for task, address in self._begun.items() if address in silent}
        return kept | {task: address for address, tasks in answers.items() for task in tasks}

    def _find_waiting(self) -> dict[int, Future[RemoteEnd]]:
        """Return the workers of which it is not known that they have begun, by their numbers."""
        return {
            number: future
            for number, future in self._futures.items()
            if not future.done() and self._name(future.key[1]) not in self._begun
        }

    def _name(self, start: int) -> str:
        return f"{self._group}-{start}"

    def _describe_end(self, number: int, future: Future[RemoteEnd]) -> ExitedWorker:
        """Return how a worker ended; one whose machines were lost again and again as killed."""
        from distributed import KilledWorker

        error = None if future.status == "finished" else future.exception() if future.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            raise SearchError(f"A machine of the Dask cluster must start `tuner work`, but: {describe_error(error)}")
        if future.status != "finished":
            return ExitedWorker(number=number, pid=None, started=0.0, exit_code=-signal.SIGKILL, log=self._log(number))
        end = future.result()
        return ExitedWorker(
            number=number,
            pid=end.pid,
            started=end.started,
            exit_code=end.exit_code,
            log=self._log(number),
            host=end.host,
        )

    def _ask(self, function: Any, *arguments: object) -> dict[str, Any]:
        """Return what a function says on each machine that answers."""
        try:
            answers = self._client.run(function, *arguments, on_error="ignore")
        except (OSError, TimeoutError, ValueError):  # the scheduler is gone, and its machines with it
            return {}
        return {address: answer for address, answer in answers.items() if not isinstance(answer, BaseException)}

    def _log(self, number: int) -> Path:
        return self._folder.logs / f"dask-{number}.log"


def _name_group() -> str:
    """Return a new name for tasks of one kind, by whose beginning Dask knows it."""
    return f"{TASK}-{secrets.token_hex(4)}"


@contextmanager
def connect(cluster: str | Path | Client) -> Iterator[Client]:
    """Yield a client of a Dask cluster; what was started for it ends with the context.

    Args:
        cluster: Address of a running scheduler (`tcp://host:8786`), its scheduler file (`.json`), a cluster file
            (`.toml`, see `ClusterSettings`), or a client, which stays open.

    Raises:
        MissingPackage: Dask is not installed.
        SearchError: There is no such scheduler, or the cluster cannot be started.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingPackage("distributed", "dask", "A sweep on Dask") from error
    if isinstance(cluster, distributed.Client):
        yield cluster
        return
    name = str(cluster)
    if name.endswith(".toml"):
        with _start_cluster(read_cluster_file(Path(name))) as started, distributed.Client(started) as client:
            yield client
        return
    named = {"scheduler_file": name} if name.endswith(".json") else {"address": name}
    if name.endswith(".json") and not Path(name).exists():
        raise SearchError(f'The scheduler file must be there, but "{name}" is not.')
    try:
        client = distributed.Client(**named, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise SearchError(
            f'--dask must be the address of a running scheduler, such as "tcp://host:8786", or a cluster file that '
            f'ends in ".toml", but at "{name}" there is none: {describe_error(error)}'
        ) from error
    with client:
        yield client


@contextmanager
def _start_cluster(settings: ClusterSettings) -> Iterator[Any]:
    """Start a cluster that grows and shrinks with what there is to do."""
    import dask

    expected = {"distributed.scheduler.default-task-durations": {TASK: TASK_SECONDS}}
    with dask.config.set(expected):
        try:
            cluster = _find_class(settings.kind)(**settings.options)
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise SearchError(
                f'The cluster must start with the `options` of its file, but "{settings.kind}" does not: '
                f"{describe_error(error)}"
            ) from error
        with cluster:
            names = ("minimum_jobs", "maximum_jobs") if settings.kind in _JOB_QUEUES else ("minimum", "maximum")
            cluster.adapt(**dict(zip(names, (settings.minimum, settings.maximum), strict=True)))
            yield cluster


def _find_class(kind: str) -> Any:
    """Return the class of a kind of cluster."""
    if kind == "local":
        from distributed import LocalCluster

        return LocalCluster
    if kind == "cuda":
        try:
            from dask_cuda import LocalCUDACluster
        except ImportError as error:
            raise SearchError(
                'A cluster of kind "cuda" needs the package "dask-cuda", which is not installed. Install it with: '
                "pip install dask-cuda"
            ) from error
        return LocalCUDACluster
    try:
        import dask_jobqueue
    except ImportError as error:
        raise MissingPackage("dask-jobqueue", "dask", f'A cluster of kind "{kind}"') from error
    return getattr(dask_jobqueue, _JOB_QUEUES[kind])


def check_machines(client: Client, paths: Sequence[Path], version: str) -> None:
    """Check that the machines that have joined a cluster so far can run workers.

    Args:
        client: Of the cluster.
        paths: What they must see.
        version: Of tuner, which must be theirs.

    Raises:
        SearchError: tuner is not installed there, or is another; or a path is missing.
    """
    answers = client.run(look_around, [str(path) for path in paths], on_error="return")
    if not answers:
        logger.info("The Dask cluster has no workers yet: trials are trained once some join.")
    problems = []
    for address, answer in answers.items():
        if not isinstance(answer, Place):
            problems.append(f"{address} cannot import tuner ({describe_error(answer)})")
        elif answer.version != version:
            problems.append(f"{address} has tuner {answer.version}, this machine {version}")
        elif answer.missing:
            problems.append(f"{address} does not see {name_all(answer.missing)}")
    if problems:
        more = f" In all, {len(problems)} of its {len(answers)} workers do not hold." if problems[1:] else ""
        raise SearchError(
            "Dask's workers must have this version of tuner, and see the study file and the run folder under the same "
            f"paths, but {problems[0]}.{more}"
        )
