"""Scores taken as probabilities: log loss, Brier score, calibration. Scores must lie in [0, 1].

Networks are trained on class-balanced weights; their scores are probabilities with respect to those. Judge them with
`balance_classes(labels, weights)` as weights, or use the functions named so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import Arrays, balance_classes, check_arrays


def event_losses(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Return each event's -ln(probability of what it is) [n], in nats, for scores [n] in [0, 1].

    A probability of exactly 0 counts as the smallest step below 1 (2.2e-16), as in scikit-learn.
    """
    is_signal, score, _ = _check_probabilities(labels, scores, None)
    right = np.where(is_signal, score, 1 - score)
    return -np.log(np.maximum(right, np.finfo(np.float64).eps))


def log_loss(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the weighted mean of -ln(probability of what the event is), in nats."""
    weight = check_arrays(labels, scores, weights).weights
    return float(np.average(event_losses(labels, scores), weights=weight))


def log_loss_classes_balanced(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the log loss with each class's weights scaled to the same total: ln 2 = 0.693 by chance."""
    return log_loss(labels, scores, balance_classes(labels, weights))


def brier_score(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the weighted mean of (score - label)^2 (Brier 1950)."""
    is_signal, score, weight = _check_probabilities(labels, scores, weights)
    return float(np.average((score - is_signal) ** 2, weights=weight))


def average_precision(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the weighted mean of the purity over the signal efficiency (scikit-learn). Depends on the abundances."""
    from sklearn import metrics

    is_signal, score, weight = check_arrays(labels, scores, weights)
    return float(metrics.average_precision_score(is_signal, score, sample_weight=weight))


@dataclass(frozen=True)
class Calibration:
    """Mean score against observed share of signal, in bins of the score that hold about the same weight."""

    mean_score: np.ndarray
    """[k], weighted."""
    signal_fraction: np.ndarray
    """[k], weighted."""
    weight: np.ndarray
    """[k], share of the total weight."""

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean of |signal fraction - mean score| over the bins, weighted."""
        return float((self.weight * np.abs(self.signal_fraction - self.mean_score)).sum())


def calibrate(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, n_bins: int = 10
) -> Calibration:
    """Return mean score and signal fraction in at most `n_bins` quantile bins of the score, all weighted.

    A bin boundary never separates events of the same score. Bins without positive total weight are left out.
    """
    is_signal, score, weight = _check_probabilities(labels, scores, weights)
    bins = assign_bins(score, weight, n_bins)
    sums = np.bincount(bins, weight)
    kept = sums > 0
    score_sums, signal_sums = np.bincount(bins, weight * score), np.bincount(bins, weight * is_signal)
    return Calibration(score_sums[kept] / sums[kept], signal_sums[kept] / sums[kept], sums[kept] / sums[kept].sum())


def assign_bins(scores: np.ndarray, weights: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the quantile bin of each event, int64 [n], of scores [n] by the absolute event weights [n].

    At most `n_bins`, numbered from 0 without gaps; equal scores are in one.
    """
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(np.abs(weights[order]))
    edges = np.unique(scores[order][np.searchsorted(below, below[-1] * np.arange(1, n_bins) / n_bins)])
    return np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)[1]


def expected_calibration_error(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, n_bins: int = 10
) -> float:
    """Return the weighted mean distance of signal fraction and mean score over quantile bins, 0 to 1."""
    return calibrate(labels, scores, weights, n_bins=n_bins).expected_error


def _check_probabilities(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> Arrays:
    arrays = check_arrays(labels, scores, weights)
    low, high = float(arrays.scores.min()), float(arrays.scores.max())
    if low < 0 or high > 1:
        raise EventsError(
            f"Scores must be probabilities in [0, 1] here, but reach from {low:g} to {high:g}. "
            "Apply a sigmoid to logits first."
        )
    return arrays
