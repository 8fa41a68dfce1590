"""The panels of the live display: a search at one moment, and the stages of its evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tuner.progress.snapshot import RunningTrial, Status
from tuner.progress.stages import STAGES, StageClock, TimedStage
from tuner.progress.wording import (
    draw_sparkline,
    say_estimate,
    say_figure,
    say_rate,
    say_states,
    say_value,
    write_count,
    write_duration,
)

HISTORY_COLUMNS, MEMBER_COLUMNS = 24, 10
"""Width of the sparklines of the search and of a running trial."""
MAX_ROWS = 8
"""Rows of running trials, where the terminal is high enough for them."""
MAX_REASONS = 2
"""Reasons of failed trials in the panel, the last ones."""


def render_status(status: Status, *, since: float = 0.0, rows: int = MAX_ROWS) -> RenderableType:
    """Return a status as a panel.

    since: age of the status in seconds: while trials run, the clock goes on. rows: of running trials, at the most.
    """
    blocks: list[Sequence[RenderableType]] = [
        [Text(status.question, style="dim")] if status.question else [],
        [
            _draw_bar(status),
            Flow(_list_states(status)),
            *_draw_left(status, since),
            Flow(_list_pace(status, since)),
            Flow(_list_devices(status) if status.workers else ()),
        ],
        _draw_best(status),
        _draw_running(status, rows),
        _draw_failures(status),
        _draw_stale(status),
        _draw_test(status),
    ]
    return _frame(status.study, blocks)


def render_stages(study: str, clock: StageClock) -> RenderableType:
    """Return the stages of an evaluation as a panel: done, under way, to come."""
    now = clock.clock()
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    under_way: list[RenderableType] = []
    for name in clock.planned:
        timed = clock.begun.get(name)
        if timed is None:
            grid.add_row(Text("○", style="dim"), Text(STAGES[name], style="dim"))
        elif timed.ended is not None:
            grid.add_row(Text("✓", style="green"), Flow(_list_done(timed, now)))
        else:
            grid.add_row(Text("●", style="cyan"), Flow(_list_under_way(timed, now)))
            if timed.stage.total:
                under_way = [_draw_progress(timed.stage.done, timed.stage.total, timed.stage.noun)]
    spent = sum(timed.seconds(now) for timed in clock.begun.values())
    return _frame(f"{study}: evaluation", [[grid], under_way], write_duration(round(spent)))


class Flow:
    """Pieces of text side by side, parted by dots; a line ends between two pieces, and within one only if it must."""

    def __init__(self, pieces: Iterable[Text | str], separator: str = " · ") -> None:
        self.pieces = [Text(piece) if isinstance(piece, str) else piece for piece in pieces]
        self.separator = separator

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        yield from self._break(options.max_width)

    def _break(self, width: int) -> Iterator[Text]:
        line = Text(overflow="fold")
        for piece in self.pieces:
            if line and line.cell_len + len(self.separator) + piece.cell_len > width:
                yield line
                line = Text(overflow="fold")
            if line:
                line.append(self.separator, style="dim")
            line.append_text(piece)
        if line:
            yield line


def _frame(title: str, blocks: Sequence[Sequence[RenderableType]], footer: str | None = None) -> Panel:
    """Return blocks with an empty line between two of them, in a frame."""
    lines: list[RenderableType] = []
    for block in filter(None, blocks):
        lines += [Text()] if lines else []
        lines += block
    return Panel(
        Group(*lines),
        title=Text(title, style="bold"),
        title_align="left",
        subtitle=footer,
        subtitle_align="right",
        padding=(1, 2),
    )


def _draw_bar(status: Status) -> RenderableType:
    return _draw_progress(status.finished, status.budget_trials, "trial")


def _draw_progress(done: int, total: int, noun: str) -> RenderableType:
    row = Table.grid(expand=True, padding=(0, 2, 0, 0))
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(total=max(1, total), completed=min(done, total), complete_style="cyan", finished_style="green")
    row.add_row(bar, Text(f"{done:,} of {write_count(total, noun)}"))
    return row


def _list_states(status: Status) -> list[Text]:
    told = [Text(text, style=style) for text, style in say_states(status.states, len(status.stale_leases))]
    return told or [Text("no trial yet", style="dim")]


def _list_pace(status: Status, since: float) -> list[Text]:
    if status.elapsed is None:
        return []
    goes_on = len(status.running) > len(status.stale_leases)
    told = [write_duration(round(status.elapsed + (since if goes_on else 0.0)))]
    if status.rate:
        told.append(say_rate(status.rate))
    if status.trained_epochs:
        told.append(write_count(status.trained_epochs, "epoch"))
        if status.elapsed:
            told.append(f"{status.trained_epochs / status.elapsed:.1f} epochs/s")
    return [Text(text, style="dim") for text in told]


def _draw_left(status: Status, since: float) -> list[RenderableType]:
    """Return what is left of the search and of the evaluation after it, as far as that is known."""
    if status.handed_on_test is not None:
        return []
    if status.finished >= status.budget_trials:
        search = "search done"
    elif status.seconds_left is None:
        return []
    else:
        search = f"{say_estimate(max(0.0, status.seconds_left - since))} of search left"
    if status.evaluation_seconds is None or status.verdict:
        return [Text(search)]
    return [Flow([search, f"then evaluation, {say_estimate(status.evaluation_seconds)}"], ", ")]


def _draw_best(status: Status) -> list[RenderableType]:
    if status.best_value is None:
        return [Text("no trial is complete yet", style="dim")]
    figure = Text.assemble(
        f"{status.figure_of_merit} ",
        (say_figure(status.best_value, status.best_low, status.best_high), "bold green"),
        " on validation",
    )
    head = Text(f"best complete trial: {status.best_trial}")
    line = Text(draw_sparkline(status.history, HISTORY_COLUMNS), style="green")
    params = [Text.assemble((f"{name} ", "dim"), say_value(value)) for name, value in status.best_params.items()]
    return [Flow([head, figure, *([line] if line else [])], "  "), Flow(params)]


def _draw_running(status: Status, rows: int) -> list[RenderableType]:
    stale = set(status.stale_leases)
    running = [trial for trial in status.running if trial.number not in stale]
    if not running or not rows:
        return []
    return [Members(running, rows, status.budget_epochs)]


class Members:
    """Running trials side by side in as many columns as fit: number, epoch, best AUC so far, its curve."""

    def __init__(self, running: Sequence[RunningTrial], rows: int, epochs: int | None) -> None:
        self.running = running
        self.rows = rows
        self.epochs = epochs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the heading and the table."""
        cells = [self._write(trial) for trial in self.running]
        widths = [max(cell_len(cell[place]) for cell in cells) for place in range(4)]
        one = sum(widths) + 2 * 4 + 1
        n_columns = max(1, (options.max_width + 3) // one)
        shown = cells[: self.rows * n_columns]
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(min(n_columns, len(shown))):
            grid.add_column(justify="right", width=widths[0], style="cyan")
            grid.add_column(justify="right", width=widths[1], style="dim")
            grid.add_column(justify="right", width=widths[2])
            grid.add_column(width=widths[3] + 1, style="cyan")
        for start in range(0, len(shown), n_columns):
            grid.add_row(*(text for cell in shown[start : start + n_columns] for text in cell))
        yield Text("training now: trial, epoch, best validation AUC so far", style="dim")
        yield grid
        if more := len(cells) - len(shown):
            yield Text(f"and {more:,} more", style="dim")

    def _write(self, trial: RunningTrial) -> tuple[str, str, str, str]:
        of = "" if self.epochs is None else f"/{self.epochs}"
        value = f"{trial.values[-1]:.4f}" if trial.values else ""
        return str(trial.number), f"{trial.epoch}{of}", value, draw_sparkline(trial.values, MEMBER_COLUMNS)


def _draw_failures(status: Status) -> list[RenderableType]:
    """Return the last reasons of failed trials, each once, with the trials that it is of."""
    by_reason: dict[str, list[int]] = {}
    for trial in status.failures:
        by_reason.setdefault(trial.reason or "unknown", []).append(trial.number)
    reasons = list(by_reason.items())
    lines: list[RenderableType] = [
        Text(say_failure(numbers, reason), style="red", overflow="fold") for reason, numbers in reasons[-MAX_REASONS:]
    ]
    if hidden := [number for _, numbers in reasons[:-MAX_REASONS] for number in numbers]:
        lines.append(Text(f"{say_trials(hidden)} failed for other reasons: see tuner.log", style="red"))
    return [*_list_kinds(status), *lines]


def _list_kinds(status: Status) -> list[RenderableType]:
    """Return how many trials failed, and how many were given back, by kind of failure, as one block of text."""
    told = [
        Text(f"{write_count(count[key], 'trial')} {what} ({kind})", style=style)
        for key, what, style in (("failed", "failed", "red"), ("resumed", "given back", "yellow"))
        for kind, count in status.failure_kinds.items()
        if count[key]
    ]
    return [Flow(told)] if told else []


def say_failure(numbers: Sequence[int], reason: str) -> str:
    """Return which trials failed and why, the reason's first line."""
    first = reason.strip().splitlines()[0] if reason.strip() else "unknown"
    return f"{say_trials(numbers)} failed: {first}"


def say_trials(numbers: Sequence[int]) -> str:
    """Return numbers of trials, runs of them together: `trial 7`, `trials 3, 5-9`."""
    runs = [
        [number for _, number in run] for _, run in groupby(enumerate(sorted(numbers)), lambda item: item[1] - item[0])
    ]
    told = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"trial {told}" if len(numbers) == 1 else f"trials {told}"


def _draw_stale(status: Status) -> list[RenderableType]:
    if not status.stale_leases:
        return []
    text = f"{say_trials(status.stale_leases)}: the worker is gone; the next sweep resumes what it left"
    return [Text(text, style="yellow")]


def _draw_test(status: Status) -> list[RenderableType]:
    """Return who has won, and every figure of what is handed on, once there was an evaluation."""
    told: list[RenderableType] = [Text(status.verdict)] if status.verdict else []
    if not status.handed_on_test:
        return told
    ends = status.handed_on_test_intervals or {}
    figures = [
        Text.assemble((f"{name} ", "dim"), say_figure(value, *ends.get(name, (None, None))))
        for name, value in status.handed_on_test.items()
    ]
    what = f": {status.handed_on}" if status.handed_on else ""
    head = Text(f"handed on{what}; on the test part")
    return [*told, head, Flow(figures)]


def _list_devices(status: Status) -> list[Text]:
    """Return how many workers there are and what they use, as far as that is known."""
    told = [write_count(status.workers, "worker")]
    if status.devices is not None:
        if status.devices.cores is not None:
            told.append(f"CPU {status.devices.cores:.1f} of {write_count(status.devices.n_cores, 'core')}")
        for gpu in status.devices.gpus:
            busy = "" if gpu.utilisation is None else f"{gpu.utilisation:.0%}, "
            told.append(f"GPU {gpu.index}: {busy}{gpu.used:.1f} of {gpu.total:.0f} GiB")
    return [Text(text, style="dim") for text in told]


def _list_done(timed: TimedStage, now: float) -> list[Text]:
    stage = timed.stage
    counted = [Text(write_count(stage.done, stage.noun))] if stage.total else []
    return [Text(STAGES[stage.name]), *counted, Text(write_duration(timed.seconds(now)), style="dim")]


def _list_under_way(timed: TimedStage, now: float) -> list[Text]:
    told = [Text(STAGES[timed.stage.name], style="bold"), Text(write_duration(round(timed.seconds(now))), style="dim")]
    if timed.stage.total and timed.stage.done > timed.first_done:
        pace = 60 * (timed.stage.done - timed.first_done) / max(1e-9, timed.advanced - timed.began)
        told.append(Text(f"{pace:.1f}/min", style="dim"))
    if (left := timed.seconds_left(now)) is not None:
        told.append(Text(f"{say_estimate(left)} left"))
    return told
