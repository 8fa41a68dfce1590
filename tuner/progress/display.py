"""Choose how a sweep is shown: live on a terminal, plain lines in a log file, a pipe or a CI job."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from tuner.progress.snapshot import Status

if TYPE_CHECKING:
    from rich.console import Console


class Display(Protocol):
    """Something that shows a sweep while it runs. Use it in a `with` block."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last status once more, and leave the terminal as it was."""
        ...

    def update(self, status: Status) -> None:
        """Show a newer status."""
        ...

    def tell(self, text: str) -> None:
        """Say something that stays on the screen: a warning, a step that begins."""
        ...


def open_display(console: Console | None = None, *, live: bool | None = None) -> Display:
    """Return a live display where `console` is a terminal, plain lines where it is not, or under CI.

    `live` overrides the choice. The display writes to standard error unless a console is given: standard output is
    for results.
    """
    from rich.console import Console

    from tuner.progress.live import LiveDisplay
    from tuner.progress.plain import PlainDisplay

    console = console or Console(stderr=True)
    if live is None:
        live = console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
    return LiveDisplay(console) if live else PlainDisplay(console)


class NoDisplay:
    """Show nothing."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def update(self, status: Status) -> None:
        """Do nothing."""

    def tell(self, text: str) -> None:
        """Do nothing."""
