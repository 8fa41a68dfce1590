"""Figures of one cut: events with score >= threshold are selected. Weighted; weights may be negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays


@dataclass(frozen=True)
class Confusion:
    """Sums of event weights: what a cut selects and rejects. Ratios are not-a-number where they are not defined."""

    true_positive: float
    """Signal selected."""
    false_positive: float
    """Background selected."""
    true_negative: float
    """Background rejected."""
    false_negative: float
    """Signal rejected."""

    @property
    def sensitivity(self) -> float:
        """eps_S = TPR = recall: share of the signal that is selected."""
        return _divide(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """1 - eps_B = TNR: share of the background that is rejected."""
        return _divide(self.true_negative, self.true_negative + self.false_positive)

    @property
    def accuracy(self) -> float:
        """Share of all events that are put where they belong. Depends on the classes' abundances."""
        right = self.true_positive + self.true_negative
        return _divide(right, right + self.false_positive + self.false_negative)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of sensitivity and specificity: the accuracy where both classes are as abundant."""
        return (self.sensitivity + self.specificity) / 2

    @property
    def precision(self) -> float:
        """Purity: share of signal among the selected. Depends on the abundances."""
        return _divide(self.true_positive, self.true_positive + self.false_positive)


def count_confusion(
    labels: ArrayLike, scores: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> Confusion:
    """Return the sums of weights that the cut "score >= threshold" selects and rejects.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones). Raise `EventsError` as `check_arrays` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    return sum_confusion(is_signal, score >= threshold, weight)


def sum_confusion(is_signal: np.ndarray, selected: np.ndarray, weights: np.ndarray) -> Confusion:
    """Return the sums of weights [n] by what an event is and whether it is selected, bool [n] each."""
    cell = 2 * is_signal.astype(np.int8) + selected
    true_negative, false_positive, false_negative, true_positive = np.bincount(cell, weights, minlength=4)
    return Confusion(float(true_positive), float(false_positive), float(true_negative), float(false_negative))


def set_between_scores(threshold: float, scores: ArrayLike) -> float:
    """Return a cut that selects the same of these events, halfway from an event's score down to the next lower one.

    A cut at an event's own score loses the event as soon as rounding makes its score smaller: scored again in another
    batch, in float32, or by another program. A cut that is no event's score is returned as it is.

    Args:
        threshold: Events with score >= threshold are selected; infinity selects none.
        scores: [n], those that the cut was chosen on. Below the lowest the next lower score is 0, or 1 less where the
            lowest is not positive.
    """
    score = np.asarray(scores, dtype=np.float64)
    if not (score == threshold).any():
        return float(threshold)
    below = score[(score < threshold) & np.isfinite(score)]
    beyond = 0.0 if threshold > 0 else threshold - 1
    lower = float(below.max()) if len(below) else beyond
    middle = lower + (threshold - lower) / 2
    return float(middle if middle > lower else threshold)


def _divide(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator != 0 else float("nan")
