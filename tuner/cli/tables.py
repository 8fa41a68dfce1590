"""Tables for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from tuner.evaluate.evaluation import Evaluation, PartEvaluation
    from tuner.metrics.measurement import Measurement

STYLES = {"winner": "bold", "better": "green", "worse": "dim", "not distinguishable": ""}


def print_evaluation(evaluation: Evaluation) -> None:
    """Print how all candidates stand, then every figure of the network that is handed on."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(_tabulate_standings(evaluation))
    own = [part for part in evaluation.parts if part.candidate == "winner"]
    console.print(_tabulate_figures(f"Network handed on: trial {evaluation.winner}, seed {evaluation.seed}", own))
    console.print("In brackets: 68 % interval. Minus winner: paired, over events and seeds.", style="dim")


def _tabulate_standings(evaluation: Evaluation) -> Table:
    from rich.table import Table

    part = evaluation.last_part
    title = f"{evaluation.study}: {evaluation.figure_of_merit} on {part}, mean over trainings"
    table = Table(title=title, title_justify="left")
    table.add_column("candidate")
    table.add_column("trainings", justify="right")
    for name in (part, "minus winner", "verdict"):
        table.add_column(name, justify="left" if name == "verdict" else "right", no_wrap=True)
    for s in evaluation.standings_on(part):
        difference = "" if s.verdict == "winner" else _say_measurement(s.difference)
        cells = (s.candidate, str(len(s.singles)), _say_measurement(s.figure), difference, s.verdict)
        table.add_row(*cells, style=STYLES[s.verdict])
    return table


def _tabulate_figures(title: str, parts: Sequence[PartEvaluation]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for part in parts:
        table.add_column(part.part, justify="right", no_wrap=True)
    for name in dict.fromkeys(name for part in parts for name in part.measurements):
        table.add_row(name, *(_say_measurement(part.measurements.get(name)) for part in parts))
    return table


def _say_measurement(measurement: Measurement | None) -> str:
    if measurement is None:
        return "-"
    return f"{measurement.value:#.4g} [{measurement.low:#.4g}, {measurement.high:#.4g}]"
