"""Looking at a search while it runs: for the display, and for failures that nobody would see otherwise."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tuner.launchers.local import count_cores
from tuner.progress.device_use import DeviceMeter
from tuner.progress.display import Display
from tuner.progress.logs import SCREEN_ONLY
from tuner.tuning.search import Search
from tuner.tuning.search_clock import SearchClock
from tuner.tuning.status import read_status

logger = logging.getLogger("tuner")

MAX_SHARE = 0.02
"""Share of the time that looking may take: the training may wait for it, in the same process."""


class StatusWatch:
    """Looks at a search now and then on behalf of a display. Use it in a `with` block."""

    def __init__(
        self,
        search: Search,
        display: Display,
        clock: SearchClock | None,
        *,
        pids: Callable[[], Sequence[int]] = lambda: (os.getpid(),),
        gpus: bool = False,
        warns: bool = False,
    ) -> None:
        self.search = search
        self.display = display
        self.clock = clock
        self.pids = pids
        """Processes that train."""
        self.warns = warns
        """Whether to warn of failed trials: where other processes train, whose warnings are in their own logs."""
        self._due = 0.0
        self._is_warned = False
        self._meter = DeviceMeter(gpus=gpus)
        self._known = {trial.number for trial in search.trials if trial.state == "failed"} if warns else set()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look a last time, unless something went wrong."""
        if kind is None:
            self.look()
        self._meter.close()

    def look_when_due(self) -> None:
        """Look, unless the last time was so short ago that looking would take more than its share of the time."""
        if time.monotonic() >= self._due:
            self.look()

    def look(self) -> None:
        """Update the display with where the search stands; warn of trials that failed since the last time.

        Raise nothing: a storage that is away for a moment, or a display that fails, must end no sweep.
        """
        before = time.thread_time()
        try:
            self._look()
        except Exception as error:
            if not self._is_warned:
                self._is_warned = True
                logger.warning("The display could not be updated: %s: %s", type(error).__name__, error)
        self._due = time.monotonic() + (time.thread_time() - before) / MAX_SHARE

    def _look(self) -> None:
        end = None if self.clock is None else self.clock.find_end()
        seconds_left = None if end is None else max(0.0, end - time.time())
        devices = self._meter.read(self.pids(), count_cores())
        status = read_status(self.search, seconds_left=seconds_left, devices=devices)
        if self.warns:
            for trial in status.failures:
                if trial.number not in self._known:
                    self._known.add(trial.number)
                    logger.warning("Trial %d failed: %s", trial.number, trial.reason, extra=SCREEN_ONLY)
        self.display.update(status)
