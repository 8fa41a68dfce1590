"""Templates of the score at expected yields, with their statistical errors: what a fit of the score starts from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    INK,
    OTHERS,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    headline,
    start_figure,
)
from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.expected_significance import measure_binned_significance
from tuner.metrics.measurement import Measurement
from tuner.metrics.significance import asimov_significance

SYSTEMATICS = (0.0, 0.1, 0.3)
"""Relative uncertainties of each bin's background."""
COLOURS = (SIGNAL, *OTHERS)
MARKERS = "osv"


def draw_score_templates(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    edges: ArrayLike,
    s: float,
    b: float,
    part: str,
    systematics: Sequence[float] = SYSTEMATICS,
    n_replicas: int = 200,
    seed: int = 0,
) -> Drawing:
    """Draw the expected events in bins of the score, signal on top of background, and the significance of each bin.

    The hatched band is the statistical error of the events that the templates are made of, sqrt(sum w^2) rescaled. Told
    is the significance of all bins together, sqrt(sum of Z^2), of backgrounds that are uncertain bin by bin, without
    correlation.

    Args:
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n], rescaled per class to `s` and `b`; None: ones.
        edges: [k + 1], rising, of bins [low, high); as `choose_score_bins` gives them. Bins are drawn as wide as each
            other.
        s: Signal events that are expected in all bins.
        b: Background events that are expected in all bins.
        part: The part that the events are of.
        systematics: Uncertainties of each bin's background, as shares of it.
        n_replicas: Bootstrap replicas for the intervals of the significances.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    arrays = check_arrays(labels, scores, weights)
    bounds = np.asarray(edges, dtype=np.float64)
    frame = _tabulate(arrays, bounds, s=s, b=b, systematics=systematics)
    found = {
        share: measure_binned_significance(
            *arrays, edges=bounds, s=s, b=b, relative_systematic=share, n_replicas=n_replicas, seed=seed
        )
        for share in systematics
    }
    figure = start_figure(COLUMN, 6.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(1.7, 1.0))
    _draw_templates(upper, frame)
    _draw_significances(lower, frame, found)
    _name_edges(lower, bounds, arrays.scores)
    dress(upper, x="", y="expected events")
    dress(lower, x=r"score, bin by bin   (signal-like $\rightarrow$)", y="$Z$ of the bin")
    add_legend(upper, "upper right")
    add_legend(lower, "upper left", fontsize=9)
    title = f"Score at expected yields (s = {s:,.6g}, b = {b:,.6g}), {part} part"
    headline(figure, title)
    rows = "; ".join(
        f"from {row['low']:.3g}: s {row['s']:.3g} ± {row['s_error']:.2g}, b {row['b']:.4g} ± {row['b_error']:.2g}"
        for row in frame.to_dict("records")
    )
    return Drawing(figure, frame, title, f"{title}. Z of all bins: {_list(found)}. {rows}.")


def _tabulate(arrays: Arrays, edges: np.ndarray, *, s: float, b: float, systematics: Sequence[float]) -> pd.DataFrame:
    """Return a row for each bin: low, high, s, s_error, b, b_error, and `z at 10 %` for each systematic.

    A bin without background counts the background of one effective event for its significance, so that none is
    infinitely significant.
    """
    bins = np.searchsorted(edges[1:-1], arrays.scores, side="right")
    columns: dict[str, np.ndarray] = {"low": edges[:-1], "high": edges[1:]}
    for name, chosen, total in (("s", arrays.is_signal, s), ("b", ~arrays.is_signal, b)):
        weight = arrays.weights[chosen]
        sums, squares = (np.bincount(bins[chosen], w, minlength=len(edges) - 1) for w in (weight, weight**2))
        scale = total / weight.sum()
        columns |= {name: scale * sums, f"{name}_error": scale * np.sqrt(squares)}
    weight = arrays.weights[~arrays.is_signal]
    background = np.maximum(columns["b"], b * float((weight**2).sum()) / float(weight.sum()) ** 2)
    for share in systematics:
        columns[_name_column(share)] = asimov_significance(columns["s"], background, share * background)
    return pd.DataFrame(columns)


def _name_column(share: float) -> str:
    return f"z at {100 * share:g} %"


def _list(found: dict[float, Measurement]) -> str:
    """Return the significances by the background's uncertainty, in words."""
    return ", ".join(f"{z} at a background uncertainty of {100 * share:g} %" for share, z in found.items())


def _draw_templates(axes: Axes, frame: pd.DataFrame) -> None:
    """Draw the stack, logarithmic, with the band of its errors."""
    edges = np.arange(len(frame) + 1) - 0.5
    b, total = frame["b"].to_numpy(), (frame["b"] + frame["s"]).to_numpy()
    positive = frame[["s", "b"]].to_numpy()
    floor = 0.3 * float(positive[positive > 0].min())
    total, b = np.maximum(total, floor), np.maximum(b, floor)
    style: dict[str, Any] = {"fill": True, "linewidth": 1.5}
    axes.stairs(total, edges, baseline=b, facecolor=to_rgba(SIGNAL, 0.35), edgecolor=SIGNAL, label="signal", **style)
    axes.stairs(
        b,
        edges,
        baseline=floor,
        facecolor=to_rgba(BACKGROUND, 0.2),
        edgecolor=BACKGROUND,
        label="background",
        **style,
    )
    alone = np.maximum(frame["s"].to_numpy(), floor)
    axes.stairs(alone, edges, color=SIGNAL, linewidth=1.4, linestyle="--", label="signal alone")
    error = np.hypot(frame["s_error"].to_numpy(), frame["b_error"].to_numpy())
    axes.stairs(
        np.maximum(total + error, floor),
        edges,
        baseline=np.maximum(total - error, floor),
        fill=True,
        facecolor="none",
        edgecolor=INK,
        hatch="/////",
        linewidth=0,
        label="statistical error",
    )
    axes.set(yscale="log", ylim=(floor, 30 * float((total + error).max())), xlim=(edges[0], edges[-1]))


def _draw_significances(axes: Axes, frame: pd.DataFrame, found: dict[float, Measurement]) -> None:
    middle = np.arange(len(frame))
    for place, (share, z) in enumerate(found.items()):
        axes.plot(
            middle,
            frame[_name_column(share)],
            marker=MARKERS[place % len(MARKERS)],
            linewidth=1.2,
            markersize=5,
            color=COLOURS[place % len(COLOURS)],
            label=rf"$\sigma_b/b$ = {100 * share:g} %; all bins: $Z$ = {z}",
        )
    columns = frame[[_name_column(share) for share in found]].to_numpy()
    axes.set_ylim(0, 1.9 * float(columns.max()) if columns.max() > 0 else 1.0)


def _name_edges(axes: Axes, edges: np.ndarray, scores: np.ndarray) -> None:
    """Write the score at which each bin begins and ends; where bins are open, the outermost scores."""
    inside = scores.min() >= 0 and scores.max() <= 1
    shown = np.clip(edges, *((0, 1) if inside else (scores.min(), scores.max())))
    axes.set_xticks(
        np.arange(len(edges)) - 0.5, [f"{edge:.3f}" if inside else f"{edge:.3g}" for edge in shown], rotation=45
    )
    axes.tick_params(axis="x", which="minor", length=0)
