"""A trial's network from its parameters on disk, and what is said where they do not fit."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
import torch
from samples import make_study

import tuner
from tuner.errors import SearchError
from tuner.prediction.exported_network import build_exported
from tuner.prediction.network import load_network, score_events
from tuner.prediction.networks import choose_predictor
from tuner.prediction.onnx_files import compare
from tuner.prediction.predict import score_part
from tuner.trackers import NoTracker
from tuner.training.checkpoints import read_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(trials=2, epochs=1, n_events=800, pruner=lambda n_epochs: optuna.pruners.NopPruner())
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker())


def test_chunks_of_events_give_the_scores_of_all_at_once(search, monkeypatch):
    x = np.asarray(search.splits.test.x)
    network = load_network(search, choose_predictor(search))
    whole = score_events(network, x)
    with torch.no_grad():
        np.testing.assert_allclose(whole, network(torch.from_numpy(x)).double().sigmoid().numpy(), rtol=1e-6)
    monkeypatch.setattr("tuner.prediction.network.EVENTS_AT_ONCE", 7)
    assert len(x) % 7
    np.testing.assert_allclose(score_events(network, x), whole, rtol=1e-6)
    assert score_events(network, x[:0]).shape == (0,)


def test_a_named_trial_is_scored_and_not_the_winner(search):
    other = next(t.number for t in search.trials if t.number != search.best_trial.number and t.state == "complete")
    chosen = choose_predictor(search, trial=other)
    assert (chosen.name, chosen.trial) == (f"trial {other}", other)
    assert not np.allclose(score_part(search, "validation", predictor=chosen), score_part(search, "validation"))


@pytest.fixture
def checkpoint(search):
    """Where the winner's parameters are; put back after the test."""
    path = search.checkpoint_path(search.best_trial.number)
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


def test_parameters_that_do_not_fit_are_told(search, checkpoint):
    content = read_checkpoint(checkpoint)
    gone = next(iter(content.state))
    left = {name: tensor for name, tensor in content.state.items() if name != gone}
    save_checkpoint(replace(content, state=left), checkpoint)
    with pytest.raises(
        SearchError, match=rf'trial {search.best_trial.number} in .*cannot be used.*but adds "{gone}".*back'
    ):
        score_part(search, "validation")


def test_parameters_of_another_network_are_told(search, checkpoint):
    """One number of a layer is another: all names and shapes fit."""
    content = read_checkpoint(checkpoint)
    content.state["output.bias"].add_(0.1)
    save_checkpoint(content, checkpoint)
    with pytest.raises(SearchError, match=r"cannot be used\. .* must score as the one that was trained, but 64 of 64"):
        score_part(search, "test")


def test_a_trial_that_kept_no_parameters_is_told(search, checkpoint):
    checkpoint.unlink()
    with pytest.raises(SearchError, match="must have kept its parameters"):
        choose_predictor(search)


@pytest.mark.parametrize(("off", "passes"), [(1e-3, False), (2e-5, False), (-2e-5, False), (5e-6, True)])
def test_an_exported_network_that_scores_otherwise_is_told(search, tmp_path, off, passes):
    """Ours is compared with what the file gives: here, our own scores and a little more."""
    network, preprocessing = load_network(search, choose_predictor(search)), search.splits.preprocessing
    exported = build_exported(network, preprocessing, search.study.problem)

    def run(features):
        with torch.no_grad():
            scores = exported(torch.from_numpy(features)).numpy()
        return [scores + off * (np.arange(len(features)) == 3)]  # one event of many is enough

    if passes:
        found = compare(run, network, preprocessing, exported.marks, path=tmp_path / "network.onnx")
        assert found.largest == pytest.approx(abs(off), rel=0.1)
    else:
        with pytest.raises(SearchError, match=f"must give the same scores.*differs by up to {abs(off):.1e}"):
            compare(run, network, preprocessing, exported.marks, path=tmp_path / "network.onnx")
