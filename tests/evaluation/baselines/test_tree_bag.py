"""A bag of trees: no event is scored by trees that were grown on it."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score

from tuner.evaluation.baselines.tree_bag import bag_trees
from tuner.evaluation.baselines.trees import TreeSettings
from tuner.evaluation.folds import FoldedEvents
from tuner.preparation.splits import Part


def test_labels_that_are_pure_chance_are_not_known_out_of_fold():
    rng = np.random.default_rng(0)
    n = 1_200
    x, labels = rng.normal(size=(n, 3)).astype(np.float32), rng.integers(0, 2, n).astype(np.float32)
    events = FoldedEvents(Part(x, labels, np.ones(n), np.ones(n, np.float32), np.arange(n)), rng.integers(0, 3, n), 3)
    bag = bag_trees("boosted trees", TreeSettings(learning_rate=0.3, min_samples_leaf=5), events)
    assert roc_auc_score(labels, bag.out_of_fold) < 0.55
    assert roc_auc_score(labels, bag.score(x)) > 0.6
    np.testing.assert_allclose(bag.score(x), np.mean([trees.score(x) for trees in bag.trees], axis=0))
    assert bag.record.params["n_trees"] == sum(trees.n_trees for trees in bag.trees)
