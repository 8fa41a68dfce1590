"""Gradient-boosted trees of LightGBM (Ke et al., NeurIPS 2017), an optional package: the extra "lightgbm"."""

from __future__ import annotations

from functools import partial

import numpy as np

from tuner.errors import MissingPackage
from tuner.evaluation.baselines.scikit_learn import (
    MAX_TREES,
    PATIENCE,
    FittingData,
    ScoreFunction,
    TreeSettings,
    count_threads,
)

try:
    import lightgbm
except ImportError as error:
    raise MissingPackage("lightgbm", "lightgbm", "The baseline LightGBM") from error


def fit_lightgbm(settings: TreeSettings, data: FittingData, seed: int) -> tuple[ScoreFunction, int]:
    """Return the scores of LightGBM's leaf-wise trees up to the best of them, and their number."""
    parameters = {
        "objective": "binary",
        "metric": "binary_logloss",
        "num_leaves": settings.max_leaf_nodes,
        "learning_rate": settings.learning_rate,
        "min_data_in_leaf": settings.min_samples_leaf,
        "lambda_l2": settings.l2_regularization,
        "feature_fraction_bynode": settings.max_features,
        "num_threads": count_threads(),
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    train = lightgbm.Dataset(data.x, data.labels, weight=data.weights)
    booster = lightgbm.train(
        parameters,
        train,
        num_boost_round=MAX_TREES,
        valid_sets=[train.create_valid(data.validation_x, data.validation_labels, weight=data.validation_weights)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return partial(_predict, booster, booster.best_iteration), booster.best_iteration


def _predict(booster: lightgbm.Booster, n_trees: int, x: np.ndarray) -> np.ndarray:
    return np.asarray(booster.predict(x, num_iteration=n_trees), np.float64)
