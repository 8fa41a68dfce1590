"""The live display: one panel that is redrawn in place while a sweep runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.progress.snapshot import Status
from tuner.progress.wording import STATE_STYLES, draw_sparkline, say_duration, say_estimate, say_rate, say_value

if TYPE_CHECKING:
    from rich.console import Console

_REDRAWS_PER_SECOND = 2
_SPARKLINE_COLUMNS = 24
_MOST_TRIALS_NAMED = 6


class LiveDisplay:
    """Redraw a panel in place; the clock in it goes on between two updates."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._updated = time.monotonic()
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=_REDRAWS_PER_SECOND, transient=False
        )

    def __enter__(self) -> Self:
        """Begin to show."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw the last status once more, and leave the terminal as it was."""
        self._live.stop()

    def update(self, status: Status) -> None:
        """Show a newer status from the next redraw on."""
        self._status = status
        self._updated = time.monotonic()

    def tell(self, text: str) -> None:
        """Write a line above the panel."""
        self._live.console.print(text, markup=False, highlight=False)

    def _render(self) -> RenderableType:
        if self._status is None:
            return Text("The sweep is being prepared ...", style="dim")
        return render_status(self._status, since=time.monotonic() - self._updated)


def render_status(status: Status, *, since: float = 0.0) -> RenderableType:
    """Return a status as a panel. `since` is the age of the status in seconds: while trials run, the clock goes on."""
    title = Text.assemble((status.study, "bold"), ("  " + status.question if status.question else "", "dim"))
    elapsed = None if status.elapsed is None else status.elapsed + (since if status.states.get("running") else 0.0)
    rows: list[RenderableType] = [_draw_bar(status, since), _draw_states(status), Text()]
    rows += [_draw_best(status)]
    if status.winner_test:
        rows.append(_draw_test(status))
    if status.stale_leases:
        rows.append(_draw_stale(status))
    footer = Text.assemble((f"{say_duration(elapsed)} · {_count(status.workers, 'worker')}", "dim"))
    return Panel(Group(*rows), title=title, title_align="left", subtitle=footer, subtitle_align="right", padding=(1, 2))


def _draw_bar(status: Status, since: float) -> RenderableType:
    done = min(status.finished, status.budget_trials)
    words = [f"{status.finished}/{status.budget_trials} trials"]
    if status.rate:
        words.append(say_rate(status.rate))
    if done >= status.budget_trials:
        words.append("budget spent")
    elif status.seconds_left is not None:
        words.append(f"{say_estimate(max(0.0, status.seconds_left - since))} left")
    row = Table.grid(expand=True, padding=(0, 2, 0, 0))
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(total=max(1, status.budget_trials), completed=done, complete_style="cyan", finished_style="green")
    row.add_row(bar, Text(" · ".join(words)))
    return row


def _draw_states(status: Status) -> RenderableType:
    text = Text()
    for state, style in STATE_STYLES.items():
        number = status.states.get(state, 0)
        if number or state in ("complete", "pruned", "running"):
            text.append(f"{number} {state}   ", style=style if number else "dim")
    work = []
    if status.trained_epochs:
        work.append(f"{status.trained_epochs:,} epochs trained")
        if status.elapsed:
            work[0] += f", {status.trained_epochs / status.elapsed:.1f}/s"
    if status.training:
        named = ", ".join(map(str, status.training[:_MOST_TRIALS_NAMED]))
        more = len(status.training) - _MOST_TRIALS_NAMED
        work.append(f"training now: {named}{f' and {more} more' if more > 0 else ''}")
    return Group(text, Text(" · ".join(work), style="dim")) if work else text


def _draw_best(status: Status) -> RenderableType:
    if status.best_value is None:
        return Text("No trial has finished yet.", style="dim")
    head = Text.assemble(
        "best validation AUC ",
        (f"{status.best_value:.4f}", "bold green"),
        f"  trial {status.best_trial}   ",
        (draw_sparkline(status.history, _SPARKLINE_COLUMNS), "green"),
    )
    return Group(head, _draw_pairs({name: say_value(value) for name, value in status.best_params.items()}))


def _draw_test(status: Status) -> RenderableType:
    figures = {name: say_value(value) for name, value in (status.winner_test or {}).items()}
    return Group(Text("\nwinner on the test part"), _draw_pairs(figures))


def _draw_pairs(pairs: Mapping[str, str]) -> RenderableType:
    """Return names and values in columns; a name and its value stay together."""
    cells = [Text.assemble((f"{name} ", "dim"), value, no_wrap=True) for name, value in pairs.items()]
    return Columns(cells, padding=(0, 3))


def _draw_stale(status: Status) -> RenderableType:
    numbers = ", ".join(map(str, status.stale_leases))
    text = f"\nNo sign of life from the worker of trial {numbers}. The next sweep takes up what it left."
    return Text(text, style="yellow")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
