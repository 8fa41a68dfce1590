"""Pictures of the events: each feature, signal over background, and how features go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tuner.exploration.exploration import Exploration
from tuner.exploration.feature import FeatureHistogram
from tuner.figures.drawing import BACKGROUND, INK, QUIET, SIGNAL, write_name
from tuner.figures.units import NONE, split_unit

MAX_NUMBERED = 16
STRONG = 0.5
"""Correlation from which the number in a cell is white. The colours pass quickly there from light to dark, so that
numbers stand out from either side."""
COLOURS = LinearSegmentedColormap.from_list(
    "correlation",
    [
        (0.0, "#053061"),
        (0.2, "#2F79B5"),
        (0.3, "#B7D6E8"),
        (0.5, "#FFFFFF"),
        (0.7, "#F9CDB9"),
        (0.8, "#C4433E"),
        (1.0, "#67001F"),
    ],
)


def save_exploration(exploration: Exploration, folder: Path, *, units: Mapping[str, str] = NONE) -> list[Path]:
    """Write the table of features as CSV, and the figures as PNG and PDF. Return the paths.

    units: of features by name, on the axes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "features.csv"
    exploration.frame().to_csv(table, index=False)
    paths = [table]
    if exploration.cut_flow is not None:
        paths.append(folder / "cut_flow.csv")
        exploration.cut_flow.frame().to_csv(paths[-1], index=False)
    drawn = {"features": draw_features(exploration, units=units), "correlations": draw_correlations(exploration)}
    for name, figure in drawn.items():
        settle(figure)
        for suffix in ("png", "pdf"):
            paths.append(folder / f"{name}.{suffix}")
            figure.savefig(paths[-1], dpi=150)
    return paths


