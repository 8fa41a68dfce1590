"""One trial at a glance: learning curve, ROC curve, scores; light enough to be drawn for every trial of a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from tuner.figures.drawing import BACKGROUND, GOOD, INK, LABEL_SIZE, QUIET, SIGNAL, Drawing, dress
from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.curves import RocCurve, roc

N_POINTS = 400
"""Points of the ROC curve that are drawn."""

LEGEND: dict[str, Any] = {"fontsize": 9, "handlelength": 1.8, "framealpha": 0.9, "edgecolor": "none"}

N_BINS = 40
"""Bins of the scores."""

MANY = 10**1.5
"""Ratio of the fullest to the emptiest bin beyond which the axis is logarithmic."""


def draw_trial(
    number: int,
    curve: pd.DataFrame,
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float | None = None,
) -> Drawing:
    """Draw losses and AUC over epochs, eps_S over eps_B, and the scores of both classes, on validation.

    Without bands and automatic layout: a fifth of the cost of the report's figures.

    Args:
        number: The trial's.
        curve: Table with epoch, train_loss, validation_loss and validation_auc.
        labels: [n], 1 for signal, 0 for background.
        scores: [n], in [0, 1].
        weights: [n] event weights; None: ones.
        threshold: The cut of the working point, which is marked; None: it is not.
    """
    arrays = check_arrays(labels, scores, weights)
    points = roc(*arrays)
    figure = Figure(figsize=(15.0, 3.9), facecolor="white")
    losses, of_cuts, of_scores = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.15, top=0.9, wspace=0.5)
    best = _draw_epochs(losses, curve)
    _title(losses, f"trial {number}, best epoch {best['epoch']:.0f}")
    frame = _draw_roc(of_cuts, points, threshold)
    _draw_scores(of_scores, arrays, threshold)
    title = f"validation AUC {points.area:.4f}"
    _title(of_cuts, title)
    alt = f"Learning curve, ROC curve and scores of trial {number}: {title}, best epoch {best['epoch']:.0f}."
    return Drawing(figure, frame, f"Trial {number}", alt)


def draw_learning_curve(number: int, curve: pd.DataFrame, *, end: str) -> Drawing:
    """Draw losses and AUC over the epochs of a trial that did not complete.

    Args:
        number: The trial's.
        curve: Table with epoch, train_loss, validation_loss and validation_auc; one row at least.
        end: How it ended, as "pruned", "failed" or "interrupted".
    """
    figure = Figure(figsize=(7.0, 3.9), facecolor="white")
    losses = figure.subplots()
    figure.subplots_adjust(left=0.13, right=0.84, bottom=0.15, top=0.9)
    best = _draw_epochs(losses, curve)
    last = curve["epoch"].iloc[-1]
    title = f"trial {number}, {end} after epoch {last:.0f}"
    _title(losses, title)
    area = f"best validation AUC {best['validation_auc']:.4f} at epoch {best['epoch']:.0f}"
    return Drawing(figure, curve, f"Trial {number}", f"Learning curve of {title}, {area}.")


def _draw_epochs(losses: Axes, curve: pd.DataFrame) -> pd.Series:
    """Draw losses on the left axis and the AUC on the right one; return the epoch of the highest AUC."""
    finite = curve[np.isfinite(curve["validation_auc"])]
    best = curve.iloc[0] if finite.empty else finite.loc[finite["validation_auc"].idxmax()]
    epochs = curve["epoch"]
    marker = "o" if len(curve) == 1 else ""
    look: dict[str, Any] = {"linewidth": 1.6, "marker": marker, "markersize": 4}
    losses.plot(epochs, curve["train_loss"], color=QUIET, linestyle=":", label="training loss", **look)
    losses.plot(epochs, curve["validation_loss"], color=QUIET, label="validation loss", **look)
    _dress(losses, x="epoch", y="loss")
    area = losses.twinx()
    area.xaxis.set_visible(False)
    area.plot(epochs, curve["validation_auc"], color=GOOD, label="AUC", **look)
    area.plot(best["epoch"], best["validation_auc"], marker="*", markersize=12, color=GOOD, markeredgecolor="white")
    _dress(area, x="epoch", y="validation AUC", side=1.19)
    area.grid(visible=False)
    area.spines["right"].set_visible(True)
    area.spines["left"].set_visible(False)
    for axes in (losses, area):  # room for the legend above the lines
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.16 * (high - low))
    losses.set_xlim(float(epochs.min()) - 0.5, float(epochs.max()) + 0.5)
    handles = [*losses.lines, area.lines[0]]
    area.legend(handles=handles, loc="upper center", ncols=3, **{**LEGEND, "fontsize": 8.5, "columnspacing": 1.2})
    return best


def _draw_roc(axes: Axes, points: RocCurve, threshold: float | None) -> pd.DataFrame:
    thin = np.unique(np.linspace(0, len(points.eps_b) - 1, N_POINTS).astype(int))
    frame = pd.DataFrame({"eps_b": points.eps_b[thin], "eps_s": points.eps_s[thin]})
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
    axes.plot(frame["eps_b"], frame["eps_s"], color=SIGNAL, linewidth=1.8)
    if threshold is not None and np.isfinite(threshold):
        at = int(np.searchsorted(-points.thresholds, -threshold, side="right")) - 1
        eps_b, eps_s = points.eps_b[at], points.eps_s[at]
        words = f"working point:\n$\\varepsilon_S$ {eps_s:.3f}, $\\varepsilon_B$ {eps_b:.3f}"
        axes.plot(eps_b, eps_s, "o", color=BACKGROUND, markersize=6, label=words)
        axes.legend(loc="lower right", **LEGEND)
    _dress(axes, x=r"$\varepsilon_B$ = 1 - specificity", y=r"$\varepsilon_S$ = sensitivity")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    return frame


def _draw_scores(axes: Axes, arrays: Arrays, threshold: float | None) -> None:
    edges = np.linspace(0, 1, N_BINS + 1)
    top, bottom = 0.0, np.inf
    for name, chosen, colour in (
        ("background", ~arrays.is_signal, BACKGROUND),
        ("signal", arrays.is_signal, SIGNAL),
    ):
        sums = np.histogram(arrays.scores[chosen], edges, weights=arrays.weights[chosen])[0]
        density = sums * N_BINS / arrays.weights[chosen].sum()
        top, bottom = max(top, float(density.max())), min(bottom, float(density[density > 0].min(initial=np.inf)))
        axes.stairs(density, edges, fill=True, color=colour, alpha=0.22)
        axes.stairs(density, edges, color=colour, linewidth=1.6, label=name)
    if threshold is not None and 0 <= threshold <= 1:
        axes.axvline(threshold, color=QUIET, linewidth=1.2, linestyle="--", label=f"working point {threshold:.3f}")
    _dress(axes, x="score", y="weighted events, area 1 each")
    axes.set(xlim=(0, 1), ylim=(0, 1.3 * top))
    if bottom * MANY < top:
        axes.set(yscale="log", ylim=(bottom / 2, top * (top / bottom) ** 0.25))
    axes.legend(loc="upper center", ncols=3, **LEGEND)


def _dress(axes: Axes, *, x: str, y: str, side: float = -0.14) -> None:
    """Give axes the look of all others, with labels in fixed places: to find places takes half of the drawing."""
    dress(axes, x=x, y=y)
    axes.xaxis.set_label_coords(0.5, -0.11)
    axes.yaxis.set_label_coords(side, 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=x == "epoch", min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _title(axes: Axes, text: str) -> None:
    axes.text(0.0, 1.03, text, transform=axes.transAxes, fontsize=LABEL_SIZE, color=INK)
