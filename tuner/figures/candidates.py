"""The candidates side by side: each one's figure of merit with its interval, and its single seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tuner.figures.drawing import (
    COLUMN,
    GOOD,
    INK,
    QUIET,
    SIGNAL,
    Drawing,
    dress,
    frame_values,
    headline,
    name_rows,
    start_figure,
    wrap_text,
    write_formulas,
)
from tuner.metrics.measurement import Measurement
from tuner.progress.wording import write_count

MAX_LETTERS = 28
"""Of a candidate's name."""
CLOSE = 12.0
"""Candidates are shown that are less than so many times farther from the best than half of them are,"""
MAX_WIDTHS = 12.0
"""and no farther than so many of the best one's intervals, which could not be seen otherwise."""


def draw_candidates(table: pd.DataFrame, *, figure_name: str, part: str, best: str | None) -> Drawing:
    """Draw a dot and its interval for each candidate, the largest value on top.

    table: candidate, value, low, high (68 %), and perhaps seeds: a list of the values of single seeds, drawn as faint
    dots. best: the candidate that is highlighted; None: none is. figure_name: of the values.
    """
    frame = table.sort_values("value", ascending=False, kind="stable", na_position="last", ignore_index=True)
    figure = start_figure(COLUMN, 1.5 + 0.4 * max(len(frame), 1))
    axes = figure.subplots()
    for place, row in enumerate(frame.to_dict("records")):
        _draw_row(axes, place, row, highlighted=row["candidate"] == best)
    winner = frame[frame["candidate"] == best]
    if len(winner):
        axes.axvline(winner["value"].iloc[0], color=GOOD, linewidth=1.0, linestyle="--", zorder=1)
    dress(axes, x=write_formulas(wrap_text(f"{figure_name}, {part} part (68 % intervals)", 40)), y="")
    name_rows(axes, list(frame["candidate"]), most=MAX_LETTERS)
    seeds = [value for row in frame.get("seeds", []) for value in _list_seeds(row)]
    axes.set_xlim(*_limit(frame))
    _mark_below(axes, frame)
    _write_values(axes, frame, best)
    title = f"{write_count(len(frame), 'candidate')}, {part} part"
    headline(figure, title + (", faint: single seeds" if seeds else ""))
    told = "; ".join(f"{row['candidate']} {_tell(row)}" for row in frame.to_dict("records"))
    starred = f" Highlighted is {best}." if len(winner) else ""
    return Drawing(figure, frame, title, f"{title}, {figure_name} from the largest: {told or 'none'}.{starred}")


def _draw_row(axes: Axes, place: int, row: Mapping[Any, Any], *, highlighted: bool) -> None:
    colour = GOOD if highlighted else SIGNAL
    seeds = _list_seeds(row.get("seeds"))
    axes.scatter(seeds, np.full(len(seeds), place + 0.24), s=20, color=QUIET, alpha=0.5, linewidth=0)
    axes.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
    axes.plot(
        [row["value"]],
        [place],
        marker="D" if highlighted else "o",
        markersize=7 if highlighted else 5,
        color=colour,
        markeredgecolor="white",
        zorder=4,
    )


def _limit(frame: pd.DataFrame) -> tuple[float, float]:
    """Return limits around the candidates that compete; one that is far worse must not press them together."""
    top = float(frame["value"].max())
    widths = frame["high"] - frame["low"]
    distance = max(CLOSE * float((top - frame["value"]).median()), 2 * float(widths.max()))
    if len(widths) and np.isfinite(widths.iloc[0]) and widths.iloc[0] > 0:
        distance = max(min(distance, MAX_WIDTHS * widths.iloc[0]), 2 * widths.iloc[0])
    shown = frame[frame["value"] >= top - distance]
    seeds = [value for row in shown.get("seeds", []) for value in _list_seeds(row)]
    values = np.array([*shown["value"], *shown["low"], *shown["high"], *seeds], dtype=np.float64)
    return frame_values(values[values >= top - 2 * distance])


def _mark_below(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw an arrow to the left for each candidate that lies below the range."""
    low, high = axes.get_xlim()
    below = np.flatnonzero(frame["value"] < low)
    edge = np.full(len(below), low + 0.03 * (high - low))
    axes.scatter(edge, below, s=60, color=SIGNAL, marker="$\\leftarrow$", zorder=3, clip_on=False)


def _write_values(axes: Axes, frame: pd.DataFrame, best: str | None) -> None:
    """Write each value with its error right of the frame."""
    for place, row in enumerate(frame.to_dict("records")):
        axes.annotate(
            _tell(row),
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9.5,
            color=GOOD if row["candidate"] == best else INK,
            annotation_clip=False,
        )


def _list_seeds(seeds: object) -> np.ndarray:
    """Return the values of single seeds [k]; none where a candidate has none."""
    return np.asarray(seeds, dtype=np.float64) if isinstance(seeds, list | tuple | np.ndarray) else np.empty(0)


def _tell(row: Mapping[Any, Any]) -> str:
    return str(Measurement(float(row["value"]), float(row["low"]), float(row["high"])))
