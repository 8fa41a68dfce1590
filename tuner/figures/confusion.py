"""What the working point makes of each class: the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from tuner.figures.drawing import BACKGROUND, INK, SIGNAL, Drawing, dress, headline, start_figure
from tuner.metrics.arrays import check_arrays
from tuner.metrics.at_threshold import Confusion, sum_confusion
from tuner.progress.wording import write_count, write_number

STRONGEST = 0.3
"""Opacity of a cell that holds all: letters stand out from it, on a dark page too."""


def draw_confusion(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, threshold: float, part: str
) -> Drawing:
    """Draw the share of each true class that the cut "score >= threshold" selects and rejects.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones). Each cell tells its share of the true class by
    weight, its sum of weights and its number of events. Right decisions are blue, wrong ones orange, the stronger
    the larger the share. Precision is the share of signal in what is selected, as many of either class as there are
    here; an analysis expects others.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    selected = score >= threshold
    sums = sum_confusion(is_signal, selected, weight)
    counts = sum_confusion(is_signal, selected, np.ones(len(weight)))
    frame = _tabulate(sums, counts)
    figure = start_figure(4.8, 4.4)
    axes = figure.subplots()
    for place, row in enumerate(frame.to_dict("records")):
        _draw_cell(axes, place, row, weighted=weights is not None)
    counted = "weighted events" if weights is not None else "events"
    told = f"sensitivity {sums.sensitivity:.3f}, specificity {sums.specificity:.3f}"
    precision = f"precision {sums.precision:.3f}" if np.isfinite(sums.precision) else "nothing selected"
    y = f"truth (shares of class, {counted})"
    dress(axes, x=rf"decision at the working point, score $\geq$ {threshold:.3f}", y=y, title=f"{told}, {precision}")
    axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
    axes.set_xticks([0, 1], ["signal\n(selected)", "background\n(rejected)"])
    axes.set_yticks([0, 1], ["signal", "background"], rotation=90, va="center")
    axes.grid(visible=False)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    title = f"Confusion matrix, {part} part"
    headline(figure, title)
    words = "; ".join(
        f"{row['truth']} {row['decision']}: {row['share']:.1%}, {write_number(row['weight'], 5)} by weight, "
        f"{write_count(row['events'], 'event')}"
        for row in frame.to_dict("records")
    )
    return Drawing(figure, frame, title, f"{title}, working point {threshold:.3f}: {told}, {precision}. {words}.")


def _tabulate(sums: Confusion, counts: Confusion) -> pd.DataFrame:
    """Return truth, decision, share (of the true class), weight and events, one row per cell."""
    cells = [
        ("signal", "selected", sums.true_positive, counts.true_positive, sums.sensitivity),
        ("signal", "rejected", sums.false_negative, counts.false_negative, 1 - sums.sensitivity),
        ("background", "selected", sums.false_positive, counts.false_positive, 1 - sums.specificity),
        ("background", "rejected", sums.true_negative, counts.true_negative, sums.specificity),
    ]
    return pd.DataFrame(
        [(truth, decision, share, weight, int(events)) for truth, decision, weight, events, share in cells],
        columns=["truth", "decision", "share", "weight", "events"],
    )


def _draw_cell(axes: Axes, place: int, row: Mapping[Any, Any], *, weighted: bool) -> None:
    """Draw the cell of a row of the table: 0 and 1 above, 2 and 3 below."""
    down, right = divmod(place, 2)
    colour = SIGNAL if down == right else BACKGROUND
    strength = float(np.clip(row["share"], 0, 1)) * STRONGEST + 0.06
    axes.add_patch(Rectangle((right - 0.48, down - 0.48), 0.96, 0.96, facecolor=to_rgba(colour, strength), linewidth=0))
    events = write_count(row["events"], "event")
    small = f"{write_number(row['weight'])} by weight\n{events}" if weighted else events
    axes.text(right, down - 0.08, f"{row['share']:.1%}", ha="center", va="center", fontsize=20, color=INK)
    axes.text(right, down + 0.2, small, ha="center", va="center", fontsize=10, color=INK)
