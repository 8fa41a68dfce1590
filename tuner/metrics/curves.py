"""The ROC curve and what is read off it: AUC, rejection, efficiency. Weighted; weights may be negative.

Own cumulative sums and not scikit-learn's `roc_curve`: a bootstrap ranks the events once and sums them many times,
and scikit-learn's AUC refuses negative weights. Both agree wherever scikit-learn answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays

SMOOTHING = 0.05
"""Reach on either side of a signal efficiency, in units of it, of what `smooth_rejection` averages over."""


@dataclass(frozen=True)
class RocCurve:
    """Signal and background efficiency of "score >= threshold", from the tightest cut to the loosest.

    With negative weights a ratio of signed sums: it need not rise, and may leave [0, 1].
    """

    eps_s: np.ndarray
    """[k + 1], signal efficiency = sensitivity = TPR; starts at 0, ends at 1."""
    eps_b: np.ndarray
    """[k + 1], background efficiency = 1 - specificity = FPR; starts at 0, ends at 1."""
    thresholds: np.ndarray
    """[k + 1], falling: infinity (selects nothing), then each distinct score."""

    @property
    def area(self) -> float:
        """Area below eps_S over eps_B by trapezoids: the (signed) weighted Mann-Whitney statistic, ties half."""
        return float(np.trapezoid(self.eps_s, self.eps_b))


@dataclass(frozen=True)
class Ranking:
    """Events from the highest score to the lowest: ranked once, summed with as many weights as one likes."""

    order: np.ndarray
    """[n], rows from the highest score to the lowest."""
    ends: np.ndarray
    """[k], place in that order of the last event of each distinct score."""
    is_signal: np.ndarray
    """[n], in that order."""
    thresholds: np.ndarray
    """[k + 1], as in `RocCurve`."""

    def curve(self, weights: np.ndarray) -> RocCurve:
        """Return the ROC curve for weights [n] in the events' own order."""
        ordered = weights[self.order]
        return RocCurve(
            _accumulate(np.where(self.is_signal, ordered, 0.0), self.ends),
            _accumulate(np.where(self.is_signal, 0.0, ordered), self.ends),
            self.thresholds,
        )

    def sum_background(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the background's weights and squared weights above each distinct score, summed, [k] each.

        Of the sums, sum^2 / squares is the effective number of background events. weights: [n], in the events' order.
        """
        background = np.where(self.is_signal, 0.0, weights[self.order])
        return np.cumsum(background)[self.ends], np.cumsum(background**2)[self.ends]


def roc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> RocCurve:
    """Return the ROC curve for labels [n] in {0, 1}, scores [n] and event weights [n] (None: ones).

    One point for each distinct score, none left out. Raise `EventsError` as `check_arrays` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    return rank(is_signal, score).curve(weight)


def auc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve: P(score of signal > score of background) + half of the ties, weighted.

    labels [n] in {0, 1}, scores [n], event weights [n] (None: ones). Negative weights give the signed Mann-Whitney
    statistic. Raise `EventsError` as `check_arrays` does.
    """
    return roc(labels, scores, weights).area


def partial_auc(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, largest_eps_b: float
) -> float:
    """Return the area under the ROC curve for eps_B <= `largest_eps_b`, standardised: 0.5 by chance, 1 at best.

    Standardised as in McClish 1989 (doi:10.1177/0272989X8900900307), equal to scikit-learn's
    `roc_auc_score(max_fpr=)`. With negative weights: up to where eps_B first passes `largest_eps_b`.
    """
    curve = roc(labels, scores, weights)
    stop = int((curve.eps_b > largest_eps_b).argmax()) or len(curve.eps_b)
    x, y = curve.eps_b[:stop], curve.eps_s[:stop]
    if stop < len(curve.eps_b):
        last = np.interp(largest_eps_b, curve.eps_b[stop - 1 : stop + 1], curve.eps_s[stop - 1 : stop + 1])
        x, y = np.append(x, largest_eps_b), np.append(y, last)
    least, most = largest_eps_b**2 / 2, largest_eps_b
    return float(0.5 * (1 + (np.trapezoid(y, x) - least) / (most - least)))


def background_rejection(curve: RocCurve, eps_s: float) -> float:
    """Return 1/eps_B of the tightest cut that keeps at least `eps_s` of the signal.

    No interpolation: it is a cut that can be set. Infinity where no background passes it.
    """
    eps_b = float(curve.eps_b[(curve.eps_s >= min(eps_s, 1.0) - 1e-12).argmax()])
    return 1 / eps_b if eps_b > 0 else float("inf")


def smooth_rejection(curve: RocCurve, eps_s: float) -> float:
    """Return 1 / `smooth_eps_b`; infinity where no background passes."""
    eps_b = smooth_eps_b(curve, eps_s)
    return 1 / eps_b if eps_b > 0 else float("inf")


def smooth_eps_b(curve: RocCurve, eps_s: float) -> float:
    """Return eps_B averaged over cuts that keep about `eps_s` of the signal.

    For the replicas of a bootstrap. The one cut at `eps_s` is a quantile of the scores, whose bootstrap variance is
    too large with few events (Hall and Martin 1988): intervals of 68 % hold the truth up to 73 % of the time. With
    eps_B averaged over SMOOTHING around `eps_s` it is 66 to 70 % (benchmarks/FINDINGS.md, 2026-11-26).
    """
    reach = min(SMOOTHING * eps_s, (1 - eps_s) / 2)
    near = np.linspace(eps_s - reach, eps_s + reach, 9)
    if (np.diff(curve.eps_s) >= 0).all():
        cuts = np.searchsorted(curve.eps_s, near - 1e-12)
    else:
        cuts = (curve.eps_s >= near[:, None] - 1e-12).argmax(axis=1)
    return float(np.mean(curve.eps_b[cuts]))


def signal_efficiency(curve: RocCurve, eps_b: float) -> float:
    """Return the largest eps_S of all cuts that let at most `eps_b` of the background pass; no interpolation."""
    return float(curve.eps_s[curve.eps_b <= eps_b + 1e-12].max())


def rank(is_signal: np.ndarray, scores: np.ndarray) -> Ranking:
    """Rank checked events, is_signal bool [n] and scores [n], from the highest score to the lowest."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return Ranking(order, ends, is_signal[order], np.append(np.inf, ordered[ends]))


def _accumulate(weights: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the share of the total weight up to each end, starting at 0."""
    sums = np.cumsum(weights)
    return np.append(0.0, sums[ends] / sums[-1])
