"""A real Dask scheduler and its workers, each a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


class DaskProcesses:
    """A scheduler, and workers that may join and be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scheduler_file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard", "--no-show")
        self.workers: list[subprocess.Popen[bytes]] = []
        deadline = time.monotonic() + 60
        while not self.scheduler_file.exists():
            assert time.monotonic() < deadline, (folder / "dask.log").read_text()
            time.sleep(0.1)

    def join(self) -> subprocess.Popen[bytes]:
        """Start a worker of one thread."""
        self.workers.append(
            self._start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", self.folder)
        )
        return self.workers[-1]

    def _start(self, kind: str, *options: object) -> subprocess.Popen[bytes]:
        module = f"distributed.cli.dask_{kind}"
        words = [sys.executable, "-P", "-m", module, "--scheduler-file", self.scheduler_file, *options]
        paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        with (self.folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [str(word) for word in words],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )

    def stop(self) -> None:
        """Kill all of them."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def start_dask(folder: Path, workers: int) -> Iterator[DaskProcesses]:
    """Start a scheduler with workers; kill what is left of them afterwards."""
    processes = DaskProcesses(folder)
    try:
        for _ in range(workers):
            processes.join()
        yield processes
    finally:
        processes.stop()
