"""Gradient-boosted trees of XGBoost (arXiv:1603.02754), an optional package: the extra "xgboost"."""

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
    import xgboost
except ImportError as error:
    raise MissingPackage("xgboost", "xgboost", "The baseline XGBoost") from error


def fit_xgboost(settings: TreeSettings, data: FittingData, seed: int) -> tuple[ScoreFunction, int]:
    """Return the scores of XGBoost's histogram-based, leaf-wise trees up to the best of them, and their number.

    XGBoost knows no least number of events in a leaf but a least sum of second derivatives, which is at most a quarter
    of the weight: a quarter of `min_samples_leaf` is asked for, with training weights of mean 1.
    """
    parameters = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,
        "max_leaves": settings.max_leaf_nodes,
        "learning_rate": settings.learning_rate,
        "min_child_weight": settings.min_samples_leaf / 4,
        "reg_lambda": settings.l2_regularization,
        "colsample_bynode": settings.max_features,
        "nthread": count_threads(),
        "seed": seed,
        "verbosity": 0,
    }
    booster = xgboost.train(
        parameters,
        xgboost.DMatrix(data.x, data.labels, weight=data.weights),
        num_boost_round=MAX_TREES,
        evals=[(xgboost.DMatrix(data.validation_x, data.validation_labels, weight=data.validation_weights), "v")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    n_trees = booster.best_iteration + 1
    return partial(_predict, booster[:n_trees]), n_trees


def _predict(booster: xgboost.Booster, x: np.ndarray) -> np.ndarray:
    return np.asarray(booster.predict(xgboost.DMatrix(x)), np.float64)
