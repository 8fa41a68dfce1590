"""Significance at expected yields: of one frozen cut, and of the score's histogram as a fit of it would have."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays, effective_number
from tuner.metrics.at_threshold import sum_confusion
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.few_events import are_few, measure_share
from tuner.metrics.measurement import Measurement, measure
from tuner.metrics.significance import asimov_significance, binned_significance, signal_over_root_background


def measure_cut_significances(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    cut: float,
    s: float,
    b: float,
    n_replicas: int = 200,
    seed: int = 0,
) -> dict[str, Measurement]:
    """Return s/sqrt(b) and the Asimov significance of a frozen cut at expected yields, each with its 68 % interval.

    Where fewer than 10 effective background events pass the cut, the interval is that of the background's efficiency
    by Clopper and Pearson; where none passes, the significance is infinite with a lower limit.

    Args:
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n], rescaled per class to `s` and `b`; None: ones.
        cut: Events with score >= cut are selected.
        s: Signal events that are expected before the cut.
        b: Background events that are expected before the cut.
        n_replicas: Bootstrap replicas; both classes are drawn anew.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    selected = score >= cut
    n = effective_number(weight[~is_signal])

    def pass_shares(counts: np.ndarray) -> tuple[float, float]:
        confusion = sum_confusion(is_signal, selected, weight * counts)
        return confusion.sensitivity, 1 - confusion.specificity

    eps_s, eps_b = pass_shares(np.ones(len(score), dtype=np.int64))
    drawn = np.array([pass_shares(counts) for counts in draw_counts(is_signal, n_replicas, seed)]).T
    found: dict[str, Measurement] = {}
    for name, significance in (
        ("s/sqrt(b)", signal_over_root_background),
        ("Asimov significance", asimov_significance),
    ):
        value = float(significance(s * eps_s, b * eps_b))
        if are_few(eps_b, n):
            share = measure_share(eps_b, n)
            low, high = (float(significance(s * eps_s, b * end)) for end in (share.high, share.low))
            found[name] = Measurement(value, low, high)
        else:
            found[name] = measure(value, significance(s * drawn[0], b * drawn[1]))
    return found


def measure_binned_significance(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    edges: ArrayLike,
    s: float,
    b: float,
    relative_systematic: float = 0.0,
    n_replicas: int = 200,
    seed: int = 0,
) -> Measurement:
    """Return sqrt(sum of Z^2) over bins of the score at expected yields, with its 68 % interval.

    Z is the Asimov significance of each bin (arXiv:1007.1727), its background uncertain by a share of it, independent
    of the other bins. A bin without background counts the background of one effective event, b / (effective number of
    background events), so that none is infinitely significant.

    Args:
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n], rescaled per class to `s` and `b`; None: ones.
        edges: [k + 1], rising, of bins [low, high); see `choose_score_bins`.
        s: Signal events that are expected in all bins.
        b: Background events that are expected in all bins.
        relative_systematic: Uncertainty of each bin's background, as a share of it.
        n_replicas: Bootstrap replicas; both classes are drawn anew, the bins stay.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    bins = np.searchsorted(np.asarray(edges, dtype=np.float64)[1:-1], score, side="right")
    n_bins = np.size(edges) - 1

    def judge(counts: np.ndarray) -> float:
        sums = np.bincount(2 * bins + is_signal, weight * counts, 2 * n_bins).reshape(-1, 2)
        total_b, total_s = sums.sum(axis=0)
        if not min(total_b, total_s) > 0:
            return float("nan")
        one_event = float((weight[~is_signal] ** 2 * counts[~is_signal]).sum()) / total_b**2
        background = b * np.maximum(sums[:, 0] / total_b, one_event)
        return binned_significance(s * sums[:, 1] / total_s, background, relative_systematic * background)

    replicas = np.array([judge(counts) for counts in draw_counts(is_signal, n_replicas, seed)])
    return measure(judge(np.ones(len(score), dtype=np.int64)), replicas)
