"""Whether the cut shapes an observer, such as a mass, in background: before and after, against chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    INK,
    QUIET,
    Drawing,
    add_legend,
    dress,
    headline,
    shorten,
    start_figure,
    write_name,
)
from tuner.metrics.sculpting import Sculpting, measure_sculpting

MAX_RATIO = 12.0
"""Of what passes to all, that is shown; what lies above is marked."""


def draw_sculpting(
    observer: ArrayLike,
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float,
    name: str,
    part: str,
    n_subsamples: int = 200,
    seed: int = 0,
) -> Drawing:
    """Draw an observer in background, all of it and what passes the cut "score >= threshold", of area 1 each.

    Below is the ratio of these two shapes, not of the events.
    observer [n], not finite where undefined (left out and counted); labels [n] in {0, 1}, scores [n], event weights
    [n] (None: ones). name: the observer's. Told are the Jensen-Shannon divergence of the two in bits, and what random
    subsamples of the background, as many events as pass, have by chance. Raise `EventsError` as `measure_sculpting`
    does.
    """
    found = measure_sculpting(
        observer, labels, scores, weights, threshold=threshold, n_subsamples=n_subsamples, seed=seed
    )
    frame = _tabulate(found)
    figure = start_figure(COLUMN, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 1.0))
    _draw_shapes(upper, frame, found, threshold)
    n_beyond = _draw_ratio(lower, frame)
    counted = "weighted events" if weights is not None else "events"
    told = _tell_divergence(found)
    dress(upper, x="", y=f"{counted}, area 1 each", title=told)
    beyond = " (outermost bins hold what lies beyond)" if found.has_tails else ""
    dress(lower, x=write_name(name, 44) + beyond, y="ratio of shapes")
    upper.set_xlim(found.edges[0], found.edges[-1])
    upper.set_ylim(min(0.0, float(frame["after"].min())), 1.35 * _top(frame))
    add_legend(upper, "upper right")
    title = f"{shorten(name)} in background, before and after the cut, {part} part"
    headline(figure, title)
    background = "weighted background" if weights is not None else "background"
    alt = (
        f"{title}, at {threshold:.3f}: {told}. {100 * found.share_after:.1f} % of the {background} passes "
        f"({found.n_after} of {found.n_before} events). Below is the ratio of the two shapes."
    )
    if n_beyond:
        alt += f" Triangles: {n_beyond} above a ratio of {MAX_RATIO:g}."
    if found.n_undefined:
        alt += f" {found.n_undefined} without a value are left out."
    return Drawing(figure, frame, title, alt)


def _tabulate(found: Sculpting) -> pd.DataFrame:
    """Return low, high, and the densities before and after with their errors, by bin."""
    width = np.diff(found.edges)
    columns = {name: getattr(found, name) / width for name in ("before", "before_error", "after", "after_error")}
    return pd.DataFrame({"low": found.edges[:-1], "high": found.edges[1:], **columns})


def _tell_divergence(found: Sculpting) -> str:
    low, middle, high = (f"{value:.2g}" for value in (found.chance.low, found.chance.value, found.chance.high))
    verdict = "more than chance" if found.beyond_chance else "no more than chance"
    return (
        f"JSD {found.divergence.value:.2g} bits; random subsamples of this size: {middle} [{low}, {high}]; "
        f"p = {found.p_value:.2g}: {verdict}"
    )


def _draw_shapes(axes: Axes, frame: pd.DataFrame, found: Sculpting, threshold: float) -> None:
    left_out = f"; {found.n_undefined} undefined" if found.n_undefined else ""
    axes.stairs(
        frame["before"],
        found.edges,
        fill=True,
        facecolor=to_rgba(BACKGROUND, 0.15),
        edgecolor=BACKGROUND,
        linewidth=1.4,
        label=f"all background ({found.n_before} events{left_out})",
    )
    own = frame[(frame["before_error"] > 0) | (frame["after_error"] > 0)]
    axes.errorbar(
        (own["low"] + own["high"]) / 2,
        own["after"],
        yerr=own["after_error"],
        fmt="o",
        markersize=3.8,
        color=INK,
        elinewidth=1.1,
        label=rf"score $\geq$ {threshold:.3f} ({100 * found.share_after:.1f} %, {found.n_after} events)",
    )


def _draw_ratio(axes: Axes, frame: pd.DataFrame) -> int:
    """Draw the ratio of the densities, with the error of what passes; return how many lie above the axis."""
    filled = frame[frame["before"] > 0]
    ratio, error = filled["after"] / filled["before"], filled["after_error"] / filled["before"]
    axes.axhline(1, color=QUIET, linewidth=1.0, linestyle=":")
    axes.errorbar(
        (filled["low"] + filled["high"]) / 2, ratio, yerr=error, fmt="o", markersize=3.8, color=INK, elinewidth=1.1
    )
    if not len(ratio):
        return 0
    top = min(MAX_RATIO, max(2.0, 1.15 * float((ratio + error).max())))
    axes.set_ylim(min(0.0, float(ratio.min())), top)
    beyond = filled[ratio > top]
    axes.plot((beyond["low"] + beyond["high"]) / 2, [0.94 * top] * len(beyond), "^", color=INK, markersize=6)
    return len(beyond)


def _top(frame: pd.DataFrame) -> float:
    return float(max(frame["before"].max(), (frame["after"] + frame["after_error"]).max()))
