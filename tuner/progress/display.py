"""Choose how a sweep is shown: live on a terminal or in a notebook, plain lines in a log file, a pipe or a CI job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from tuner.progress.logs import NOTES
from tuner.progress.snapshot import Status
from tuner.progress.stages import Stage, note_stage

if TYPE_CHECKING:
    from rich.console import Console


class Display(Protocol):
    """Something that shows a sweep and its evaluation. Use it in a `with` block; blocks may be nested."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last status once more, and leave the terminal as it was."""
        ...

    def update(self, status: Status) -> None:
        """Show a newer status of the search."""
        ...

    def plan(self, study: str, stages: Sequence[str]) -> None:
        """Take the names of the stages of a study's evaluation that are to come."""
        ...

    def advance(self, stage: Stage) -> None:
        """Show that a stage of the evaluation begins, or how far it has come."""
        ...

    def tell(self, text: str) -> None:
        """Say something that stays on the screen."""
        ...


def open_display(console: Console | None = None, *, live: bool | None = None) -> Display:
    """Return a live display where `console` is a terminal or a notebook, plain lines elsewhere and under CI.

    Args:
        console: Where to write. None: standard error, as standard output is for results.
        live: Overrides the choice.
    """
    from rich.console import Console

    from tuner.progress.live import LiveDisplay
    from tuner.progress.plain import PlainDisplay

    console = console or Console(stderr=True)
    if console.is_jupyter and live is not False:
        from tuner.progress.notebook import NotebookDisplay

        return NotebookDisplay()
    if live is None:
        live = console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
    return LiveDisplay(console) if live else PlainDisplay(console)


class NoDisplay:
    """Show nothing; what would be told is noted in the log."""

    _noted = ""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def update(self, status: Status) -> None:
        """Do nothing."""

    def plan(self, study: str, stages: Sequence[str]) -> None:
        """Do nothing."""

    def advance(self, stage: Stage) -> None:
        """Note a stage that begins; how far it has come is told again and again."""
        if stage.name != self._noted:
            self._noted = stage.name
            note_stage(stage)

    def tell(self, text: str) -> None:
        """Note it."""
        NOTES.info("%s", text)
