"""Parallel coordinates: each trial a line down through its parameters, coloured by what it reached.

The axes lie: names and values are read without turning the head, and a narrow page holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize

from tuner.figures.drawing import COLUMN, GOOD, INK, QUIET, Drawing, headline, start_figure, write_formulas, write_name
from tuner.progress.wording import write_count

NOT_USED = -0.14
"""Place on the axis of a parameter that a trial does not have."""
ROW = 0.55
"""Inches from one axis to the next."""
MAX_TICKS = 7
COLOURS = LinearSegmentedColormap.from_list("value", ["#DCE3E9", "#8FC1E3", "#0072B2", "#00263D"])


def draw_parallel_coordinates(
    trials: pd.DataFrame,
    *,
    parameters: Sequence[str] | None = None,
    logarithmic: Collection[str] | None = None,
    best: int | None = None,
    most: int = 12,
    figure_name: str = "validation AUC",
) -> Drawing:
    """Draw a line per trial that has a value, the higher the darker, one highlighted.

    trials: number, state, value, then parameters, as `tabulate_trials` returns them. parameters: which, the most
    important first; None: those that most trials have. The first `most` that vary are drawn. logarithmic: which have
    logarithmic axes; None: those above 0 that span two decades. best: number of the trial to be highlighted; None:
    the complete one with the largest value. A trial that lacks a parameter passes to the left of its axis.
    figure_name: what the value is, by which trials are chosen; trials without one are counted, and not drawn.
    """
    table = trials[trials["value"].notna()].sort_values("value", ignore_index=True)
    varied = [n for n in parameters or _rank_by_use(table) if table[n].dropna().astype(str).unique().size > 1]
    axes_of = [_Axis.of(str(name), table[name], logarithmic) for name in varied[:most]]
    figure = start_figure(COLUMN, 2.0 + ROW * max(len(axes_of), 2))
    axes = figure.subplots()
    title = f"Parameters of {len(table)} trials"
    if len(varied) > most:
        title += f", {most} of {len(varied)} that vary"
    headline(figure, title)
    if not axes_of or table.empty:
        axes.axis("off")
        axes.text(0.5, 0.5, "no parameter varied yet", ha="center", color=QUIET, transform=axes.transAxes)
        return Drawing(figure, table, title, f"{title}: no parameter varied yet.")
    places = np.column_stack([axis.places for axis in axes_of])
    low = float(table["value"].quantile(0.2))
    normalise = Normalize(low, max(float(table["value"].iloc[-1]), low + 1e-9), clip=True)
    highlighted = _find_highlighted(table, best)
    _draw_lines(axes, table, places, normalise, highlighted)
    for row, axis in enumerate(axes_of):
        axis.draw(axes, row)
    axes.set(xlim=(-0.2, 1.05), ylim=(len(axes_of) - 0.45, -0.5))
    axes.axis("off")
    scale = ScalarMappable(normalise, COLOURS)
    bar = figure.colorbar(
        scale, ax=axes, location="bottom", pad=0.01, fraction=0.16 / figure.get_figheight(), aspect=30, extend="min"
    )
    bar.set_label(write_formulas(figure_name), fontsize=10, color=INK)
    bar.ax.tick_params(labelsize=9, labelcolor=INK)
    bar.outline.set_visible(False)
    top = table.iloc[highlighted]
    told = ", ".join(f"{axis.name} = {_tell(top[axis.name])}" for axis in axes_of if not pd.isna(top[axis.name]))
    alt = f"{title}. Highlighted is trial {top['number']} ({figure_name} {top['value']:.4f}): {told}."
    if n_without := int(trials["value"].isna().sum()):
        alt += f" Not drawn: {write_count(n_without, 'trial')} without {figure_name}."
    if left_out := varied[most:]:
        alt += f" Left out, less important: {', '.join(map(str, left_out))}."
    return Drawing(figure, table, title, alt)


@dataclass(frozen=True, eq=False)
class _Axis:
    """One parameter: where trials stand between 0 and 1, and its ticks."""

    name: str
    places: np.ndarray
    ticks: tuple[tuple[float, str], ...]
    partial: bool
    """Whether some trials lack it."""

    @classmethod
    def of(cls, name: str, values: pd.Series, logarithmic: Collection[str] | None) -> _Axis:
        missing = values.isna().to_numpy()
        is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if not is_number:
            places, ticks = _place_choices(values)
        else:
            numbers = values.to_numpy(dtype=np.float64)
            low, high = np.nanmin(numbers), np.nanmax(numbers)
            wide = bool(low > 0 and high / low >= 100)
            places, ticks = _place_numbers(
                numbers, log=low > 0 and (wide if logarithmic is None else name in logarithmic)
            )
        return cls(name, np.where(missing, NOT_USED, places), ticks, bool(missing.any()))

    def draw(self, axes: Axes, row: int) -> None:
        """Draw the axis with its name above and its ticks below."""
        axes.plot([0, 1], [row, row], color=INK, linewidth=1.0, zorder=4)
        text: dict[str, Any] = {"fontsize": 8.5, "color": INK, "zorder": 6}
        halo = {"boxstyle": "round,pad=0.12", "facecolor": "white", "alpha": 0.8, "edgecolor": "none"}
        for place, told in (*self.ticks, *([(NOT_USED, "not used")] if self.partial else [])):
            axes.plot([place, place], [row, row + 0.06], color=INK, linewidth=1.0, zorder=4)
            axes.text(place, row + 0.1, write_name(told, 24), ha="center", va="top", bbox=halo, **text)
        axes.text(0.0, row - 0.1, write_name(self.name, 60), va="bottom", weight="bold", bbox=halo, **text)


def _draw_lines(axes: Axes, table: pd.DataFrame, places: np.ndarray, normalise: Normalize, highlighted: int) -> None:
    """Draw trials from the worst to the best, so that the best lie on top."""
    colours = COLOURS(normalise(table["value"].to_numpy()))
    rows = np.arange(places.shape[1])
    jitter = np.random.default_rng(0).uniform(-0.012, 0.012, len(table))
    for place, (line, colour, state) in enumerate(zip(places, colours, table["state"], strict=True)):
        pruned = state == "pruned"
        axes.plot(
            line + jitter[place], rows, color=colour, linewidth=0.8 if pruned else 1.3, alpha=0.35 if pruned else 0.75
        )
    axes.plot(places[highlighted], rows, color=GOOD, linewidth=2.8, marker="o", markersize=4, zorder=5)


def _rank_by_use(table: pd.DataFrame) -> list[str]:
    """Return the parameters, those first that more trials have; of equals in their order."""
    parameters = table.drop(columns=["number", "state", "value"])
    return list(parameters.notna().sum().sort_values(ascending=False, kind="stable").index)


def _find_highlighted(table: pd.DataFrame, best: int | None) -> int:
    """Return the row of the trial `best`, or of the best complete one, or the last of all; values rise."""
    chosen = table["state"] == "complete" if best is None else table["number"] == best
    return int(np.flatnonzero(chosen)[-1]) if chosen.any() else len(table) - 1


def _place_choices(values: pd.Series) -> tuple[np.ndarray, tuple[tuple[float, str], ...]]:
    """Return places of named choices, evenly spaced in the order of their names."""
    names = sorted({str(value) for value in values.dropna()})
    places = {name: order / max(len(names) - 1, 1) for order, name in enumerate(names)}
    return values.map(lambda value: places.get(str(value), 0.0)).to_numpy(float), tuple(
        (place, name) for name, place in places.items()
    )


def _place_numbers(numbers: np.ndarray, *, log: bool) -> tuple[np.ndarray, tuple[tuple[float, str], ...]]:
    """Return places of numbers between the smallest and the largest, and ticks at both and in between."""
    scale = np.log10 if log else np.asarray
    low, high = float(scale(np.nanmin(numbers))), float(scale(np.nanmax(numbers)))
    distinct = np.unique(numbers[~np.isnan(numbers)])
    if len(distinct) <= MAX_TICKS and np.all(distinct == distinct.round()):
        marks = distinct
    elif log:
        decades = 10.0 ** np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1)
        marks = decades if len(decades) > 1 else np.array([10.0**low, 10.0**high])
    else:
        marks = np.linspace(low, high, 5)
    places = (scale(numbers) - low) / (high - low)
    return places, tuple((float((scale(mark) - low) / (high - low)), _tell(mark)) for mark in marks)


def _tell(value: object) -> str:
    """Return a number with three digits, whole ones with all of theirs, and anything else as it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) < 1e6 and value == round(value) else f"{value:.3g}"
