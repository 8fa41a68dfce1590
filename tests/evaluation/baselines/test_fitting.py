"""Baselines against scikit-learn by hand and the closed form of two Gaussians; weights, budget, the chosen figure."""

from __future__ import annotations

import pickle
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from tuner.errors import SplitsError
from tuner.evaluation.baselines.fitting import fit_baselines
from tuner.events import read_events
from tuner.metrics.figures_of_merit import Auc, Custom
from tuner.preparation.settings import Preparation
from tuner.preparation.splits import prepare_splits

SHIFT = 1.5
OURS = ("boosted trees", "logistic regression")


@pytest.fixture
def splits(make_problem):
    """Two Gaussians, `SHIFT` standard deviations apart in one of two features; weights are all the same."""
    rng = np.random.default_rng(3)
    y = np.arange(900) % 2
    table = pd.DataFrame({"a": rng.normal(SHIFT * y), "b": rng.normal(size=900), "y": y})
    problem = make_problem(table, weight=None, observers=(), ignored=())
    return prepare_splits(read_events(problem), problem, Preparation(scaling="standard"))


def fit(splits, figure=None, **budget):
    baselines = fit_baselines(splits, figure or Auc(), **{"trials": 1} | budget)
    return {baseline.name: baseline for baseline in baselines}


def change(part, **fields):
    return replace(part, **{name: values.astype(getattr(part, name).dtype) for name, values in fields.items()})


def test_all_that_are_installed_come_near_the_closed_form_and_score_new_events_alike(splits):
    found = fit(splits)
    optional = [name for name, package in (("XGBoost", "xgboost"), ("LightGBM", "lightgbm")) if find_spec(package)]
    assert set(found) == {*OURS, *optional}
    best = norm.cdf(SHIFT / np.sqrt(2))
    labels = splits.validation.labels
    assert roc_auc_score(labels, found["logistic regression"].validation_scores) == pytest.approx(best, abs=0.03)
    for baseline in found.values():
        scores = baseline.validation_scores
        assert (scores.dtype, scores.shape) == (np.float64, labels.shape)
        assert 0 <= scores.min() < scores.max() <= 1
        assert roc_auc_score(labels, scores) == pytest.approx(best, abs=0.06)
        np.testing.assert_array_equal(baseline.score(splits.validation.x), scores)
        assert baseline.note == ""


def test_the_defaults_come_first_and_are_scikit_learns(splits):
    train, validation = splits.train, splits.validation
    model = HistGradientBoostingClassifier(
        l2_regularization=1e-3, max_iter=1_000, early_stopping=True, n_iter_no_change=20, random_state=5
    ).fit(train.x, train.labels, X_val=validation.x, y_val=validation.labels)
    found = fit(splits, seed=5)["boosted trees"]
    np.testing.assert_allclose(found.validation_scores, model.predict_proba(validation.x)[:, 1])
    assert found.params == {
        "learning_rate": 0.1,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "l2_regularization": 1e-3,
        "max_features": 1.0,
        "n_trees": model.n_iter_,
    }


def test_the_figure_on_validation_with_the_weights_as_read_chooses(splits):
    rng = np.random.default_rng(0)
    validation = change(splits.validation, weights=rng.normal(1.0, 1.0, len(splits.validation.labels)))
    tried = []

    def disagree(labels, scores, weights):
        np.testing.assert_array_equal(weights, validation.weights)
        tried.append(-np.abs(np.average(scores) - 0.45))
        return tried[-1]

    found = fit(replace(splits, validation=validation), Custom(function=disagree, name="mean"), trials=3)
    start = 0
    for baseline in found.values():
        values = tried[start : start + baseline.n_trials]
        start += baseline.n_trials
        assert len(set(values)) > 1
        assert -np.abs(np.average(baseline.validation_scores) - 0.45) == max(values)
    assert start == len(tried)
    assert [found[name].n_trials for name in OURS] == [3, 3]


def test_a_figure_that_is_no_number_never_wins_and_stops_nothing(splits):
    values = iter([np.nan, 0.5] * 4)
    found = fit(splits, Custom(function=lambda *_: next(values), name="some"), trials=2)
    assert found["logistic regression"].params == {"C": 0.1}


