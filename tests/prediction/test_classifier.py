"""What is handed on, in scikit-learn's own hands."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import RocCurveDisplay, brier_score_loss, get_scorer, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

import tuner
from tuner.errors import EventsError, SearchError
from tuner.evaluation.evaluate import read_evaluation
from tuner.evaluation.results import Evaluation
from tuner.prediction.classifier import open_classifier


@pytest.fixture(scope="module")
def network(handed_on_search):
    return read_evaluation(handed_on_search).network


@pytest.fixture
def labels(new_events):
    return (new_events["truth"] == "signal").to_numpy(int)


def test_probabilities_are_the_scores_of_tables_and_of_arrays(handed_on_search, network, new_events):
    check_is_fitted(network)
    expected = tuner.predict(handed_on_search, new_events)
    proba = network.predict_proba(new_events.iloc[:, ::-1])
    np.testing.assert_allclose(proba[:, 1], expected, atol=1e-6)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    codes = network.preprocessing.codes
    coded = new_events.assign(channel=new_events["channel"].map(codes["channel"].index))
    array = coded[network.feature_names_in_].to_numpy(float)
    assert (array == -999).any()
    np.testing.assert_allclose(network.predict_proba(array)[:, 1], expected, atol=1e-6)
    np.testing.assert_array_equal(network.predict(new_events), expected.decisions)
    np.testing.assert_allclose(1 / (1 + np.exp(-network.decision_function(new_events))), expected, atol=1e-6)
    assert (network.n_features_in_, network.classes_.tolist()) == (array.shape[1], [0, 1])


def test_metrics_and_displays_of_scikit_learn_take_it(handed_on_search, network, new_events, labels):
    auc = roc_auc_score(labels, tuner.predict(handed_on_search, new_events))
    assert get_scorer("roc_auc")(network, new_events, labels) == pytest.approx(auc)
    assert RocCurveDisplay.from_estimator(network, new_events, labels).roc_auc == pytest.approx(auc)
    features = new_events[network.feature_names_in_]
    found = permutation_importance(network, features, labels, scoring="roc_auc", n_repeats=2, random_state=0)
    assert found.importances_mean.max() > 0.01


def test_pipelines_and_calibrations_around_it_work(network, new_events, labels):
    features = new_events[network.feature_names_in_]
    steps = make_pipeline(FunctionTransformer(lambda table: table), network)
    np.testing.assert_array_equal(steps.predict_proba(features), network.predict_proba(features))
    calibrated = CalibratedClassifierCV(FrozenEstimator(network), method="sigmoid").fit(features, labels)
    shifted = calibrated.predict_proba(features)[:, 1]
    assert brier_score_loss(labels, shifted) < brier_score_loss(labels, network.predict_proba(features)[:, 1]) + 1e-3
    assert roc_auc_score(labels, shifted) == pytest.approx(roc_auc_score(labels, network.decision_function(features)))
    with pytest.raises(SearchError, match="FrozenEstimator"):
        network.fit(features, labels)


def test_a_judgement_goes_to_other_processes_and_to_json_without_its_search(handed_on_search):
    evaluation = read_evaluation(handed_on_search)
    for copied in (pickle.loads(pickle.dumps(evaluation)), Evaluation.from_json(evaluation.to_json())):
        assert copied == evaluation
        with pytest.raises(SearchError, match=r"Take it from `tuner\.evaluate\(search\)`"):
            copied.network  # noqa: B018


def test_what_it_cannot_take_is_told(network, new_events):
    with pytest.raises(EventsError, match=r'"jet_pt" \(feature\) is not there'):
        network.predict_proba(new_events.drop(columns="jet_pt"))
    with pytest.raises(EventsError, match=r"array \[n, 4\] of the features .* but the array has shape \(3, 2\)"):
        network.predict_proba(np.zeros((3, 2)))


def test_a_calibration_and_a_prior_give_probabilities(handed_on_search, new_events):
    search = handed_on_search
    calibrated = open_classifier(search, calibration="isotonic", prior=0.1)
    scores = tuner.predict(search, new_events, calibration="isotonic", prior=0.1)
    np.testing.assert_allclose(calibrated.predict_proba(new_events)[:, 1], scores.probabilities)
    np.testing.assert_array_equal(scores.frame()["probability"], scores.probabilities)
