"""Baselines against scikit-learn by hand and the closed form of two Gaussians; weights, budget, the chosen figure."""

from __future__ import annotations

import pickle
from dataclasses import asdict, replace
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tuner.errors import SplitsError
from tuner.evaluation.baselines.fitting import fit_baselines
from tuner.evaluation.baselines.fitting_events import FittingEvents, check_fitting_events
from tuner.evaluation.baselines.kinds import list_kinds
from tuner.evaluation.baselines.scikit_learn_trees import fit_scikit_learn
from tuner.evaluation.baselines.trees import TreeSettings
from tuner.metrics.figures_of_merit import Auc, Custom
from tuner.preparation.splits import Part, Splits

SHIFT = 1.5
PARTS_OF = ("x", "labels", "training_weights")
TUNED = ("boosted trees", "logistic regression")


@pytest.fixture(scope="module")
def splits():
    """Two Gaussians, `SHIFT` standard deviations apart in one of two features; weights are all the same."""
    rng = np.random.default_rng(3)
    parts = []
    for n in (540, 180, 180):
        labels = (np.arange(n) % 2).astype(np.float32)
        x = rng.normal(size=(n, 2)) + SHIFT * labels[:, None] * (1, 0)
        parts.append(Part(x.astype(np.float32), labels, np.ones(n), np.ones(n, np.float32), np.arange(n)))
    return Splits(*parts, preprocessing=None, events_digest="")


@pytest.fixture(scope="module")
def found(splits):
    """What one trial of each kind finds without a look at the test part."""
    return fit(replace(splits, test=None))


def fit(splits, figure=None, **budget):
    baselines = fit_baselines(splits, figure or Auc(), **{"trials": 1} | budget)
    return {baseline.name: baseline for baseline in baselines}


def change(part, **fields):
    return replace(part, **{name: values.astype(getattr(part, name).dtype) for name, values in fields.items()})


def take_tuned(found):
    return {name: baseline for name, baseline in found.items() if baseline.record.n_planned}


def test_progress_rises_to_all_settings_of_all_kinds_and_time_is_told(splits):
    told = []
    kinds = ("boosted trees", "logistic regression")
    found = fit(splits, trials=2, kinds=kinds, seconds=600.0, on_trial=lambda done, total: told.append((done, total)))
    planned = sum(baseline.record.n_planned for baseline in found.values())
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {done for done, _ in told} == set(range(planned + 1))
    assert {total for _, total in told} == {planned}
    assert all(0 <= baseline.record.seconds < 600 for baseline in found.values())
    assert all(baseline.record.notes == () for baseline in found.values())  # none that the time was up


def test_all_that_are_installed_come_near_the_closed_form_and_score_new_events_alike(splits, found):
    optional = [name for name in ("XGBoost", "LightGBM") if find_spec(name.lower())]
    assert set(take_tuned(found)) == {*TUNED, *optional}
    assert set(found) == {"boosted trees (defaults)"} | {
        f"{n}{r}" for n in take_tuned(found) for r in ("", " (refitted)")
    }
    best = norm.cdf(SHIFT / np.sqrt(2))
    labels = splits.validation.labels
    assert roc_auc_score(labels, found["logistic regression"].validation_scores) == pytest.approx(best, abs=0.06)
    for baseline in found.values():
        scores = baseline.validation_scores
        assert (scores.dtype, scores.shape) == (np.float64, labels.shape)
        assert 0 <= scores.min() < scores.max() <= 1
        assert roc_auc_score(labels, scores) == pytest.approx(best, abs=0.06)
        assert baseline.record.notes == ()
        if baseline.record.fitted_on == "train":
            np.testing.assert_array_equal(baseline.score(splits.validation.x), scores)


def test_the_first_setting_is_scikit_learns_stopped_on_validation_at_its_lowest_loss(splits):
    train, validation = splits.train, splits.validation
    grown = HistGradientBoostingClassifier(
        l2_regularization=1e-3, max_iter=1_000, early_stopping=True, n_iter_no_change=20, random_state=5
    ).fit(train.x, train.labels, X_val=validation.x, y_val=validation.labels)
    losses = [log_loss(validation.labels, p) for p in grown.staged_predict_proba(validation.x)]
    found = fit(splits, seed=5, kinds=["boosted trees"])["boosted trees"]
    best = list(grown.staged_predict_proba(validation.x))[int(np.argmin(losses))]
    np.testing.assert_allclose(found.validation_scores, best[:, 1])
    assert found.record.params == {
        "learning_rate": 0.1,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "l2_regularization": 1e-3,
        "max_features": 1.0,
        "n_trees": np.argmin(losses) + 1,
    }


