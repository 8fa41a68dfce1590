"""One thread that does slow work in order, off the training thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

CAPACITY = 4096
"""Jobs that may wait, where a tracker is asked for no other number."""


class BackgroundThread:
    """Runs jobs one after the other on a thread of its own. The first job that raises ends it for good.

    Handing in a job neither blocks nor raises. The thread starts with the first job, also with the first one after
    `close`, and dies with the process.
    """

    def __init__(self, *, capacity: int, on_error: Callable[[Exception], None]) -> None:
        """Take at most `capacity` waiting jobs that may be dropped; call `on_error` once, on the thread."""
        self.dropped = 0
        self.broken = False
        self._capacity = capacity
        self._on_error = on_error
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        """None where the thread is to end, unless more jobs follow."""
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        """So that no job is handed in to a thread that is about to end."""

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs or waits for jobs."""
        return self._thread is not None

    def submit(self, job: Callable[[], None], *, droppable: bool = False) -> bool:
        """Have `job` run later. A droppable one is counted in `dropped`, not run, where too many are waiting.

        Return whether it will be run.
        """
        if self.broken:
            return False
        if droppable and self._jobs.qsize() >= self._capacity:
            self.dropped += 1
            return False
        with self._lock:
            self._jobs.put(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tuner-tracker", daemon=True)
                self._thread.start()
        return True

    def close(self, timeout: float) -> bool:
        """Wait for the waiting jobs and end the thread. Return whether all were done within `timeout` seconds.

        Where they were not, the thread goes on; later jobs run after them.
        """
        with self._lock:
            thread = self._thread
            if thread is None:
                return True
            self._jobs.put(None)
        thread.join(timeout)
        return not thread.is_alive()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                with self._lock:
                    if self._jobs.empty():
                        self._thread = None
                        return
                continue
            try:
                job()
            except Exception as error:
                self.broken = True
                self._on_error(error)
                return
