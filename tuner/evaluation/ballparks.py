"""What others reached beside what this study did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tuner.evaluation.results import Evaluation
from tuner.metrics.measurement import Measurement
from tuner.problem import BALLPARK_FIGURES, Problem

OWN = "this study"


@dataclass(frozen=True)
class BallparkRow:
    """Figures of somebody, or of this study."""

    name: str
    figures: Mapping[str, float | Measurement]
    """By name; with intervals those of this study, with a cut those at its working point."""
    split: str
    """Which events they were measured on."""
    source: str
    to_beat: bool = False


def list_ballparks(problem: Problem, evaluation: Evaluation | None) -> list[BallparkRow]:
    """Return what others reached, and last what this study did, where that was measured.

    Args:
        problem: Names the ballparks.
        evaluation: None where there is none.
    """
    rows = [BallparkRow(b.name, b.figures, b.split, b.source, b.to_beat) for b in problem.ballparks]
    own = None if evaluation is None else evaluation.own_part
    if own is None or not rows:
        return rows
    figures = {name: own.measurements[name] for name in list_figures(rows) if name in own.measurements}
    weighted = ", with event weights" if problem.weight is not None else ""
    return [*rows, BallparkRow(OWN, figures, own.part + weighted, "")] if figures else rows


def list_figures(rows: Sequence[BallparkRow]) -> list[str]:
    """Return the figures that any row has, in their order."""
    return [name for name in BALLPARK_FIGURES.values() if any(name in row.figures for row in rows)]


def tabulate_ballparks(problem: Problem, evaluation: Evaluation | None) -> pd.DataFrame:
    """Return the rows as a table: a column for each figure, its error in one of its own, and where it comes from."""
    rows = list_ballparks(problem, evaluation)
    return pd.DataFrame([_write_row(row, list_figures(rows)) for row in rows])


def _write_row(row: BallparkRow, names: Sequence[str]) -> dict[str, str | float | bool | None]:
    written: dict[str, str | float | bool | None] = {"who": row.name}
    for name in names:
        figure = row.figures.get(name)
        written[name] = figure.value if isinstance(figure, Measurement) else figure
        written[f"{name} error"] = figure.error if isinstance(figure, Measurement) else None
    return written | {"split": row.split, "source": row.source, "to beat": row.to_beat}
