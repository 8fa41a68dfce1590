"""The process that draws a worker's pictures: started when the first is wanted, started anew where it dies."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.launchers.processes import describe_exit
from tuner.tuning.trial_pictures import Drawn, PictureJob, ValidationEvents, draw_words

PROGRAM = "from tuner.tuning.trial_pictures import main; main()"

MAX_SECONDS = 120.0
"""What one picture may take; then its process is ended."""

MAX_STARTS = 5
"""Processes that are started one after the other where none of them answers."""

_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

logger = logging.getLogger("tuner")


class PictureProcess:
    """Draws one picture at a time, for one thread of a worker.

    A plain program and pipes: `multiprocessing` would run a user's script again that has no `__main__` guard. It ends
    with its worker, however that ends, as its input does then.
    """

    def __init__(self, events: ValidationEvents) -> None:
        self._events = events
        self._process: subprocess.Popen[bytes] | None = None
        self._n_failed = 0
        """Starts since the last answer."""
        self._lock = threading.Lock()
        self._is_over = False

    def draw(self, job: PictureJob) -> Drawn:
        """Return what became of a job; where its process dies, another one tries once more."""
        problem = "its process ended again and again"
        for _ in range(2):
            if self._n_failed >= MAX_STARTS or self._is_over:
                break
            try:
                drawn = self._ask(job)
            except Exception as error:  # what cannot be pickled raises anything
                self._n_failed += 1
                code = self.close(timeout=5.0)
                problem = f"its process {describe_exit(code)}" if code else f"{type(error).__name__}: {error}"
            else:
                self._n_failed = 0
                return drawn
        return Drawn(picture=draw_words("This picture could not be drawn."), problem=problem)

    def close(self, timeout: float = 10.0) -> int:
        """End the process; return its exit code, 0 where there is none."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdout.close()
        return code

    def kill(self) -> None:
        """End the process at once, from another thread than the one that waits for it; none is started again."""
        with self._lock:
            self._is_over = True
            if self._process is not None:
                self._process.kill()

    def _ask(self, job: PictureJob) -> Drawn:
        with self._lock:
            if self._is_over:
                raise EOFError("no more pictures are wanted")
            is_new = self._process is None
            process = self._process = self._process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        watch = threading.Timer(MAX_SECONDS, process.kill)
        watch.daemon = True
        watch.start()
        try:
            if is_new:
                pickle.dump(self._events, process.stdin)
            pickle.dump(job, process.stdin)
            process.stdin.flush()
            drawn: Any = pickle.load(process.stdout)
        finally:
            watch.cancel()
        return drawn if isinstance(drawn, Drawn) else Drawn(picture=b"", problem="it gave no picture")


def _start() -> subprocess.Popen[bytes]:
    home = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_THREADS, "PYTHONPATH": paths},
        process_group=0,  # Ctrl-C is the worker's, which waits for its last pictures
    )
