"""One trial at a glance: its learning curve and its ROC curve, light enough to be drawn beside the training."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tuner.figures.drawing import BACKGROUND, QUIET, SIGNAL, Drawing, dress
from tuner.metrics.arrays import check_arrays
from tuner.metrics.curves import auc, roc

N_POINTS = 400


def draw_trial(
    number: int, curve: pd.DataFrame, labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None
) -> Drawing:
    """Draw validation AUC over epochs beside eps_S over eps_B on validation.

    curve: a table with epoch and validation_auc. labels [n] in {0, 1}, scores [n], event weights [n] (None: ones).
    Without bands and automatic layout: a tenth of the cost of the report's figures.
    """
    arrays = check_arrays(labels, scores, weights)
    points = roc(*arrays)
    thin = slice(None, None, max(1, len(points.eps_b) // N_POINTS))
    frame = pd.DataFrame({"eps_b": points.eps_b[thin], "eps_s": points.eps_s[thin]})
    area = auc(*arrays)
    figure = Figure(figsize=(8.0, 3.4))
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.12, right=0.98, bottom=0.16, top=0.88, wspace=0.28)
    best = curve.iloc[int(curve["validation_auc"].argmax())]
    left.plot(curve["epoch"], curve["validation_auc"], color=SIGNAL, linewidth=1.6)
    left.plot(best["epoch"], best["validation_auc"], "o", color=BACKGROUND)
    dress(left, x="epoch", y="validation AUC", title=f"trial {number}, best epoch {best['epoch']:.0f}")
    right.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8, linestyle=":")
    right.plot(frame["eps_b"], frame["eps_s"], color=SIGNAL, linewidth=1.6)
    title = f"validation AUC {area:.4f}"
    dress(right, x=r"$\varepsilon_B$", y=r"$\varepsilon_S$", title=title)
    right.set(xlim=(0, 1), ylim=(0, 1.01))
    return Drawing(figure, frame, f"Trial {number}", f"Learning curve and ROC curve of trial {number}: {title}.")
