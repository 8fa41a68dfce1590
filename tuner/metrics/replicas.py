"""A figure of several trainings on replicas of the same events, so that differences between them are paired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import Arrays, check_arrays
from tuner.metrics.at_threshold import sum_confusion
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import rank
from tuner.metrics.figures_of_merit import Auc, CutFigure, FigureOfMerit
from tuner.metrics.measurement import rank_value


@dataclass(frozen=True, eq=False)
class Replicas:
    """A figure of one candidate: of each of its trainings, and of each training in each replica."""

    values: np.ndarray
    """[s], one for each training."""
    replicas: np.ndarray
    """[s, r]."""

    @property
    def mean(self) -> float:
        """Mean over the trainings."""
        return float(self.values.mean())

    def find_best(self) -> int:
        """Return the number of the training whose figure is highest."""
        return max(range(len(self.values)), key=lambda training: rank_value(float(self.values[training])))

    def draw_means(self, generator: np.random.Generator) -> np.ndarray:
        """Return the mean of each replica [r], trainings drawn anew.

        s trainings drawn from s have (s - 1)/s of their variance; deviations are stretched to make up for it.
        """
        n_seeds, n_replicas = self.replicas.shape
        means: np.ndarray = self.replicas.mean(axis=0)
        if n_seeds > 1:
            drawn = self.values[generator.integers(0, n_seeds, (n_replicas, n_seeds))].mean(axis=1)
            means = means + (drawn - self.mean) * np.sqrt(n_seeds / (n_seeds - 1))
        return means


def replicate(
    figure: FigureOfMerit,
    labels: ArrayLike,
    scores: Sequence[ArrayLike],
    weights: ArrayLike | None = None,
    *,
    cuts: Sequence[float] | None = None,
    n_replicas: int = 200,
    seed: int = 0,
) -> Replicas:
    """Return a figure of each training, for the events and for each replica of them.

    Args:
        figure: The figure of merit.
        labels: [n] in {0, 1}.
        scores: [n] of each of s trainings.
        weights: Event weights [n]; an event that is drawn twice counts twice its weight. None: ones.
        cuts: Frozen cut of each training, for a figure at a cut. None: in each replica one half of the events chooses
            the cut and the other measures it; an event stays in its half however often it is drawn.
        n_replicas: Bootstrap replicas r.
        seed: The same seed draws the same events for all scores of the same labels.

    Raises:
        EventsError: As `check_arrays` does.
    """
    trainings = [check_arrays(labels, one, weights) for one in scores]
    of_counts = [_freeze(figure, arrays, None if cuts is None else cuts[i]) for i, arrays in enumerate(trainings)]
    is_signal = trainings[0].is_signal
    replicas = [[f(counts) for f in of_counts] for counts in draw_counts(is_signal, n_replicas, seed)]
    once = np.ones(len(is_signal), dtype=np.int64)
    return Replicas(np.array([f(once) for f in of_counts]), np.array(replicas).T)


def _freeze(figure: FigureOfMerit, arrays: Arrays, cut: float | None) -> Callable[[np.ndarray], float]:
    """Return the figure as a function of how often each event is drawn; ranked once where that will do."""
    is_signal, scores, weights = arrays
    if isinstance(figure, Auc):
        ranking = rank(is_signal, scores)
        return lambda counts: ranking.curve(weights * counts).area
    if isinstance(figure, CutFigure):
        return _freeze_cut(figure, arrays, cut)
    labels = is_signal.astype(np.int8)

    def of_rows(counts: np.ndarray) -> float:
        rows = np.repeat(np.arange(len(counts)), counts)
        return float(figure(labels[rows], scores[rows], weights[rows]))

    return of_rows


def _freeze_cut(figure: CutFigure, arrays: Arrays, cut: float | None) -> Callable[[np.ndarray], float]:
    """Return the figure of a frozen cut; without one, of cuts that one half chooses, measured on the other."""
    is_signal, scores, weights = arrays
    if cut is None:
        halves = figure.halves(*arrays)
        return lambda counts: float(halves.cross(counts)[0])
    selected = scores >= cut
    return lambda counts: figure.of_confusion(sum_confusion(is_signal, selected, weights * counts))
