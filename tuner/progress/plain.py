"""Plain lines: one when the best improves, and one now and then so that a log shows life."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tuner.progress.snapshot import Status
from tuner.progress.wording import say_duration, say_estimate, say_rate, say_states

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 10.0


class PlainDisplay:
    """Write a line when a trial beats the best, and every ten seconds where something changed."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._shown: Status | None = None
        self._latest: Status | None = None
        self._last_line = -_SECONDS_BETWEEN_LINES

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the last status, where it was not shown yet."""
        if self._latest is not None and self._changed(self._latest):
            self._write(self._latest)

    def update(self, status: Status) -> None:
        """Write a line where there is reason to."""
        self._latest = status
        improved = status.best_value is not None and (
            self._shown is None or status.best_value != self._shown.best_value
        )
        due = self._clock() - self._last_line >= _SECONDS_BETWEEN_LINES
        if improved or (due and self._changed(status)):
            self._write(status)

    def tell(self, text: str) -> None:
        """Write a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _changed(self, status: Status) -> bool:
        shown = self._shown
        return shown is None or (status.states, status.trained_epochs) != (shown.states, shown.trained_epochs)

    def _write(self, status: Status) -> None:
        self._shown = status
        self._last_line = self._clock()
        self.tell(describe_status(status))


def describe_status(status: Status) -> str:
    """Return a status as one line of text."""
    parts = [f"{status.finished}/{status.budget_trials} trials ({say_states(status.states)})"]
    if status.best_value is not None:
        parts.append(f"best validation AUC {status.best_value:.4f} (trial {status.best_trial})")
    if status.rate:
        parts.append(say_rate(status.rate))
    if status.seconds_left and status.finished < status.budget_trials:
        parts.append(f"{say_estimate(status.seconds_left)} left")
    return f"{status.study}, {say_duration(status.elapsed)}: " + "; ".join(parts)
