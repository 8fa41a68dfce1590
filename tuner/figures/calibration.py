"""Whether a score of 0.8 means a signal in eight of ten: the reliability diagram, with its error."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tuner.figures.drawing import (
    BACKGROUND,
    COLUMN,
    QUIET,
    SIGNAL,
    Drawing,
    add_legend,
    dress,
    headline,
    start_figure,
)
from tuner.metrics.arrays import balance_classes, check_arrays
from tuner.metrics.calibration import MeasuredCalibration, measure_calibration
from tuner.metrics.measurement import Measurement

N_SCORE_BINS = 40


def draw_calibration(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    part: str,
    n_bins: int = 10,
    n_replicas: int = 200,
    seed: int = 0,
    name: str = "network",
    error: Measurement | None = None,
) -> Drawing:
    """Draw the share of signal against the mean score in quantile bins, and the scores below.

    Networks are trained on weights that
    give both classes the same total, so their scores are probabilities with respect to these: the weights are scaled
    so here. Error bars are a bootstrap at fixed bins. The expected calibration error (ECE) cannot be negative: what
    a perfectly calibrated network would have by chance, median and 68 % interval, is told beside it, and the pull of
    the worst bin.

    Args:
        labels: [n] in {0, 1}.
        scores: [n] in [0, 1].
        weights: Event weights [n]; None: ones.
        part: Name of the part that the events are of.
        n_bins: Quantile bins.
        n_replicas: Bootstrap replicas, for error bars and for what chance does.
        seed: Of the replicas.
        name: Whose scores, in the title.
        error: The expected calibration error, where it was measured elsewhere: told as it is, so that a number has one
            interval. None: it is measured here.

    Returns:
        The drawing; its table has a row for each bin.

    Raises:
        EventsError: As `measure_calibration` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    found = measure_calibration(is_signal, score, weight, n_bins=n_bins, n_replicas=n_replicas, seed=seed)
    frame, chance = _tabulate(found), found.chance
    figure = start_figure(COLUMN, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 1.0))
    _draw_reliability(upper, frame)
    _draw_score_shares(lower, is_signal, score, balance_classes(is_signal, weight))
    told = f"ECE {found.error if error is None else error}, by chance alone {chance.bracketed}"
    worst = frame.iloc[int(np.nan_to_num(frame["pull"].abs().to_numpy()).argmax())]
    counted = "classes balanced" + (", weighted events" if weights is not None else "")
    dress(upper, x="", y="share of signal", title=f"{told}; largest pull of {len(frame)} bins {worst['pull']:+.1f}")
    dress(lower, x=f"score ({counted})", y="share of class\nper bin")
    upper.set(xlim=(0, 1), ylim=_limit(frame))
    add_legend(upper, "best")
    add_legend(lower, "upper center", ncols=2)
    title = f"Calibration of {name}, {part} part"
    headline(figure, title)
    alt = (
        f"{title}, {counted}: {told}. Farthest from the diagonal, by {worst['pull']:+.1f} standard deviations, is a "
        f"mean score of {worst['mean_score']:.3f} with a share of signal of {worst['signal_fraction']:.3f}."
    )
    return Drawing(figure, frame, title, alt)


def _tabulate(found: MeasuredCalibration) -> pd.DataFrame:
    """Return a row for each bin."""
    bins = found.calibration
    columns = {"mean_score": bins.mean_score, "signal_fraction": bins.signal_fraction}
    columns |= {"low": found.low, "high": found.high, "share": bins.weight, "events": found.events, "pull": found.pull}
    return pd.DataFrame(columns)


def _draw_reliability(axes: Axes, frame: pd.DataFrame) -> None:
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1.0, linestyle=":", label="perfect calibration")
    below, above = frame["signal_fraction"] - frame["low"], frame["high"] - frame["signal_fraction"]
    axes.errorbar(
        frame["mean_score"],
        frame["signal_fraction"],
        yerr=np.nan_to_num(np.maximum([below, above], 0)),
        fmt="o-",
        markersize=5.5,
        color=SIGNAL,
        linewidth=1.2,
        elinewidth=1.4,
        capsize=2.5,
        label="quantile bins, 68 % intervals",
    )


def _draw_score_shares(axes: Axes, is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> None:
    """Draw where the scores lie: each class has a sum of 1."""
    edges = np.linspace(0, 1, N_SCORE_BINS + 1)
    top = 0.0
    for name, chosen, colour, style in (
        ("background", ~is_signal, BACKGROUND, "--"),
        ("signal", is_signal, SIGNAL, "-"),
    ):
        heights = np.histogram(scores[chosen], edges, weights=weights[chosen])[0] / weights[chosen].sum()
        axes.stairs(heights, edges, color=colour, linewidth=1.5, linestyle=style, label=name)
        top = max(top, float(heights.max()))
    axes.set_ylim(0, 1.35 * top)


def _limit(frame: pd.DataFrame) -> tuple[float, float]:
    """Return 0 to 1, and more where negative weights carry a fraction or its interval beyond."""
    values = frame[["signal_fraction", "low", "high"]].to_numpy()
    values = values[np.isfinite(values)]
    return min(0.0, float(values.min())) - 0.03, max(1.0, float(values.max())) + 0.03
