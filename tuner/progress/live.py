"""The live display: one panel that is redrawn in place while a sweep runs, or its evaluation."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from tuner.progress.logs import NOTES, show_warnings
from tuner.progress.nesting import NestedDisplay
from tuner.progress.panels import MAX_ROWS, render_stages, render_status
from tuner.progress.snapshot import Status
from tuner.progress.stages import Stage, StageClock, note_stage

if TYPE_CHECKING:
    from rich.console import Console

_REDRAWS_PER_SECOND = 2


class LiveDisplay(NestedDisplay):
    """Redraw a panel in place; the clock in it goes on between two updates. Warnings stand above it."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._status: Status | None = None
        self._updated = time.monotonic()
        self._stages: StageClock | None = None
        self._study = ""

    def _begin(self) -> None:
        self._status = self._stages = None
        live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=_REDRAWS_PER_SECOND,
            redirect_stdout=sys.stdout.isatty(),  # else it is a file or a pipe, which is for results
        )
        self._open.enter_context(show_warnings(lambda text: self._print(text, "yellow")))
        self._open.enter_context(live)

    def _end(self) -> None:
        """Draw the last status once more, and leave the terminal as it was."""
        if self._stages is not None:
            self._stages.end()
        self._open.close()

    def update(self, status: Status) -> None:
        """Show a newer status from the next redraw on."""
        self._status, self._study = status, status.study
        self._updated = time.monotonic()

    def plan(self, study: str, stages: Sequence[str]) -> None:
        """Show the stages of an evaluation from the next redraw on."""
        self._study = study
        self._stages = self._stages or StageClock()
        self._stages.plan(stages)

    def advance(self, stage: Stage) -> None:
        """Show how far a stage has come from the next redraw on."""
        self.plan(self._study, [stage.name])
        assert self._stages is not None
        if self._stages.advance(stage):
            note_stage(stage)

    def tell(self, text: str) -> None:
        """Write a line above the panel."""
        NOTES.info("%s", text)
        self._print(text)

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)

    def _render(self) -> RenderableType:
        if self._stages is not None:
            return self._narrow(render_stages(self._study, self._stages))
        if self._status is None:
            return Text("Workers are starting ...", style="dim")
        return self._narrow(self._fit(self._status, time.monotonic() - self._updated))

    def _narrow(self, panel: RenderableType) -> RenderableType:
        """Leave room for the `^C` that a terminal writes behind the panel: a line more could not be taken back."""
        if isinstance(panel, Panel):
            panel.width = self._console.width - 3
        return panel

    def _fit(self, status: Status, since: float) -> RenderableType:
        """Return the status with as many rows of running trials as the terminal is high enough for."""
        for rows in range(MAX_ROWS, -1, -1):
            panel = render_status(status, since=since, rows=rows)
            if len(self._console.render_lines(panel, pad=False)) < self._console.height:
                break
        return panel
