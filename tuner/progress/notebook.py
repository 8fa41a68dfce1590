"""The panel in a notebook: one output of a cell that is replaced in place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from io import StringIO
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from tuner.progress.logs import NOTES, show_warnings
from tuner.progress.nesting import NestedDisplay
from tuner.progress.panels import render_stages, render_status
from tuner.progress.snapshot import Status
from tuner.progress.stages import Stage, StageClock, note_stage

_WIDTH = 100
_MAX_LINES = 8
"""Lines that were told and stay above the panel, the last ones."""
_MIN_SECONDS = 1.0
"""Between two replacements: each is a message that the notebook keeps."""
_PAGE = '<pre style="line-height: normal; font-family: Menlo, Consolas, monospace">{code}</pre>'


class NotebookDisplay(NestedDisplay):
    """Shows panels as one output of the cell, and what is told above them."""

    def __init__(self) -> None:
        super().__init__()
        self._status: Status | None = None
        self._stages: StageClock | None = None
        self._study = ""
        self._lines: list[str] = []
        self._shown: Any = None
        self._drawn = 0.0

    def _begin(self) -> None:
        self._shown = self._stages = self._status = None
        self._open.enter_context(show_warnings(self._add))

    def _end(self) -> None:
        """Show the last status once more."""
        self._open.close()
        if self._stages is not None:
            self._stages.end()
        self._draw(now=True)
        self._lines.clear()

    def update(self, status: Status) -> None:
        """Show a newer status."""
        self._status, self._study = status, status.study
        self._draw()

    def plan(self, study: str, stages: Sequence[str]) -> None:
        """Show the stages of an evaluation."""
        self._study = study
        self._stages = self._stages or StageClock()
        self._stages.plan(stages)

    def advance(self, stage: Stage) -> None:
        """Show how far a stage has come."""
        self._stages = self._stages or StageClock()
        begins = self._stages.advance(stage)
        if begins:
            note_stage(stage)
        self._draw(now=begins)

    def tell(self, text: str) -> None:
        """Show a line above the panel."""
        NOTES.info("%s", text)
        self._add(text)

    def _add(self, text: str) -> None:
        self._lines.append(text)
        self._draw(now=True)

    def _draw(self, *, now: bool = False) -> None:
        """Replace the output, unless it was replaced just now."""
        if not now and time.monotonic() - self._drawn < _MIN_SECONDS:
            return
        self._drawn = time.monotonic()
        from IPython.display import HTML, display

        page = HTML(self._render())
        if self._shown is None:
            self._shown = display(page, display_id=True)
        else:
            self._shown.update(page)

    def _render(self) -> str:
        """Return what is shown as HTML."""
        console = Console(record=True, width=_WIDTH, file=StringIO(), force_jupyter=False, force_terminal=True)
        panels: list[RenderableType] = [Text(line) for line in self._lines[-_MAX_LINES:]]
        if self._stages is not None:
            panels.append(render_stages(self._study, self._stages))
        elif self._status is not None:
            panels.append(render_status(self._status))
        console.print(Group(*panels))
        return console.export_html(inline_styles=True, code_format=_PAGE)
