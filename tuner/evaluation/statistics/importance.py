"""Permutation importance: what the declared figure of merit loses where one feature's values are shuffled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.metrics.figures_of_merit import FigureOfMerit
from tuner.metrics.measurement import Measurement, measure
from tuner.metrics.replicas import replicate
from tuner.preparation.preprocessing import Preprocessing
from tuner.preparation.splits import Part

MAX_EVENTS = 20_000
"""Events that importances are measured on, at the most: the first ones of a part are a fair sample."""
N_REPLICAS = 40
"""Bootstrap replicas, each with the features shuffled in one of the ways."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What a feature is worth to the winner's network: what the declared figure loses where its values are shuffled."""

    feature: str
    """Its name; azimuths stand as their angles to the axis, "phi_2 - phi_1"."""
    part: str
    drop: Measurement


def measure_importances(
    figure: FigureOfMerit,
    part: Part,
    name: str,
    preprocessing: Preprocessing,
    score: Callable[[np.ndarray], np.ndarray],
    *,
    cut: float | None = None,
    repeats: int = 5,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """Return each feature's importance, largest first (Breiman 2001, doi:10.1023/A:1010933404324).

    A feature's values are shuffled among the events, with the indicator of where it is undefined; labels, weights and
    all other features stay. Of azimuths a network sees the angles between them: each is shuffled once, under its own
    name. The 68 % interval holds the events (bootstrap) and the ways to shuffle. Features that tell the same may each
    look worthless: the other stands in.

    Args:
        figure: The declared figure of merit.
        part: Its events, of which the first are taken, at most `MAX_EVENTS`; event weights count as in the figure.
        name: The part's name.
        preprocessing: Which columns of the prepared inputs belong to a feature.
        score: From prepared inputs [n, d_in] to scores [n].
        cut: Frozen cut of a figure at a cut; None: the figure chooses its own.
        repeats: Ways to shuffle each feature.
        seed: Of the ways to shuffle and of the replicas.
    """
    few = slice(0, MAX_EVENTS)
    x, labels, weights = np.array(part.x[few]), part.labels[few], part.weights[few]
    generator = np.random.default_rng(seed)

    def replicas_of(scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        cuts = None if cut is None else [cut] * len(scores)
        found = replicate(figure, labels, scores, weights, cuts=cuts, n_replicas=N_REPLICAS, seed=seed)
        return found.values, found.replicas

    value, replicas = replicas_of([score(x)])
    importances = []
    for feature, columns in preprocessing.list_columns().items():
        shuffled = []
        for _ in range(repeats):
            changed = x.copy()
            changed[:, columns] = x[generator.permutation(len(x))][:, columns]
            shuffled.append(score(changed))
        values, shuffled_replicas = replicas_of(shuffled)
        drop = measure(float(value[0] - values.mean()), (replicas - shuffled_replicas).ravel())
        importances.append(Importance(feature=feature, part=name, drop=drop))
    return tuple(sorted(importances, key=lambda importance: -importance.drop.value))
