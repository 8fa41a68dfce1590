"""Boosted trees as arrays against the packages that grew them; what is kept comes back; damage is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from tuner.errors import DamagedFileError
from tuner.evaluation.baselines.scikit_learn_trees import read_scikit_learn
from tuner.prediction.boosted_trees import load_trees, save_trees


@pytest.fixture(scope="module")
def events():
    """Inputs [n, 4], one of them of few values; labels, weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3_000, 4)).astype(np.float32)
    x[:, 3] = rng.integers(0, 3, len(x))
    y = x[:, 0] + x[:, 1] * x[:, 2] + 0.3 * x[:, 3] + rng.normal(size=len(x)) > 0.3
    return x, y.astype(np.float32), rng.uniform(0.2, 3, len(x))


@pytest.fixture(scope="module")
def model(events):
    x, y, weights = events
    return HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(x, y, weights)


def test_scikit_learns_trees_score_as_they_do_there(events, model):
    np.testing.assert_array_equal(read_scikit_learn(model).score(events[0]), model.predict_proba(events[0])[:, 1])


def test_the_first_trees_are_those_of_a_shorter_training(events, model):
    staged = list(model.staged_predict_proba(events[0]))
    trees = read_scikit_learn(model).take_first(7)
    assert trees.n_trees == 7
    np.testing.assert_allclose(trees.score(events[0]), staged[6][:, 1])


def test_lightgbms_trees_score_as_they_do_there(events):
    lightgbm = pytest.importorskip("lightgbm")
    from tuner.evaluation.baselines.lightgbm_trees import read_lightgbm

    x, y, weights = events
    booster = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(x, y, weight=weights), 20)
    np.testing.assert_allclose(read_lightgbm(booster).score(x), booster.predict(x), rtol=1e-12)
    stump = lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(np.zeros((100, 2)), y[:100]), 3)
    np.testing.assert_allclose(read_lightgbm(stump).score(x[:1, :2]), stump.predict(x[:1, :2]), rtol=1e-12)


def test_xgboosts_trees_score_as_they_do_there_at_the_conditions_themselves_too(events):
    xgboost = pytest.importorskip("xgboost")
    from tuner.evaluation.baselines.xgboost_trees import read_xgboost

    x, y, weights = events  # its conditions are values of the events
    parameters = {"objective": "binary:logistic", "tree_method": "hist", "base_score": 0.2, "nthread": 1}
    booster = xgboost.train(parameters, xgboost.DMatrix(x, y, weight=weights), num_boost_round=20)
    np.testing.assert_allclose(read_xgboost(booster).score(x), booster.predict(xgboost.DMatrix(x)), atol=1e-6)


def test_several_are_kept_in_one_file_and_come_back_alike(events, model, tmp_path):
    trees = read_scikit_learn(model)
    save_trees([trees, trees.take_first(1)], tmp_path / "trees.npz")
    whole, first = load_trees(tmp_path / "trees.npz")
    np.testing.assert_array_equal(whole.score(events[0]), trees.score(events[0]))
    assert (whole.n_trees, first.n_trees) == (30, 1)


def test_nodes_that_lead_nowhere_are_refused(model, tmp_path):
    trees = read_scikit_learn(model)
    for name, wrong in (("left", 10_000), ("right", 0)):
        children = getattr(trees, name).copy()
        children[0] = wrong
        with pytest.raises(ValueError, match="child"):
            replace(trees, **{name: children})
    path = tmp_path / "trees.npz"
    save_trees([trees], path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DamagedFileError, match="Ask the author"):
        load_trees(path, advice="Ask the author.")
