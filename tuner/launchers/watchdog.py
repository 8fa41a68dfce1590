"""A watchdog: another process that ends this one where the user's code hangs, whatever it hangs in."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Self

from tuner.launchers import watchdog_process
from tuner.launchers.watchdog_process import BUSY, HANG_SIGNAL, IDLE

LEAVE_SECONDS = 20.0
"""Seconds after a batch system's signal after which a process that still runs is killed."""

BEAT_SECONDS = 1.0
"""Between two beats at the least."""


class Watchdog:
    """Watches this process while its context is open. Of a thread that is not the main one, signals are not seen.

    Only what is done within `expect_progress` can hang: a wait for a lock, or for a storage that is away, cannot.
    """

    def __init__(self, *, hang_seconds: float, leave_seconds: float = LEAVE_SECONDS) -> None:
        """hang_seconds: without a step, after which a process hangs; 20 times its longest step if that is more.

        leave_seconds: after a batch system's signal, when a process that still runs is killed.
        """
        self._seconds = hang_seconds, leave_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._due = 0.0
        self._told = threading.local()
        self._wakeup: int | None = None

    def __enter__(self) -> Self:
        """Start the other process."""
        program = Path(watchdog_process.__file__)
        command = [sys.executable, "-I", "-S", str(program), str(os.getpid()), *map(str, self._seconds)]
        reading, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        try:
            self._process = subprocess.Popen(command, stdin=reading, stdout=subprocess.DEVNULL, process_group=0)
        finally:
            os.close(reading)
        if threading.current_thread() is threading.main_thread():
            self._wakeup = signal.set_wakeup_fd(self._pipe, warn_on_full_buffer=False)
        with suppress(AttributeError, OSError, RuntimeError, ValueError):  # standard error is no file, as in a notebook
            faulthandler.register(HANG_SIGNAL, all_threads=True, chain=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Let the other process end."""
        assert self._process is not None
        faulthandler.unregister(HANG_SIGNAL)
        if self._wakeup is not None:
            signal.set_wakeup_fd(self._wakeup)
        os.close(self._pipe)
        self._pipe = -1
        try:
            self._process.wait(BEAT_SECONDS)
        except subprocess.TimeoutExpired:  # a child of this process holds the pipe open
            self._process.kill()
            self._process.wait()

    @contextmanager
    def expect_progress(self) -> Iterator[None]:
        """Take it for a hang where nothing beats for too long while the context is open; of one thread at a time."""
        with self._hold(BUSY):
            yield

    @contextmanager
    def rest(self) -> Iterator[None]:
        """Expect no progress for a while, within `expect_progress`; in another thread than that this says nothing."""
        with nullcontext() if self._state == IDLE else self._hold(IDLE):
            yield

    @property
    def _state(self) -> int:
        """What was told last of this thread."""
        return getattr(self._told, "state", IDLE)

    @contextmanager
    def _hold(self, state: int) -> Iterator[None]:
        """Tell of a state of this thread, and at the end of the context of the one before."""
        before = self._state
        self._told.state = state
        self._tell(state)
        try:
            yield
        finally:
            self._told.state = before
            self._tell(before)

    def beat(self) -> None:
        """Tell of progress; cheap enough for each step of a training."""
        now = time.monotonic()
        if now >= self._due and self._state == BUSY:
            self._due = now + BEAT_SECONDS
            self._tell(BUSY)

    def _tell(self, byte: int) -> None:
        if self._pipe >= 0:
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._pipe, bytes([byte]))


class NoWatchdog(Watchdog):
    """Watches nothing: for a process that is not ours to end, as a notebook's."""

    def __init__(self) -> None:
        super().__init__(hang_seconds=float("inf"))

    def __enter__(self) -> Self:
        """Start nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """End nothing."""
