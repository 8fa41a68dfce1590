"""Gradient-boosted trees of scikit-learn, and what all packages of boosted trees are fitted with."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

ScoreFunction = Callable[[np.ndarray], np.ndarray]
"""A function of prepared inputs [n, d_in] that returns scores in [0, 1], float64 [n]."""
MAX_TREES = 1_000
PATIENCE = 20
"""Trees that may be added without a lower loss on validation."""


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """Settings of boosted trees, by scikit-learn's names; the defaults are scikit-learn's."""

    learning_rate: float = 0.1
    max_leaf_nodes: int = 31
    min_samples_leaf: int = 20
    l2_regularization: float = 0.0
    max_features: float = 1.0
    """Share of the features that each split may choose from."""


@dataclass(frozen=True, eq=False)
class FittingData:
    """Events that trees and the like are fitted on, and those that say when to stop. No weight is negative or 0."""

    x: np.ndarray
    """Prepared inputs [n, d_in]."""
    labels: np.ndarray
    """[n] in {0, 1}."""
    weights: np.ndarray
    """Training weights [n]."""
    validation_x: np.ndarray
    """[n_validation, d_in]."""
    validation_labels: np.ndarray
    validation_weights: np.ndarray
    """Training weights, like the loss that is minimised."""


def fit_boosted_trees(settings: TreeSettings, data: FittingData, seed: int) -> tuple[ScoreFunction, int]:
    """Return the scores of scikit-learn's histogram-based trees, and how many trees there are.

    Trees are added until the validation loss has not fallen for `PATIENCE` of them; those stay.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        **asdict(settings), max_iter=MAX_TREES, early_stopping=True, n_iter_no_change=PATIENCE, random_state=seed
    )
    model.fit(
        data.x,
        data.labels,
        data.weights,
        X_val=data.validation_x,
        y_val=data.validation_labels,
        sample_weight_val=data.validation_weights,
    )
    return partial(predict_signal, model), int(model.n_iter_)


def predict_signal(model: Any, x: np.ndarray) -> np.ndarray:
    """Return the probability of signal, float64 [n], by a fitted classifier of scikit-learn for inputs [n, d_in]."""
    return np.asarray(model.predict_proba(x)[:, 1], np.float64)


def count_threads() -> int:
    """Return how many threads trees may use: `OMP_NUM_THREADS`, else the cores that this process may use."""
    from joblib import cpu_count

    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(asked) if asked.isdigit() and int(asked) > 0 else int(cpu_count())
