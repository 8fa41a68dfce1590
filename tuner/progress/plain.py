"""Plain lines: one for each event, and one now and then so that a log shows life."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tuner.progress.events import describe_progress, list_events
from tuner.progress.logs import NOTES, show_warnings
from tuner.progress.nesting import NestedDisplay
from tuner.progress.snapshot import Status
from tuner.progress.stages import Stage, StageClock, note_stage
from tuner.progress.wording import say_estimate, write_count

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LINES = 30.0
"""After so long without an event a line tells how far it has come."""
MAX_TOLD = 30
"""Where a stage counts more than so many, not each of them is told."""


class PlainDisplay(NestedDisplay):
    """Write a line when a trial ends, the best improves, a stage begins or advances; else one every 30 seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._console = console
        self._clock = clock
        self._shown: Status | None = None
        self._written: str | None = None
        self._warned: set[str] = set()
        self._stages = StageClock(clock)
        self._last_line = clock()

    def _begin(self) -> None:
        self._open.enter_context(show_warnings(self._warn))

    def _end(self) -> None:
        """Write how far the search has come, where that was not written yet."""
        if self._shown is not None:
            self._write_progress(self._shown)
        self._open.close()

    def update(self, status: Status) -> None:
        """Write what happened since the last status; else how far it has come, now and then."""
        events = list(list_events(self._shown, status))
        is_first = self._shown is None
        self._shown = status
        for event in events:
            if event not in self._warned:
                self._write(event)
        if is_first or self._clock() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._write_progress(status)

    def plan(self, study: str, stages: Sequence[str]) -> None:
        """Do nothing: a stage is told when it begins."""

    def advance(self, stage: Stage) -> None:
        """Write that a stage begins, and what is done of what it counts."""
        known = self._stages.begun.get(stage.name)
        done_before = 0 if known is None or known.ended is not None else known.stage.done
        if self._stages.advance(stage):
            note_stage(stage)
            self._write(stage.text)
        is_new = stage.done > done_before and (stage.done == stage.total or stage.total <= MAX_TOLD)
        if stage.total and (is_new or self._is_due()):
            left = self._stages.begun[stage.name].seconds_left(self._clock())
            more = f", {say_estimate(left)} left" if left is not None and stage.done < stage.total else ""
            self._write(f"{stage.done} of {write_count(stage.total, stage.noun)}{more}")

    def tell(self, text: str) -> None:
        """Write a line."""
        NOTES.info("%s", text)
        self._write(text)

    def _warn(self, text: str) -> None:
        """Write a warning; a failed trial that it tells of is no event any more."""
        self._warned.add(text)
        self._write(text)

    def _is_due(self) -> bool:
        return self._clock() - self._last_line >= SECONDS_BETWEEN_LINES

    def _write_progress(self, status: Status) -> None:
        line = f"{status.study}: {describe_progress(status)}"
        if line != self._written:
            self._written = line
            self._write(line)

    def _write(self, text: str) -> None:
        self._last_line = self._clock()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