def test_weights_count_in_tuned_trees_as_scikit_learn_has_them():
    """Where a feature has fewer values than a tree has bins, the bins are the values, and trees must agree exactly."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 3000)
    x = (rng.normal(size=(3000, 3)) + labels[:, None]).round(1)
    events = FittingEvents(x, labels, rng.exponential(size=3000))
    settings = TreeSettings(l2_regularization=1e-3)
    model = HistGradientBoostingClassifier(**asdict(settings), max_iter=9, early_stopping=False, random_state=5)
    model.fit(x, labels, events.weights)
    trees = fit_scikit_learn(settings, events, 9, 5)
    np.testing.assert_allclose(trees.score(x), model.predict_proba(x)[:, 1])


def test_a_refit_is_scikit_learn_with_the_chosen_settings_on_train_and_validation(splits):
    both = [np.concatenate([getattr(part, name) for part in (splits.train, splits.validation)]) for name in PARTS_OF]
    found = fit(splits, trials=3, seed=5, kinds=TUNED)
    params = dict(found["boosted trees"].record.params)
    n_trees = round(params.pop("n_trees") * len(both[0]) / len(splits.train.x))
    model = HistGradientBoostingClassifier(**params, max_iter=n_trees, early_stopping=False, random_state=5)
    for name, expected in (
        ("boosted trees (refitted)", model),
        ("boosted trees (defaults)", HistGradientBoostingClassifier(random_state=5)),
    ):
        expected.fit(*both)
        np.testing.assert_allclose(found[name].score(splits.test.x), expected.predict_proba(splits.test.x)[:, 1])
        record = found[name].record
        assert (record.fitted_on, record.n_trials) == ("train and validation", 0)
    assert found["boosted trees (refitted)"].record.params == params | {"n_trees": n_trees}
    before, after = (found[f"boosted trees{name}"].validation_scores for name in ("", " (refitted)"))
    np.testing.assert_array_equal(after, before)
    penalty = found["logistic regression"].record.params["C"]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1_000)).fit(*both[:2])
    refitted = found["logistic regression (refitted)"].score(splits.test.x)
    np.testing.assert_allclose(refitted, linear.predict_proba(splits.test.x)[:, 1])


def test_the_figure_on_validation_with_the_weights_as_read_chooses(splits):
    rng = np.random.default_rng(0)
    validation = change(splits.validation, weights=rng.normal(1.0, 1.0, len(splits.validation.labels)))
    tried = []

    def disagree(labels, scores, weights):
        np.testing.assert_array_equal(weights, validation.weights)
        tried.append(-np.abs(np.average(scores) - 0.45))
        return tried[-1]

    found = fit(replace(splits, validation=validation), Custom(function=disagree, name="mean"), trials=3, kinds=TUNED)
    start = 0
    for baseline in take_tuned(found).values():
        values = tried[start : start + baseline.record.n_trials]
        start += baseline.record.n_trials
        assert len(set(values)) > 1
        assert -np.abs(np.average(baseline.validation_scores) - 0.45) == max(values)
    assert start == len(tried)
    assert [found[name].record.n_trials for name in TUNED] == [3, 3]


def test_a_figure_that_is_no_number_never_wins_and_stops_nothing(splits):
    values = iter([np.nan, 0.5])
    figure = Custom(function=lambda *_: next(values), name="some")
    found = fit(splits, figure, trials=2, kinds=["logistic regression"])
    assert found["logistic regression"].record.params == {"C": 0.1}


def test_the_same_seed_gives_the_same_baselines_and_another_others(splits):
    kinds = [kind for kind in list_kinds() if kind != "logistic regression"]
    first, again = (fit(splits, trials=2, seed=1, kinds=kinds) for _ in range(2))
    other = fit(splits, trials=2, seed=2, kinds=["boosted trees"])
    for name, baseline in first.items():
        np.testing.assert_array_equal(baseline.validation_scores, again[name].validation_scores)
        assert baseline.record.params == again[name].record.params
    assert first["boosted trees"].record.params != other["boosted trees"].record.params


def test_no_time_is_time_for_one_trial_and_it_is_said(splits):
    found = fit(splits, trials=50, seconds=0.0)
    for baseline in take_tuned(found).values():
        record = baseline.record
        assert (record.n_trials, record.n_planned) == (1, 5 if record.name == "logistic regression" else 50)
        assert record.notes[0].startswith(f"1 of {record.n_planned} settings tried: the limit of 0 s was reached")
        assert record.seconds > 0
    assert found["logistic regression"].record.params == {"C": 1.0}
    assert found["boosted trees (refitted)"].record.notes == ()


def test_the_test_part_is_not_touched_and_a_baseline_goes_to_another_process(splits, found):
    for baseline in found.values():
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
        assert baseline.record.notes[0].startswith(f"{n_negative} train events of negative weight left out of the fit")
        np.testing.assert_allclose(baseline.score(splits.test.x), expected[name].score(splits.test.x), atol=1e-5)


def test_a_class_without_positive_weight_is_refused(splits):
    part = splits.train
    train = change(part, training_weights=np.where(part.labels == 1, -1.0, 1.0))
    for refuse in (fit, check_fitting_events):
        with pytest.raises(SplitsError, match="need signal events of positive weight in the train part"):
            refuse(replace(splits, train=train))


@pytest.mark.parametrize("name", ["XGBoost", "LightGBM"])
def test_an_optional_package_grows_trees_like_scikit_learns(splits, found, name):
    package = pytest.importorskip(name.lower(), reason=f"{name} is not installed")
    ours, theirs = found[name].score(splits.test.x), found["boosted trees"].score(splits.test.x)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.97
    assert 1 <= found[name].record.params["n_trees"] < 200, package.__version__
