"""Stratified weighted bootstrap: where a figure would be with other events of the same kind.

Signal and background are drawn anew, each with replacement and each as many as there are; an event keeps its weight.
Events are ranked once: a replica is a vector of counts. It holds the variance of the events that are measured on,
not that of the training: another seed gives another network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays
from tuner.metrics.curves import auc, rank
from tuner.metrics.measurement import Measurement, measure

FigureFunction = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
"""A function of labels [n], scores [n] and event weights [n]."""


def draw_counts(is_signal: np.ndarray, n_replicas: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield, for each replica, how often each event is drawn, int64 [n]; each class keeps its number of events."""
    generator = np.random.default_rng(seed)
    classes = [np.flatnonzero(is_signal), np.flatnonzero(~is_signal)]
    for _ in range(n_replicas):
        counts = np.zeros(len(is_signal), dtype=np.int64)
        for rows in classes:
            counts[rows] = np.bincount(generator.integers(0, len(rows), len(rows)), minlength=len(rows))
        yield counts


def bootstrap_auc(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, n_replicas: int = 200, seed: int = 0
) -> np.ndarray:
    """Return the weighted AUC of each replica, float64 [n_replicas]."""
    is_signal, score, weight = check_arrays(labels, scores, weights)
    ranking = rank(is_signal, score)
    return np.array([ranking.curve(weight * counts).area for counts in draw_counts(is_signal, n_replicas, seed)])


def bootstrap_figure(
    figure: FigureFunction,
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    n_replicas: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """Return any figure of labels, scores and weights for each replica, float64 [n_replicas].

    Args:
        figure: Takes an event as often as it is drawn; one that splits events into halves needs `replicate` instead.
        labels: [n] in {0, 1}.
        scores: [n].
        weights: Event weights [n], which events keep in each replica; None: ones.
        n_replicas: Bootstrap replicas.
        seed: The same seed draws the same events for all scores of the same labels.

    Raises:
        EventsError: As `check_arrays` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    return np.array(
        [
            figure(is_signal[rows].astype(np.int8), score[rows], weight[rows])
            for rows in _draw_rows(is_signal, n_replicas, seed)
        ]
    )


def measure_train_gap(
    train: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    part: tuple[ArrayLike, ArrayLike, ArrayLike | None],
    *,
    n_replicas: int = 200,
    seed: int = 0,
) -> Measurement:
    """Return AUC on train minus AUC on another part, with its 68 % interval.

    Above 0 is what the network gains on events that it was trained on. The parts share no events, so their replicas
    are independent.

    Args:
        train: Labels [n] in {0, 1}, scores [n] and event weights [n] (None: ones) of the training part.
        part: The same of the other, [m].
        n_replicas: Bootstrap replicas of each.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    there, here = (check_arrays(*arrays) for arrays in (train, part))
    replicas = [
        bootstrap_auc(*arrays, n_replicas=n_replicas, seed=seed + offset) for offset, arrays in enumerate((there, here))
    ]
    return measure(auc(*there) - auc(*here), replicas[0] - replicas[1])


def _draw_rows(is_signal: np.ndarray, n_replicas: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the rows of each replica, an event as often as it is drawn."""
    rows = np.arange(len(is_signal))
    for counts in draw_counts(is_signal, n_replicas, seed):
        yield np.repeat(rows, counts)
