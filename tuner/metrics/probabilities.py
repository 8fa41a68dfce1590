"""Scores taken as probabilities: log loss, Brier score. Scores must lie in [0, 1].

Networks are trained on class-balanced weights; their scores are probabilities with respect to those. Judge them with
`balance_classes(labels, weights)` as weights, or use the functions named so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import Arrays, balance_classes, check_arrays


def event_losses(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Return each event's -ln(probability of what it is) [n], in nats, for scores [n] in [0, 1].

    A probability of exactly 0 counts as the smallest step below 1 (2.2e-16), as in scikit-learn.
    """
    is_signal, score, _ = check_probabilities(labels, scores, None)
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
    is_signal, score, weight = check_probabilities(labels, scores, weights)
    return float(np.average((score - is_signal) ** 2, weights=weight))


def average_precision(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the weighted mean of the purity over the signal efficiency (scikit-learn). Depends on the abundances."""
    from sklearn import metrics

    is_signal, score, weight = check_arrays(labels, scores, weights)
    return float(metrics.average_precision_score(is_signal, score, sample_weight=weight))


def check_probabilities(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None) -> Arrays:
    """Return checked arrays; raise `EventsError` also where a score is no probability."""
    arrays = check_arrays(labels, scores, weights)
    low, high = float(arrays.scores.min()), float(arrays.scores.max())
    if low < 0 or high > 1:
        raise EventsError(
            f"Scores must be probabilities in [0, 1] here, but reach from {low:g} to {high:g}. "
            "Apply a sigmoid to logits first."
        )
    return arrays
