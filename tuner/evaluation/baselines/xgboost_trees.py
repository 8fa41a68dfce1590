"""Gradient-boosted trees of XGBoost (arXiv:1603.02754), an optional package: the extra "xgboost"."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from tuner.errors import MissingPackage
from tuner.evaluation.baselines.fitting_events import FittingEvents
from tuner.evaluation.baselines.trees import MAX_TREES, PATIENCE, TreeSettings, count_threads
from tuner.prediction.boosted_trees import LEAF, BoostedTrees

try:
    import xgboost
except ImportError as error:
    raise MissingPackage("xgboost", "xgboost", "The baseline XGBoost") from error


def fit_xgboost(settings: TreeSettings, events: FittingEvents, until: FittingEvents | int, seed: int) -> BoostedTrees:
    """Return XGBoost's histogram-based, leaf-wise trees, up to the best of them.

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
    data = xgboost.DMatrix(events.x, events.labels, weight=events.weights)
    if isinstance(until, int):
        return read_xgboost(xgboost.train(parameters, data, num_boost_round=until))
    booster = xgboost.train(
        parameters,
        data,
        num_boost_round=MAX_TREES,
        evals=[(xgboost.DMatrix(until.x, until.labels, weight=until.weights), "until")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    return read_xgboost(booster[: booster.best_iteration + 1])


def read_xgboost(booster: Any) -> BoostedTrees:
    """Return the trees of a `Booster` of two classes, whose inputs are float32 and defined."""
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    columns = ("split_indices", "split_conditions", "left_children", "right_children")
    features, conditions, left, right = (np.concatenate([tree[name] for tree in model["trees"]]) for name in columns)
    is_leaf = left < 0
    # XGBoost goes left below the condition, not at it: the next smaller float32 is the last that does.
    below = np.nextafter(conditions.astype(np.float32), np.float32(-np.inf)).astype(np.float64)
    trees = BoostedTrees(
        features=np.where(is_leaf, LEAF, features).astype(np.int32),
        thresholds=np.where(is_leaf, 0.0, below),
        left=np.where(is_leaf, 0, left).astype(np.int32),
        right=np.where(is_leaf, 0, right).astype(np.int32),
        values=np.where(is_leaf, conditions, 0.0),
        sizes=np.array([len(tree["left_children"]) for tree in model["trees"]]),
    )
    origin = np.zeros((1, booster.num_features()), np.float32)
    margin = booster.predict(xgboost.DMatrix(origin), output_margin=True)
    return replace(trees, offset=float(margin[0] - trees.add_leaves(origin)[0]))
