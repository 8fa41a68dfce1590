"""Networks that users write, from the sweep to the exported file: all ways give the scores that were judged."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from own_networks import ALONE, IN_PLACE, NETWORKS, Own
from samples import make_settings, make_study

import tuner
from tuner.evaluation.retraining import Wanted, find_retrainings, retrain
from tuner.events.reading import read_events
from tuner.events.table import NewEvents
from tuner.metrics.figures_of_merit import Auc
from tuner.prediction.networks import Predictor, TrainedNetwork, hand_on
from tuner.prediction.predict import score_part
from tuner.trackers import NoTracker

ALL = [*NETWORKS, *ALONE]

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch, of `clamp_` under vmap


@tuner.search_space(structure=["kind"], warm_starts=[{"kind": kind} for kind in ALL])
def suggest(trial):
    kind = trial.suggest_categorical("kind", ALL)
    lr = trial.suggest_float("lr", 1e-3, 1e-2, log=True)
    return replace(make_settings(lr=lr, batch_size=128), network=Own(kind))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A search that tries each network."""
    study = make_study(
        trials=len(ALL), epochs=1, n_events=900, search_space=suggest, pruner=lambda n: optuna.pruners.NopPruner()
    )
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker(), workers=1)


def find_trial(search, kind):
    return next(trial for trial in search.trials if trial.params.get("kind") == kind and trial.state == "complete")


def measure(search, candidate):
    part = search.splits.validation
    return Auc()(np.asarray(part.labels), score_part(search, "validation", predictor=candidate), part.weights)


@pytest.mark.parametrize("kind", ALL)
def test_the_network_that_is_loaded_has_the_figure_of_the_trial(search, kind):
    trial = find_trial(search, kind)
    candidate = Predictor("", (TrainedNetwork(trial.number),))
    jump = 2e-3 if kind == "sign" else 0.0  # an event at a step may fall on its other side
    assert measure(search, candidate) == pytest.approx(trial.figure, abs=1e-6 + jump)


@pytest.mark.parametrize(
    "kind", ["drawn buffer", "order drawn by torch", "tied", "double", "clamping", "spectral norm"]
)
def test_what_is_trained_anew_is_loaded_as_it_was_judged(search, kind):
    trial = find_trial(search, kind)
    retrain(search, [Wanted(trial, seed) for seed in range(2)])
    found = find_retrainings(search, [trial], 2)
    assert len(found) == 2
    for training in found:
        candidate = Predictor("", (training.network,))
        assert measure(search, candidate) == pytest.approx(training.value, abs=1e-6)


@pytest.mark.parametrize("kind", ALL)
def test_the_number_of_events_is_no_matter(search, kind, monkeypatch):
    trial, events = find_trial(search, kind).number, read_events(search.study.problem)
    first = [NewEvents(events.table[:n], None, None, events.observers[:n], None, "first") for n in (9, 1, 2)]
    whole = tuner.predict(search, first[0], trial=trial)
    monkeypatch.setattr("tuner.prediction.network.EVENTS_AT_ONCE", 8)  # the last of nine is alone
    for some in first:
        scores = tuner.predict(search, some, trial=trial)
        np.testing.assert_allclose(scores.frame()["score"], whole.frame()["score"][: len(scores)], atol=1e-6)


def test_networks_that_write_into_their_input_leave_it_to_the_others(search):
    networks = [TrainedNetwork(find_trial(search, kind).number, weight=0.25) for kind in [*IN_PLACE]]
    expected = sum(
        0.25 * score_part(search, "validation", predictor=Predictor("", (replace(network, weight=1.0),)))
        for network in networks
    )
    given = score_part(search, "validation", predictor=Predictor("ensemble", tuple(networks)))
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_the_exported_file_of_all_gives_their_scores(search, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    numbers = [find_trial(search, kind).number for kind in ALL]
    everyone = Predictor("ensemble", tuple(TrainedNetwork(number, weight=1 / len(ALL)) for number in numbers))
    hand_on(search, Predictor("single network", (TrainedNetwork(numbers[0]),)), everyone)
    path = tuner.export(search, tmp_path / "all.onnx", candidate="ensemble")
    session = onnxruntime.InferenceSession(str(path))
    events = read_events(search.study.problem)
    expected = tuner.predict(search, events, candidate="ensemble").frame()["score"].to_numpy()
    x = events.table.to_numpy(np.float32)
    for n in (1, 2, 500):
        (scores,) = session.run(["score"], {"features": x[:n]})
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected[:n], atol=2e-5)


@pytest.mark.parametrize("kind", ["clamping", "bounded"])
def test_the_next_trial_meets_the_events_as_they_were(tmp_path, kind):
    """A plain trial has the same figure after a network that writes into its input and after one that does not."""
    figures = []
    for first in (kind, "tied"):

        @tuner.search_space(structure=["kind"], warm_starts=[{"kind": first}, {"kind": "reused"}])
        def suggest_two(trial):
            return replace(make_settings(batch_size=128), network=Own(trial.suggest_categorical("kind", ALL)))

        study = make_study(first, trials=2, epochs=2, n_events=900, search_space=suggest_two)
        search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), workers=1)
        assert [trial.state for trial in search.trials] == ["complete", "complete"]
        figures.append(find_trial(search, "reused").figure)
    assert figures[0] == figures[1]
