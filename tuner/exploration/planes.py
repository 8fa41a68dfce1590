"""Pictures of the most telling features, two at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tuner.exploration.binning import FeatureHistogram
from tuner.exploration.drawing import draw_histogram, mark_values
from tuner.exploration.exploration import Exploration
from tuner.exploration.pairs import PairHistogram
from tuner.figures.drawing import BACKGROUND, INK, QUIET, SIGNAL, write_name
from tuner.figures.units import NONE, split_unit

CELL, GAP = 1.75, 0.14
LEFT, BOTTOM, TOP = 0.85, 0.85, 0.45
"""Inches: a plane, the room between two, and around all."""
FAINTEST = 0.12
"""Strength of the colour of a cell that is not empty."""
CLASSES = LinearSegmentedColormap.from_list("classes", [(0.0, BACKGROUND), (0.5, "#A8A29C"), (1.0, SIGNAL)])


def draw_pairs(exploration: Exploration, units: Mapping[str, str] = NONE) -> Figure:
    """Draw where signal and background lie in the plane of each two of the most telling features.

    The colour of a cell says which class prevails in it, both of them counted as one; its strength how many events lie
    there. Features by themselves stand on the diagonal, correlations above it.

    Args:
        exploration: What `explore_events` returned.
        units: Unit of a feature, by its name; else what the name says.
    """
    drawn = _list_drawn(exploration)
    names, n = {histogram.name: _name(histogram.name, units) for histogram in drawn}, len(drawn)
    width, height = LEFT + n * (CELL + GAP) + 0.1, BOTTOM + n * (CELL + GAP) + TOP
    figure = Figure(figsize=(width, height), facecolor="white")
    pairs = {(pair.x.name, pair.y.name): pair for pair in exploration.pairs}
    for row, y in enumerate(drawn):
        for column, x in enumerate(drawn):
            corner = (LEFT + column * (CELL + GAP), BOTTOM + (n - 1 - row) * (CELL + GAP))
            axis = figure.add_axes((corner[0] / width, corner[1] / height, CELL / width, CELL / height))
            if column < row:
                _draw_plane(axis, pairs[x.name, y.name])
            elif column == row:
                draw_histogram(axis, x, with_shares=False)
                axis.set_title(names[x.name], fontsize=9.5, weight="bold", color=INK, loc="left", y=1.02)
            else:
                _write_correlations(axis, exploration, x.name, y.name)
            _label(axis, names[x.name] if row == n - 1 else "", names[y.name] if column == 0 < row else "")
    _add_key(figure, width, height)
    return figure


def _list_drawn(exploration: Exploration) -> list[FeatureHistogram]:
    """Return the features that are paired, in their order."""
    return list({h.name: h for pair in exploration.pairs for h in (pair.x, pair.y)}.values())


def _draw_plane(axis: Axes, pair: PairHistogram) -> None:
    """Draw the cells of a plane."""
    signal, background = np.maximum(pair.signal, 0), np.maximum(pair.background, 0)
    total = signal + background
    with np.errstate(invalid="ignore", divide="ignore"):
        colours = CLASSES(np.where(total > 0, signal / total, 0.5))
    # Shares of cells of unequal size are compared as they are: what is drawn is how many events lie in a cell.
    strength = np.sqrt(total / (np.quantile(total[total > 0], 0.98) if (total > 0).any() else 1.0))
    colours[..., 3] = np.where(total > 0, np.clip(strength, FAINTEST, 1), 0)
    axis.pcolormesh(pair.x_edges, pair.y_edges, colours.transpose(1, 0, 2), rasterized=True)
    axis.set_xlim(pair.x_edges[0], pair.x_edges[-1])
    axis.set_ylim(pair.y_edges[0], pair.y_edges[-1])
    mark_values(axis, pair.x, "x", 3)
    mark_values(axis, pair.y, "y", 3)
    axis.tick_params(labelsize=8, colors=INK, length=3)
    axis.spines[:].set_color(QUIET)
    axis.spines[:].set_linewidth(0.6)


def _write_correlations(axis: Axes, exploration: Exploration, x: str, y: str) -> None:
    """Write how two features go together in each class."""
    axis.axis("off")
    for height, kind, colour in ((0.62, "signal", SIGNAL), (0.32, "background", BACKGROUND)):
        value = float(exploration.correlations[kind][x][y])
        text = "\N{EN DASH}" if np.isnan(value) else f"{round(value, 2) or 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")
        axis.text(0.5, height, text, ha="center", va="center", fontsize=13, color=colour)


def _label(axis: Axes, x: str, y: str) -> None:
    """Write the names of the features at the outer axes, and take the numbers away from the others."""
    axis.set_xlabel(x, fontsize=8.5, color=INK)
    axis.set_ylabel(y, fontsize=8.5, color=INK)
    axis.tick_params(labelbottom=bool(x), labelleft=bool(y))


def _name(column: str, units: Mapping[str, str]) -> str:
    """Return the name of a feature with its unit."""
    name, unit = split_unit(column, units)
    return f"{write_name(name, 20)} [{write_name(unit, 8)}]" if unit else write_name(name, 22)


def _add_key(figure: Figure, width: float, height: float) -> None:
    """Add the scale of the colours, from background to signal, at the top right."""
    length = 1.6
    place = ((width - length - 1.05) / width, 1 - 0.26 / height, length / width, 0.11 / height)
    axis = figure.add_axes(place)
    told = "one by one and two by two; above the diagonal: correlations"
    figure.text(0.01, 1 - 0.2 / height, told, fontsize=8.5, color=QUIET, ha="left", va="center")
    axis.imshow(np.linspace(0, 1, 256)[None], cmap=CLASSES, aspect="auto", extent=(0, 1, 0, 1))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    for end, ha, text, colour in (
        (-0.04, "right", "background", BACKGROUND),
        (1.04, "left", "signal", SIGNAL),
    ):
        axis.text(end, 0.5, text, ha=ha, va="center", fontsize=9, color=colour, transform=axis.transAxes)
