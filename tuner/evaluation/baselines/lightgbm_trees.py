"""Gradient-boosted trees of LightGBM (Ke et al., NeurIPS 2017), an optional package: the extra "lightgbm"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.errors import MissingPackage
from tuner.evaluation.baselines.fitting_events import FittingEvents
from tuner.evaluation.baselines.trees import MAX_TREES, PATIENCE, TreeSettings, count_threads
from tuner.prediction.boosted_trees import LEAF, BoostedTrees

try:
    import lightgbm
except ImportError as error:
    raise MissingPackage("lightgbm", "lightgbm", "The baseline LightGBM") from error


def fit_lightgbm(settings: TreeSettings, events: FittingEvents, until: FittingEvents | int, seed: int) -> BoostedTrees:
    """Return LightGBM's leaf-wise trees, up to the best of them."""
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
    data = lightgbm.Dataset(events.x, events.labels, weight=events.weights)
    if isinstance(until, int):
        return read_lightgbm(lightgbm.train(parameters, data, num_boost_round=until))
    booster = lightgbm.train(
        parameters,
        data,
        num_boost_round=MAX_TREES,
        valid_sets=[data.create_valid(until.x, until.labels, weight=until.weights)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return read_lightgbm(booster)


def read_lightgbm(booster: Any) -> BoostedTrees:
    """Return the trees of a `Booster` of two classes up to its best one; its offset is in the first tree's leaves."""
    blocks = booster.model_to_string().partition("end of trees")[0].split("Tree=")[1:]
    trees = [_list_nodes(dict(line.split("=", 1) for line in block.splitlines() if "=" in line)) for block in blocks]
    features, thresholds, left, right, values = (np.concatenate(arrays) for arrays in zip(*trees, strict=True))
    return BoostedTrees(features, thresholds, left, right, values, sizes=np.array([len(tree[0]) for tree in trees]))


def _list_nodes(tree: Mapping[str, str]) -> tuple[np.ndarray, ...]:
    """Return features, thresholds, left and right children and values of a tree's nodes: its splits, then its leaves.

    LightGBM numbers leaves as children -1, -2, ...
    """

    def read(name: str) -> np.ndarray:
        return np.array(tree.get(name, "").split(), np.float64)

    def read_children(name: str) -> np.ndarray:
        children = read(name).astype(np.int32)
        return np.append(np.where(children < 0, n_splits - 1 - children, children), np.zeros_like(leaves))

    leaf_values = read("leaf_value")
    n_splits, leaves = len(read("threshold")), np.full(len(leaf_values), LEAF, np.int32)
    return (
        np.append(read("split_feature").astype(np.int32), leaves),
        np.append(read("threshold"), np.zeros(len(leaves))),
        read_children("left_child"),
        read_children("right_child"),
        np.append(np.zeros(n_splits), leaf_values),
    )
