"""Bins of the score for a fit of its histogram: chosen for the expected significance, each with enough background."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError
from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.at_threshold import set_between_scores
from tuner.metrics.significance import asimov_significance

MIN_PER_BIN = 50.0
"""Effective background events, (sum w)^2 / sum w^2, in each bin: its expectation is then known to 14 %."""
N_BINS = 10
N_CELLS = 60
"""Quantiles of each class between which edges are looked for."""
N_HALVINGS = 7
"""Times that the uppermost quantile is halved, as significance is where hardly any background is left."""
ENOUGH = 0.99
"""Share of the best significance at which fewer bins are taken: each bin is one more nuisance parameter of a fit."""


def choose_score_bins(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    s: float,
    b: float,
    relative_systematic: float = 0.0,
    n_bins: int = N_BINS,
    least_background: float = MIN_PER_BIN,
) -> np.ndarray:
    """Return edges [k + 1] of the bins of the score that promise the largest significance; from -inf to inf.

    Of all ways to join neighbouring quantiles to at most `n_bins` bins, the one with the largest sum of Z^2 is found by
    dynamic programming; Z is the Asimov significance of a bin (arXiv:1007.1727), its background uncertain by its
    statistical error and by a share of it. The fewest bins that reach 99 % of the best significance are taken. Choose
    them on events that were not trained on, and use them on others.

    Args:
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n], rescaled per class to `s` and `b`; None: ones.
        s: Signal events that are expected in all bins.
        b: Background events that are expected in all bins.
        relative_systematic: Uncertainty of each bin's background, as a share of it, besides its statistical error.
        n_bins: Bins at the most.
        least_background: Effective background events, (sum w)^2 / sum w^2, that each bin must hold.

    Raises:
        EventsError: As `check_arrays` does, and where there is not enough background for one bin.
    """
    arrays = check_arrays(labels, scores, weights)
    cuts = _list_cuts(arrays)
    sums = _sum_cells(arrays, cuts)
    squares, total_b = sums["squares"][-1], sums["b"][-1]
    if not total_b**2 >= least_background * squares:
        raise EventsError(
            f"Bins of the score need at least {least_background:g} effective background events each, but there are "
            f"{total_b**2 / squares:.3g} in all. Use more events."
        )
    gains = _measure_gains(sums, s=s, b=b, relative_systematic=relative_systematic, least_background=least_background)
    chosen = [set_between_scores(cut, arrays.scores) for cut in cuts[_choose_cuts(gains, n_bins)]]
    return np.array([-np.inf, *chosen, np.inf])


def _list_cuts(arrays: Arrays) -> np.ndarray:
    """Return scores [m], rising, at which a bin may begin: quantiles of each class, none at the lowest score."""
    shares = np.concatenate([np.arange(1, N_CELLS), N_CELLS - 0.5 ** np.arange(1, N_HALVINGS + 1)]) / N_CELLS
    of_classes = [np.quantile(arrays.scores[chosen], shares) for chosen in (arrays.is_signal, ~arrays.is_signal)]
    cuts: np.ndarray = np.unique(np.concatenate(of_classes))
    above: np.ndarray = cuts[cuts > arrays.scores.min()]
    return above


def _sum_cells(arrays: Arrays, cuts: np.ndarray) -> dict[str, np.ndarray]:
    """Return cumulative sums [m + 2], from 0, of the weights of signal and background, and of the latter's squares."""
    cells = np.searchsorted(cuts, arrays.scores, side="right")
    weight, signal = arrays.weights, arrays.is_signal
    terms = {"s": weight * signal, "b": weight * ~signal, "squares": weight**2 * ~signal}
    return {
        name: np.concatenate([[0.0], np.cumsum(np.bincount(cells, term, minlength=len(cuts) + 1))])
        for name, term in terms.items()
    }


def _measure_gains(
    sums: dict[str, np.ndarray], *, s: float, b: float, relative_systematic: float, least_background: float
) -> np.ndarray:
    """Return Z^2 of a bin that holds the cells i to j - 1, at [i, j]; -inf where that is too little background."""
    of_s, of_b, squares = (sums[name][None, :] - sums[name][:, None] for name in ("s", "b", "squares"))
    is_enough = (of_b > 0) & (of_b**2 >= least_background * squares * (1 - 1e-12))
    signal, scale = s / sums["s"][-1] * of_s, b / sums["b"][-1]
    background = scale * np.where(is_enough, of_b, 1.0)
    error = np.hypot(scale * np.sqrt(np.maximum(squares, 0.0)), relative_systematic * background)
    gains: np.ndarray = np.where(is_enough, asimov_significance(signal, background, error) ** 2, -np.inf)
    gains[np.tril_indices(len(gains))] = -np.inf
    return gains


def _choose_cuts(gains: np.ndarray, n_bins: int) -> list[int]:
    """Return which cuts, by index and rising, part the cells into the bins with the largest sum of gains."""
    best = [gains[0]]  # best[k][j]: largest sum of the cells before j in k + 1 bins
    before: list[np.ndarray] = []
    for _ in range(n_bins - 1):
        reached = best[-1][:, None] + gains
        before.append(reached.argmax(axis=0))
        best.append(reached.max(axis=0))
    sums = np.array([of_k[-1] for of_k in best])
    number = int((sums >= ENOUGH**2 * sums.max()).argmax())
    place, chosen = len(gains) - 1, []
    for step in before[:number][::-1]:
        place = int(step[place])
        chosen.append(place - 1)
    return chosen[::-1]
