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
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.measurement import Measurement, measure
from tuner.metrics.probabilities import assign_bins, calibrate

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
) -> Drawing:
    """Draw the share of signal against the mean score in quantile bins, and the scores below.

    labels [n] in {0, 1}, scores [n] in [0, 1], event weights [n] (None: ones). Networks are trained on weights that
    give both classes the same total, so their scores are probabilities with respect to these: the weights are scaled
    so here. Error bars are a bootstrap at fixed bins. The expected calibration error (ECE) cannot be negative: what
    a perfectly calibrated network would have by chance, median and 68 % interval, is told beside it, and the pull of
    the worst bin. Raise `EventsError` as `calibrate` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    balanced = balance_classes(is_signal, weight)
    central = calibrate(is_signal, score, balanced, n_bins=n_bins)
    frame, chance = _tabulate(is_signal, score, balanced, n_bins=n_bins, n_replicas=n_replicas, seed=seed)
    figure = start_figure(COLUMN, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.0, 1.0))
    _draw_reliability(upper, frame)
    _draw_score_shares(lower, is_signal, score, balanced)
    told = f"ECE {central.expected_error:.2g}, by chance alone {chance.value:.2g} [{chance.low:.2g}, {chance.high:.2g}]"
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


def _tabulate(
    is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray, *, n_bins: int, n_replicas: int, seed: int
) -> tuple[pd.DataFrame, Measurement]:
    """Return the bins with the interval of each signal fraction, and the ECE by chance alone, median and 68 %.

    Chance alone: how far a replica's bins move away from where they are. Pull: how far a bin is from the diagonal, in
    standard deviations that a perfectly calibrated network would have; not-a-number where there is none.
    """
    bins = assign_bins(scores, weights, n_bins)
    share, mean, fraction = _sum_bins(bins, is_signal, scores, weights)
    kept = share > 0
    fractions, chances = [], []
    for counts in draw_counts(is_signal, n_replicas, seed):
        again = _sum_bins(bins, is_signal, scores, balance_classes(is_signal, weights * counts))
        fractions.append(again[2])
        chances.append(np.nansum((share * np.abs(again[2] - again[1] - (fraction - mean)))[kept]))
    bands = [measure(value, column) for value, column in zip(fraction, np.transpose(fractions), strict=True)]
    spread = _expect_spread(bins, is_signal, scores, weights)
    table = pd.DataFrame(
        {
            "mean_score": mean,
            "signal_fraction": fraction,
            "low": [band.low for band in bands],
            "high": [band.high for band in bands],
            "share": share / share[kept].sum(),
            "events": np.bincount(bins),
            "pull": np.divide(fraction - mean, spread, out=np.full(len(share), np.nan), where=spread > 0),
        }
    )
    return table[kept].reset_index(drop=True), measure(float(np.median(chances)), np.array(chances))


def _sum_bins(
    bins: np.ndarray, is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return share of the weight, mean score and signal fraction by bin; not-a-number where there is no weight."""
    sums, score_sums, signal_sums = (np.bincount(bins, weights * factor) for factor in (1.0, scores, is_signal))
    positive = np.where(sums > 0, sums, np.nan)
    return sums / weights.sum(), score_sums / positive, signal_sums / positive


def _expect_spread(bins: np.ndarray, is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each bin's signal fraction if every score were the probability of signal.

    Not of the events that are there: a bin that happens to hold no signal would have none.
    """
    of_signal, of_background = (
        (weights[chosen] ** 2).sum() / weights[chosen].sum() for chosen in (is_signal, ~is_signal)
    )
    one = scores * (1 - scores) * ((1 - scores) * of_signal + scores * of_background)
    totals, sums = np.bincount(bins, weights), np.bincount(bins, weights * one)
    variance = np.divide(sums, totals**2, out=np.zeros(len(totals)), where=totals > 0)
    return np.sqrt(np.maximum(variance, 0))


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