def draw_features(exploration: Exploration, *, n_columns: int | None = None, units: Mapping[str, str] = NONE) -> Figure:
    """Draw the shares of signal and of background in bins of each feature, the most telling feature first.

    Shares are of what is drawn, with errors sqrt(sum w^2). An axis is logarithmic where a linear one would hide most.
    units: of features by name; of others what stands in the name.
    """
    histograms = {histogram.name: histogram for histogram in exploration.histograms}
    columns = n_columns or min(len(histograms), 4 if len(histograms) > 6 else 3)
    rows = -(-len(histograms) // columns)
    figure = Figure(figsize=(3.5 * columns, 2.7 * rows + 0.5), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (name, measures) in zip(axes, exploration.features.iterrows(), strict=False):
        title, unit = split_unit(str(name), units)
        _draw_feature(axis, histograms[str(name)], title)
        _write_below(axis, histograms[str(name)], measures, unit)
    for axis in axes[len(histograms) :]:
        axis.set_visible(False)
    handles = [Patch(fc=to_rgba(SIGNAL, 0.3), ec=SIGNAL, lw=1.4), Patch(fc="none", ec=BACKGROUND, hatch="////", lw=1.4)]
    names = ["signal", "background"]
    figure.legend(handles, names, loc="outside upper center", ncols=2, frameon=False, fontsize=10)
    return figure


def draw_correlations(exploration: Exploration) -> Figure:
    """Draw the correlations of signal and of background, written in per cent where the numbers fit."""
    names = [histogram.name for histogram in exploration.histograms]
    numbered = len(names) <= MAX_NUMBERED
    side = max(2.2, (0.4 if numbered else 0.24) * len(names))
    written = [write_name(name) for name in names]
    margin = 0.3 + 0.075 * max(map(len, written))
    figure = Figure(figsize=(2 * (side + margin) + 0.4, side + margin + 1.0), layout="compressed")
    axes = figure.subplots(1, 2)
    for axis, (kind, matrix) in zip(axes, exploration.correlations.items(), strict=True):
        image = axis.imshow(matrix.to_numpy(), cmap=COLOURS, vmin=-1, vmax=1)
        axis.set_title(kind.capitalize(), fontsize=11, color=SIGNAL if kind == "signal" else BACKGROUND, weight="bold")
        axis.set_xticks(range(len(names)), written, rotation=90, fontsize=9)
        axis.set_yticks(range(len(names)), written, fontsize=9)
        axis.tick_params(length=0, colors=INK)
        axis.spines[:].set_visible(False)
        if numbered:
            _number_cells(axis, matrix.to_numpy())
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, pad=0.03, aspect=40)
    bar.set_label("correlation", fontsize=9, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=INK)
    return figure


def settle(figure: Figure) -> Figure:
    """Lay a figure out once and for all: each file that is saved would do it again."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _draw_feature(axis: Axes, histogram: FeatureHistogram, title: str) -> None:
    """Draw one feature: signal filled, background hatched."""
    edges, signal, background = histogram.edges, histogram.signal, histogram.background
    axis.stairs(signal, edges, fill=True, color=SIGNAL, alpha=0.3, lw=0)
    axis.stairs(background, edges, fill=True, fc="none", ec=BACKGROUND, hatch="////", lw=0, alpha=0.4)
    axis.stairs(signal, edges, color=SIGNAL, lw=1.4)
    axis.stairs(background, edges, color=BACKGROUND, lw=1.4)
    for shares, errors, colour in (
        (signal, histogram.signal_error, SIGNAL),
        (background, histogram.background_error, BACKGROUND),
    ):
        axis.errorbar(_find_middles(histogram), shares, yerr=errors, fmt="none", ecolor=colour, elinewidth=0.9)
    axis.set_title(write_name(title, 26), loc="left", fontsize=10, weight="bold", color=INK)
    axis.set_ylabel("share of class per bin", fontsize=8, color=INK)
    axis.set_xlim(edges[0], edges[-1])
    _limit_shares(axis, histogram)
    if histogram.axis == "logarithmic":
        axis.set_xscale("log")
    else:
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=histogram.axis == "whole"))
    axis.tick_params(labelsize=8, colors=INK, length=3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(QUIET)


def _find_middles(histogram: FeatureHistogram) -> np.ndarray:
    """Return the middles of the bins as they are drawn."""
    lower, upper = histogram.edges[:-1], histogram.edges[1:]
    middles: np.ndarray = np.sqrt(lower * upper) if histogram.axis == "logarithmic" else (lower + upper) / 2
    return middles


def _limit_shares(axis: Axes, histogram: FeatureHistogram) -> None:
    """Choose the axis of shares: from 0, or logarithmic from below the smallest share to above the largest."""
    shares = np.concatenate([histogram.signal, histogram.background])
    errors = np.concatenate([histogram.signal_error, histogram.background_error])
    top = float((shares + errors).max()) or 1.0
    if histogram.is_steep:
        axis.set_yscale("log", nonpositive="clip")
        axis.set_ylim(max(0.5 * float(shares[shares > 0].min()), 1e-6 * top), 2 * top)
    else:
        axis.set_ylim(min(0.0, 1.05 * float(shares.min())), 1.05 * top)
        axis.yaxis.set_major_locator(MaxNLocator(3))


def _write_below(axis: Axes, histogram: FeatureHistogram, measures: pd.Series, unit: str) -> None:
    """Write unit, measures, and what share is undefined below a feature."""
    measured = f"AUC {measures['auc']:.3f}   separation {measures['separation']:.3f}"
    lines = [f"{write_name(unit, 16)}   {measured}" if unit else measured]
    if max(histogram.undefined) > 0:
        signal, background = histogram.undefined
        lines.append(f"undefined: {signal:.0%} of signal, {background:.0%} of background")
    axis.set_xlabel("\n".join(lines), fontsize=8, color=QUIET)


def _number_cells(axis: Axes, matrix: np.ndarray) -> None:
    """Write correlations in per cent into their cells, but for the diagonal."""
    for (row, column), value in np.ndenumerate(matrix):
        if row != column and np.isfinite(value):
            colour = "white" if abs(value) > STRONG else INK
            axis.text(column, row, str(round(100 * value)), ha="center", va="center", fontsize=8, color=colour)
