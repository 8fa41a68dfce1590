"""Tables for a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.evaluate.evaluation import Evaluation
    from tuner.metrics.measurement import Measurement


def print_evaluation(evaluation: Evaluation) -> None:
    """Print every figure of merit, one a row, one column per candidate and part."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{evaluation.study}: winner is trial {evaluation.winner}", title_justify="left")
    table.add_column("figure")
    for part in evaluation.parts:
        table.add_column(f"{part.candidate}, {part.part}", justify="right", no_wrap=True)
    names = dict.fromkeys(name for part in evaluation.parts for name in part.measurements)
    for name in names:
        table.add_row(name, *(_say_measurement(part.measurements.get(name)) for part in evaluation.parts))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    console.print("In brackets: 68 % interval.", style="dim")


def _say_measurement(measurement: Measurement | None) -> str:
    if measurement is None:
        return "-"
    return f"{measurement.value:#.4g} [{measurement.low:#.4g}, {measurement.high:#.4g}]"