def test_the_same_seed_gives_the_same_baselines_and_another_others(splits):
    first, again, other = (fit(splits, trials=2, seed=seed) for seed in (1, 1, 2))
    for name, baseline in first.items():
        np.testing.assert_array_equal(baseline.validation_scores, again[name].validation_scores)
        assert baseline.params == again[name].params
    assert first["boosted trees"].params != other["boosted trees"].params


def test_no_time_is_time_for_one_trial(splits):
    found = fit(splits, trials=50, seconds=0.0)
    assert {baseline.n_trials for baseline in found.values()} == {1}
    assert found["logistic regression"].params == {"C": 1.0}
    assert all(baseline.seconds > 0 for baseline in found.values())


def test_the_test_part_is_not_touched_and_a_baseline_can_be_kept(splits):
    for baseline in fit(replace(splits, test=None)).values():
        kept = pickle.loads(pickle.dumps(baseline))
        np.testing.assert_array_equal(kept.score(splits.test.x), baseline.score(splits.test.x))


def test_events_without_a_training_weight_are_as_good_as_not_there(splits):
    """Half of the events have weight 0 and the wrong label: fitted without them, scores are the same."""
    rng = np.random.default_rng(1)
    spoilt, cleaned = {}, {}
    for name in ("train", "validation"):
        part = getattr(splits, name)
        wrong = rng.random(len(part.labels)) < 0.5
        weights = np.where(wrong, 0.0, part.training_weights)
        spoilt[name] = change(part, labels=np.where(wrong, 1 - part.labels, part.labels), training_weights=weights)
        cleaned[name] = replace(part, **{f: getattr(part, f)[~wrong] for f in vars(part)})
    found, expected = fit(replace(splits, **spoilt)), fit(replace(splits, **cleaned))
    for name, baseline in found.items():
        np.testing.assert_allclose(baseline.score(splits.test.x), expected[name].score(splits.test.x), atol=1e-6)


def test_weights_move_the_probabilities_by_the_odds(splits):
    """Signal of ten times the weight: the average score is the weighted share of signal, for every baseline."""
    parts = {}
    for name in ("train", "validation"):
        part = getattr(splits, name)
        parts[name] = change(part, training_weights=np.where(part.labels == 1, 10, 1) / 5.5)
    weights = parts["train"].training_weights
    for baseline in fit(replace(splits, **parts)).values():
        assert np.average(baseline.score(splits.train.x), weights=weights) == pytest.approx(10 / 11, abs=0.02)


def test_negative_weights_are_left_out_the_class_keeps_its_total_and_it_is_said(splits):
    parts, cleaned = {}, {}
    for name in ("train", "validation"):
        part = getattr(splits, name)
        negative = (np.arange(len(part.labels)) % 5 == 0) & (part.labels == 1)
        parts[name] = change(part, training_weights=np.where(negative, -1.0, 1.0))
        kept = replace(part, **{f: getattr(part, f)[~negative] for f in vars(part)})
        total = (part.labels == 1).sum() - 2 * negative.sum()
        scale = np.where(kept.labels == 1, total / (kept.labels == 1).sum(), 1.0)
        cleaned[name] = change(kept, training_weights=scale)
    found, expected = fit(replace(splits, **parts)), fit(replace(splits, **cleaned))
    n_negative = (parts["train"].training_weights < 0).sum()
    for name, baseline in found.items():
        assert baseline.note.startswith(f"{n_negative} train events of negative weight were left out of the fit and ")
        np.testing.assert_allclose(baseline.score(splits.test.x), expected[name].score(splits.test.x), atol=1e-5)


def test_a_class_without_positive_weight_is_refused(splits):
    part = splits.train
    train = change(part, training_weights=np.where(part.labels == 1, -1.0, 1.0))
    with pytest.raises(SplitsError, match="need signal events of positive weight in the train part"):
        fit(replace(splits, train=train))


@pytest.mark.parametrize("name", ["XGBoost", "LightGBM"])
def test_an_optional_package_grows_trees_like_scikit_learns(splits, name):
    package = pytest.importorskip(name.lower(), reason=f"{name} is not installed")
    found = fit(splits)
    ours, theirs = found[name].score(splits.test.x), found["boosted trees"].score(splits.test.x)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    assert 1 <= found[name].params["n_trees"] < 200, package.__version__
