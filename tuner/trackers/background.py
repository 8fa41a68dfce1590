"""One thread that does slow work in order, off the training thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class BackgroundThread:
    """Runs jobs one after the other on a thread of its own. The first job that raises ends it for good.

    Handing in a job neither blocks nor raises. The thread starts with the first job and dies with the process.
    """

    def __init__(self, *, capacity: int, on_error: Callable[[Exception], None]) -> None:
        """Take at most `capacity` waiting jobs that may be dropped; call `on_error` once, on the thread."""
        self.dropped = 0
        self.broken = False
        self._capacity = capacity
        self._on_error = on_error
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Callable[[], None], *, droppable: bool = False) -> None:
        """Have `job` run later. A droppable one is counted in `dropped`, not run, where too many are waiting."""
        if self.broken or self._closed:
            return
        if droppable and self._jobs.qsize() >= self._capacity:
            self.dropped += 1
            return
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tuner-tracker", daemon=True)
            self._thread.start()

    def close(self, timeout: float) -> bool:
        """Take no more jobs, and wait for the waiting ones. Return whether all were done within `timeout` seconds."""
        self._closed = True
        if self._thread is None:
            return True
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:
                self.broken = True
                self._on_error(error)
                return
