"""What a judgement handed on is what is predicted and exported with, as long as the trials are what they were."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch
from samples import make_study

import tuner
from tuner.errors import SearchError
from tuner.events.reading import read_events
from tuner.prediction.network import load_network
from tuner.prediction.networks import Predictor, TrainedNetwork, choose_predictor, hand_on
from tuner.prediction.predict import score_part
from tuner.trackers import NoTracker

SHARES = (0.25, 0.75)
ENSEMBLE = Predictor("ensemble", tuple(TrainedNetwork(trial, weight=share) for trial, share in enumerate(SHARES)))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    study = make_study(trials=2, epochs=1, n_events=800, pruner=lambda n_epochs: optuna.pruners.NopPruner())
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker())


@pytest.fixture
def search(swept):
    """The search before anything is handed on."""
    (swept.folder.finalists / "handed_on.json").unlink(missing_ok=True)
    return swept


@pytest.fixture
def judged(search):
    """The search with the worse trial's network handed on as the winner's."""
    loser = next(trial.number for trial in search.trials if trial.number != search.best_trial.number)
    hand_on(search, Predictor("single network", (TrainedNetwork(loser),)), ENSEMBLE)
    return search


def score_single(search, trial):
    return score_part(search, "validation", predictor=Predictor("", (TrainedNetwork(trial),)))


def test_what_was_handed_on_comes_before_the_best_trial(search):
    assert choose_predictor(search).trial == search.best_trial.number
    loser = 1 - search.best_trial.number
    hand_on(search, Predictor("single network", (TrainedNetwork(loser),)), ENSEMBLE)
    assert choose_predictor(search) == Predictor("single network", (TrainedNetwork(loser),))
    assert choose_predictor(search, trial=search.best_trial.number).trial == search.best_trial.number
    np.testing.assert_array_equal(score_part(search, "validation"), score_single(search, loser))


def test_the_best_trial_or_one_by_its_number_comes_before_what_was_handed_on(judged):
    best = judged.best_trial.number
    assert choose_predictor(judged, trial="best").trial == best
    assert choose_predictor(judged, trial=1 - best).trial == 1 - best
    with pytest.raises(SearchError, match='Either `trial` or `candidate` may be given, but both are: best and "bag"'):
        choose_predictor(judged, trial="best", name="bag")


def test_an_ensemble_scores_the_mean_of_its_networks_by_their_shares(judged):
    candidate = choose_predictor(judged, name="ensemble")
    assert candidate == ENSEMBLE
    assert candidate.trial is None
    expected = sum(share * score_single(judged, trial) for trial, share in enumerate(SHARES))
    np.testing.assert_allclose(score_part(judged, "validation", predictor=candidate), expected, atol=1e-6)
    scores = tuner.predict(judged, read_events(judged.study.problem), candidate="ensemble")
    np.testing.assert_allclose(scores.frame()["score"].to_numpy()[judged.splits.validation.rows], expected, atol=1e-5)


def test_an_ensemble_that_is_sure_stays_finite(judged):
    network = load_network(judged, ENSEMBLE)
    for member in network.networks:
        list(member.parameters())[-1].data.fill_(200.0)
    assert torch.isfinite(network(torch.zeros(3, judged.splits.d_in))).all()


def test_several_trainings_of_one_trial_are_that_trials():
    networks = tuple(TrainedNetwork(3, "seed", seed, 0.5) for seed in (0, 1))
    assert Predictor("ensemble", networks).trial == 3


def test_without_a_judgement_there_is_no_ensemble(search):
    with pytest.raises(SearchError, match="must be evaluated before"):
        choose_predictor(search, name="ensemble")


def test_parameters_that_are_gone_are_told(search):
    hand_on(search, Predictor("single network", (TrainedNetwork(0, "seed", 7),)))
    with pytest.raises(SearchError, match=r"Trial 0 must have kept.*trial_00000-seed_7\.pt"):
        choose_predictor(search)


def test_an_exported_ensemble_takes_events_as_they_were_read(judged, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    hand_on(judged, Predictor("single network", (TrainedNetwork(0),)), ENSEMBLE)
    path = tuner.export(judged, tmp_path / "ensemble.onnx", candidate="ensemble")
    session = onnxruntime.InferenceSession(str(path))
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["trial"], metadata["networks"]) == ("", "trial0*0.25 trial1*0.75")
    x = judged.study.problem.events.read()[metadata["features"].split(",")].to_numpy(np.float32)
    (scores,) = session.run(["score"], {"features": x})
    np.testing.assert_allclose(
        scores,
        tuner.predict(judged, read_events(judged.study.problem), candidate="ensemble").frame()["score"],
        atol=2e-5,
    )


def test_what_was_handed_on_of_other_trials_is_not_used(judged):
    """Last of the file: the trial stays in the search."""
    other = tuner.Search(judged.study, judged.folder)
    trial = optuna.trial.create_trial(value=0.1, params={}, distributions={})
    other.optuna_study.add_trial(trial)
    assert choose_predictor(other).trial == other.best_trial.number
    with pytest.raises(SearchError, match="must be evaluated before"):
        choose_predictor(other, name="ensemble")
