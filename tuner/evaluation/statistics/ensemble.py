"""An ensemble picked greedily: networks whose mean score does best on validation, drawn with replacement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.metrics.figures_of_merit import Auc, BackgroundRejection, CutFigure, FigureOfMerit, SignalEfficiency
from tuner.metrics.measurement import rank_value

MAX_PICKS = 20
"""Networks that are picked at the most, repeated ones counted."""


def pick_ensemble(
    figure: FigureOfMerit,
    labels: np.ndarray,
    scores: Sequence[np.ndarray],
    weights: np.ndarray | None = None,
    *,
    most: int = MAX_PICKS,
) -> np.ndarray:
    """Return each network's share in the ensemble, float64 [m], adding up to 1 (Caruana et al. 2004).

    The network whose addition raises the figure of the mean score most is added, again and again; of all the
    ensembles on the way the best is returned (doi:10.1145/1015330.1015432). Picked on validation, it must be judged
    elsewhere. Where no mean has a figure that is a number, the first network stands alone. A figure that rests on the
    few events above a cut would pick what is lucky there: AUC takes its place.

    Args:
        figure: The problem's figure of merit.
        labels: [n] in {0, 1} of the validation part.
        scores: [n] of each of m networks.
        weights: Event weights [n]; None: ones.
        most: Networks that are picked at the most.
    """
    if isinstance(figure, CutFigure | BackgroundRejection | SignalEfficiency):
        figure = Auc()
    counts, total = np.zeros(len(scores), dtype=np.int64), np.zeros(len(labels))
    best, best_counts = -np.inf, None
    for n_picked in range(1, most + 1):
        figures = [rank_value(figure(labels, (total + one) / n_picked, weights)) for one in scores]
        pick = int(np.argmax(figures))
        counts = counts.copy()
        counts[pick] += 1
        total = total + scores[pick]
        if best_counts is None or figures[pick] > best:
            best, best_counts = figures[pick], counts
    assert best_counts is not None
    shares: np.ndarray = best_counts / best_counts.sum()
    return shares


def cross_fit_ensemble(
    figure: FigureOfMerit,
    labels: np.ndarray,
    scores: Sequence[np.ndarray],
    weights: np.ndarray | None = None,
    *,
    seed: int = 0,
) -> np.ndarray:
    """Return scores [n] of ensembles picked as `pick_ensemble` does, on the half of the events that each is not in.

    An ensemble's figure on the events that it was picked on is too good; that of these scores is not. Halves are drawn
    of signal and background alike.
    """
    rng = np.random.default_rng(seed)
    is_second = np.zeros(len(labels), dtype=bool)
    for label in (0, 1):
        chosen = rng.permutation(np.flatnonzero(labels == label))
        is_second[chosen[: len(chosen) // 2]] = True
    mixed = np.empty(len(labels))
    for half in (is_second, ~is_second):
        picked_on = [one[~half] for one in scores]
        shares = pick_ensemble(figure, labels[~half], picked_on, None if weights is None else weights[~half])
        mixed[half] = sum(share * one[half] for share, one in zip(shares, scores, strict=True))
    return mixed
