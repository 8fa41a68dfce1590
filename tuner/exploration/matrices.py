"""Pictures of how features go together: matrices of their correlations."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tuner.exploration.exploration import Exploration
from tuner.figures.drawing import BACKGROUND, INK, QUIET, SIGNAL, write_name

MAX_NUMBERED = 12
"""Features whose correlations are written into the cells, at most."""
MAX_NAMED = 45
"""Names beside a matrix, at most."""
MAX_LETTERS = 22
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
EMPTY = "#E6E9EC"
"""The diagonal, and what has no correlation: a feature that does not vary."""
CELL, SMALLEST, LARGEST = 0.32, 2.4, 6.0
"""Inches: a cell with a number, and the sides of a matrix."""
LETTER = 0.068
"""Inches of a letter beside a matrix."""
TOP, BELOW, BAR = 0.62, 0.3, 0.62
"""Inches: title of a matrix, numbers below it, scale below all."""


def draw_correlations(exploration: Exploration) -> Figure:
    """Draw three matrices: correlations of signal below the diagonal and of background above it, those of values and
    those of ranks, and how signal differs from background. Written in per cent where the numbers fit.
    """
    linear, ranks = exploration.correlations, exploration.rank_correlations
    pictures = (
        ("Correlations", _fold(linear["signal"], linear["background"]), *BOTH),
        ("Correlations of ranks", _fold(ranks["signal"], ranks["background"]), *BOTH),
        (
            "Signal minus background",
            _fold(*(matrices["signal"] - matrices["background"] for matrices in (linear, ranks))),
            ("below: correlations", INK),
            ("above: those of ranks", INK),
        ),
    )
    names = [str(name) for name in linear["signal"].columns]
    side = float(np.clip(CELL * len(names), SMALLEST, LARGEST))
    written = [write_name(name, MAX_LETTERS) for name in names]
    margin = 0.3 + LETTER * max(map(len, written)) + LETTER * len(str(len(names)))
    width, height = len(pictures) * (side + margin + 0.1), side + TOP + BELOW + BAR
    figure = Figure(figsize=(width, height), facecolor="white")
    for number, (title, matrix, below, above) in enumerate(pictures):
        left = number * (side + margin + 0.1) + margin
        axis = figure.add_axes((left / width, (BAR + BELOW) / height, side / width, side / height))
        _draw_matrix(axis, matrix, written)
        _write_titles(axis, side, title, below, above)
    _add_scale(figure, width, height)
    return figure


BOTH = (("below: signal", SIGNAL), ("above: background", BACKGROUND))
"""What is drawn below the diagonal, and above it, each with its colour."""


def _fold(below: object, above: object) -> np.ndarray:
    """Return one matrix below the diagonal and another above it, not-a-number on it."""
    matrix: np.ndarray = np.tril(np.asarray(below), -1) + np.triu(np.asarray(above), 1)
    np.fill_diagonal(matrix, np.nan)
    return matrix


def _draw_matrix(axis: Axes, matrix: np.ndarray, names: list[str]) -> None:
    """Draw a matrix; names stand beside it with their numbers, the numbers below it."""
    axis.set_facecolor(EMPTY)
    axis.imshow(matrix, cmap=COLOURS, vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    places = np.arange(0, len(names), -(-len(names) // MAX_NAMED))
    size = 8 if len(places) <= 30 else 6
    below = places[:: -(-len(places) // 24)]
    axis.set_yticks(places, [f"{names[place]}  {place + 1}" for place in places], fontsize=size)
    axis.set_xticks(below, [str(place + 1) for place in below], fontsize=size)
    axis.tick_params(length=0, colors=INK, pad=3)
    axis.spines[:].set_visible(False)
    if len(names) <= MAX_NUMBERED:
        for (row, column), value in np.ndenumerate(matrix):
            if np.isfinite(value):
                colour = "white" if abs(value) > STRONG else INK
                text = str(round(100 * value)).replace("-", "\N{MINUS SIGN}")
                axis.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)


def _write_titles(axis: Axes, side: float, title: str, below: tuple[str, str], above: tuple[str, str]) -> None:
    """Write what a matrix shows, and what lies below and above its diagonal."""
    axis.text(0, 1 + 0.3 / side, title, transform=axis.transAxes, fontsize=10.5, weight="bold", color=INK)
    for place, ha, (text, colour) in ((0, "left", below), (1, "right", above)):
        axis.text(place, 1 + 0.09 / side, text, transform=axis.transAxes, fontsize=8.5, color=colour, ha=ha)


def _add_scale(figure: Figure, width: float, height: float) -> None:
    """Add the scale of the colours: the figure's last axes."""
    length = min(4.2, 0.6 * width)
    axis = figure.add_axes(((width - length) / 2 / width, 0.4 / height, length / width, 0.1 / height))
    axis.imshow(np.linspace(-1, 1, 256)[None], cmap=COLOURS, aspect="auto", extent=(-1, 1, 0, 1))
    axis.set(xticks=[-1, -0.5, 0, 0.5, 1], yticks=[])
    axis.set_xticklabels(["\N{MINUS SIGN}1", "\N{MINUS SIGN}0.5", "0", "0.5", "1"], fontsize=8)
    axis.tick_params(length=2, colors=INK)
    axis.spines[:].set_visible(False)
    axis.set_xlabel("correlation", fontsize=8, color=QUIET, labelpad=1)
