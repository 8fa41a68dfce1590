"""Score distributions: test filled, train as points over it, as TMVA's overtraining check; the gap in AUC told."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    BACKGROUND,
    INK,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    headline,
    start_figure,
    write_name,
)
from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.bootstrap import measure_train_gap
from tuner.metrics.curves import auc
from tuner.metrics.measurement import Measurement, write_fixed

CLASSES = (("background", BACKGROUND, "////"), ("signal", SIGNAL, ""))


def draw_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    train: tuple[ArrayLike, ArrayLike, ArrayLike | None] | None = None,
    threshold: float | None = None,
    figure_cut: tuple[str, float] | None = None,
    part: str = "test",
    gap: Measurement | None = None,
    n_bins: int = 40,
    n_replicas: int = 200,
    seed: int = 0,
) -> Drawing:
    """Draw the score of signal and background, each of area 1, linear and logarithmic.

    Errors are sqrt(sum w^2), those of this part as bands. In place of Kolmogorov-Smirnov probabilities, which know no
    weights and always fail for many events, the gap in AUC from train to this part is told with its 68 % interval.

    Args:
        labels: [n] in {0, 1}.
        scores: [n] in [0, 1].
        weights: Event weights [n]; None: ones.
        train: Labels, scores and weights of the training part, drawn as points; None: they are left out.
        threshold: The working point, drawn as a line; None: there is none.
        figure_cut: Name and threshold of another cut, that of a figure of merit, drawn as a second line; None: none.
        part: Name of the part that the events are of.
        gap: AUC on train minus that on this part, where it was measured elsewhere: told as it is, so that a number has
            one error. None: it is measured here.
        n_bins: Bins of equal width from 0 to 1.
        n_replicas: Bootstrap replicas, for the interval of the gap.
        seed: Of the replicas.

    Returns:
        The drawing; its table has a row for each bin, class and part.

    Raises:
        EventsError: As `check_arrays` does.
    """
    here = check_arrays(labels, scores, weights)
    there = None if train is None else check_arrays(*train)
    edges = np.linspace(0, 1, n_bins + 1)
    frame = pd.concat(
        [_tabulate(arrays, edges, name) for name, arrays in ((part, here), ("train", there)) if arrays is not None],
        ignore_index=True,
    )
    figure = start_figure(11.0, 4.6)
    for axes, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        _draw_histograms(axes, frame[frame["part"] == part], edges, part)
        if there is not None:
            _draw_points(axes, frame[frame["part"] == "train"])
        _draw_cuts(axes, threshold, figure_cut)
        counted = "weighted events" if weights is not None else "events"
        dress(
            axes, x=r"score   (background-like $\leftarrow$   $\rightarrow$ signal-like)", y=f"{counted}, area 1 each"
        )
        axes.set(xlim=(0, 1), yscale=scale)
        _limit(axes, frame, scale)
    add_legend(figure.axes[0], "upper center", ncols=2)
    title = f"Scores of signal and background, {part} part"
    headline(figure, title)
    alt = f"{title}, each of area 1."
    if there is not None:
        if gap is None:
            gap = measure_train_gap(_as_labels(there), _as_labels(here), n_replicas=n_replicas, seed=seed)
        decimals = 4 if gap.decimals is None else gap.decimals
        areas = [write_fixed(auc(*_as_labels(arrays)), decimals) for arrays in (there, here)]
        words = f"AUC train {areas[0]}, {part} {areas[1]}, gap {gap.signed}"
        figure.axes[1].set_title(words, fontsize=10, color=INK, loc="left", pad=8)
        alt += f" {words}."
    return Drawing(figure, frame, title, alt, panels=figure.axes)


def _draw_cuts(axes: Axes, threshold: float | None, figure_cut: tuple[str, float] | None) -> None:
    named = [("working point", np.inf if threshold is None else threshold, "--")]
    named += [] if figure_cut is None else [(*figure_cut, "-.")]
    for name, at, linestyle in named:
        if np.isfinite(at):
            axes.axvline(at, color=INK, linewidth=1.2, linestyle=linestyle, label=f"{write_name(name, 40)}, {at:.3f}")


def _tabulate(arrays: Arrays, edges: np.ndarray, part: str) -> pd.DataFrame:
    """Return density and its error by bin and class: part, class, low, high, density, error, events."""
    tables = []
    for name, chosen in (("background", ~arrays.is_signal), ("signal", arrays.is_signal)):
        score, weight = arrays.scores[chosen], arrays.weights[chosen]
        sums, squares = (np.histogram(score, edges, weights=w)[0] for w in (weight, weight**2))
        scale = weight.sum() * np.diff(edges)
        columns = {"density": sums / scale, "error": np.sqrt(squares) / scale}
        counts = np.histogram(score, edges)[0]
        tables.append(
            pd.DataFrame(
                {"part": part, "class": name, "low": edges[:-1], "high": edges[1:], **columns, "events": counts}
            )
        )
    return pd.concat(tables, ignore_index=True)


def _draw_histograms(axes: Axes, table: pd.DataFrame, edges: np.ndarray, part: str) -> None:
    """Draw each class with its errors as bands; on a logarithmic axis these end above zero."""
    floor = 1e-9
    for name, colour, hatch in CLASSES:
        density = table.loc[table["class"] == name, "density"].to_numpy()
        axes.stairs(
            density,
            edges,
            fill=True,
            facecolor="none" if hatch else to_rgba(colour, 0.25),
            hatch=hatch,
            hatch_linewidth=0.7,
            edgecolor=colour,
            linewidth=1.6,
            label=f"{name}, {part}",
        )
        error = table.loc[table["class"] == name, "error"].to_numpy()
        axes.stairs(
            density + error, edges, baseline=np.maximum(density - error, floor), fill=True, color=colour, alpha=0.35
        )


def _draw_points(axes: Axes, table: pd.DataFrame) -> None:
    for name, colour, _ in CLASSES:
        own = table[(table["class"] == name) & (table["events"] > 0)]
        axes.errorbar(
            (own["low"] + own["high"]) / 2,
            own["density"],
            yerr=own["error"],
            fmt="o",
            markersize=3.4,
            color=colour,
            elinewidth=1.0,
            label=f"{name}, train",
        )


def _limit(axes: Axes, frame: pd.DataFrame, scale: str) -> None:
    """Leave room for the legend above the histograms; start the logarithm below the smallest bin with events."""
    top = float((frame["density"] + frame["error"]).max())
    if scale == "linear":
        axes.set_ylim(0, 1.28 * top)
    else:
        smallest = float(frame.loc[frame["density"] > 0, "density"].min())
        axes.set_ylim(max(smallest / 2, top * 1e-5), 3 * top)


def _as_labels(arrays: Arrays) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return arrays.is_signal.astype(np.int8), arrays.scores, arrays.weights
