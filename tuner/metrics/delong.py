"""DeLong's variance of the AUC (doi:10.2307/2531595), by ranks (Sun and Xu 2014, doi:10.1109/LSP.2014.2337313)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import check_arrays


def delong_covariance(labels: ArrayLike, scores: tuple[ArrayLike, ...], weights: ArrayLike | None = None) -> np.ndarray:
    """Return the covariance [k, k] of the AUCs of k score arrays [n] on the same events.

    Unweighted only: raise `EventsError` where weights differ. Use the bootstrap of `tuner.metrics.bootstrap` then.
    """
    placements = [_place(labels, one, weights) for one in scores]
    of_signal = np.array([signal for signal, _ in placements])
    of_background = np.array([background for _, background in placements])
    n_signal, n_background = of_signal.shape[1], of_background.shape[1]
    if min(n_signal, n_background) < 2:
        raise EventsError(
            f"A variance needs 2 events of each class, but {n_signal} signal, {n_background} background came."
        )
    covariance = np.cov(of_signal) / n_signal + np.cov(of_background) / n_background
    return np.atleast_2d(covariance)


def delong_variance(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the variance of the unweighted AUC; raise `EventsError` where weights differ."""
    return float(delong_covariance(labels, (scores,), weights)[0, 0])


def delong_z(labels: ArrayLike, scores: tuple[ArrayLike, ArrayLike], weights: ArrayLike | None = None) -> float:
    """Return the difference of two unweighted AUCs on the same events, first minus second, over its error."""
    first, second = (_place(labels, one, weights)[0].mean() for one in scores)
    covariance = delong_covariance(labels, scores, weights)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return float((first - second) / np.sqrt(variance)) if variance > 0 else 0.0


def _place(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Return for each signal event the share of background below, for each background event of signal above."""
    from scipy.stats import rankdata

    is_signal, score, weight = check_arrays(labels, scores, weights)
    if np.ptp(weight) > 0:
        raise EventsError(
            "DeLong's variance is for events of equal weight, but the weights differ. Use the stratified bootstrap."
        )
    ranks = rankdata(score)
    n_signal, n_background = int(is_signal.sum()), int((~is_signal).sum())
    signal = (ranks[is_signal] - rankdata(score[is_signal])) / n_background
    background = 1 - (ranks[~is_signal] - rankdata(score[~is_signal])) / n_signal
    return signal, background
