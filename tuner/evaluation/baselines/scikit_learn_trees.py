"""Gradient-boosted trees of scikit-learn, which is always there."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np

from tuner.evaluation.baselines.fitting_events import FittingEvents
from tuner.evaluation.baselines.trees import MAX_TREES, PATIENCE, TreeSettings
from tuner.prediction.boosted_trees import LEAF, BoostedTrees


def fit_scikit_learn(
    settings: TreeSettings, events: FittingEvents, until: FittingEvents | int, seed: int
) -> BoostedTrees:
    """Return scikit-learn's histogram-based trees, up to the best of them."""
    kind = _find_kind()
    if isinstance(until, int):
        model = kind(**asdict(settings), max_iter=until, early_stopping=False, random_state=seed)
        return read_scikit_learn(model.fit(events.x, events.labels, events.weights))
    model = kind(
        **asdict(settings), max_iter=MAX_TREES, early_stopping=True, n_iter_no_change=PATIENCE, random_state=seed
    )
    model.fit(
        events.x, events.labels, events.weights, X_val=until.x, y_val=until.labels, sample_weight_val=until.weights
    )
    n_best = int(np.argmax(model.validation_score_))  # the first of them is that without a tree
    return read_scikit_learn(model).take_first(max(1, n_best))


@cache
def _find_kind() -> Any:
    """Return scikit-learn's class, with quantiles of events for the bins of each feature and not of their weights.

    So it was before scikit-learn 1.9, whose quantiles of weights took two thirds of the time of a fit. The weights
    count in the loss and its gradients as ever.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    class QuickBins(HistGradientBoostingClassifier):  # type: ignore[misc]  # scikit-learn has no types
        def _bin_data(self, x: Any, *weights: Any, is_training_data: bool) -> Any:
            return super()._bin_data(x, *[None for _ in weights], is_training_data=is_training_data)

    return QuickBins


def fit_defaults(events: FittingEvents, seed: int) -> BoostedTrees:
    """Return scikit-learn's trees with every setting as scikit-learn has it."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    weights = None if np.all(events.weights == 1) else events.weights  # the same trees, in a third of the time
    return read_scikit_learn(HistGradientBoostingClassifier(random_state=seed).fit(events.x, events.labels, weights))


def read_scikit_learn(model: Any) -> BoostedTrees:
    """Return the trees of a fitted `HistGradientBoostingClassifier` of two classes, without categories."""
    nodes = [predictor.nodes for (predictor,) in model._predictors]
    joined = np.concatenate(nodes)
    is_leaf = joined["is_leaf"].astype(bool)
    return BoostedTrees(
        features=np.where(is_leaf, LEAF, joined["feature_idx"]).astype(np.int32),
        thresholds=np.where(is_leaf, 0.0, joined["num_threshold"]),
        left=joined["left"].astype(np.int32),
        right=joined["right"].astype(np.int32),
        values=np.where(is_leaf, joined["value"], 0.0),
        sizes=np.array([len(of_tree) for of_tree in nodes]),
        offset=float(model._baseline_prediction.item()),
    )
