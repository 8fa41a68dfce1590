"""Settings trained anew: once each, from what they follow from, whoever else trains beside them."""

import logging
import math
import os
import re
from dataclasses import dataclass, replace

import numpy as np
import optuna
import pytest
import torch
from samples import Shown, make_settings, make_study
from sklearn.metrics import roc_auc_score
from torch import nn

import tuner
from tuner import Budget
from tuner.errors import SearchError
from tuner.evaluation.bagging import train_bag
from tuner.evaluation.retraining import Wanted, find_retrainings
from tuner.evaluation.retraining_processes import _Progress, open_pool, retrain_finalists
from tuner.launchers.process_pool import ProcessPool
from tuner.prediction.network import load_network
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.prediction.predict import score_part
from tuner.trackers import NoTracker
from tuner.training.loop import train_members
from tuner.training.pack_size import PackSize
from tuner.training.settings import Settings
from tuner.tuning.study_file import load_study

STUDY = """
from dataclasses import replace

from samples import make_settings, make_study
from tuner import search_space


@search_space(structure=["width"])
def suggest(trial):
    width = trial.suggest_categorical("width", [4, 8])
    return make_settings(widths=(width,), lr=trial.suggest_float("lr", 1e-3, 1e-1, log=True), batch_size=128)


study = make_study(trials=3, epochs=2, n_events=900, search_space=suggest)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A search of three settings that never drop out, with the file that its study stands in."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "mine.py").write_text(STUDY)
    study = replace(load_study(folder / "mine.py"), pruner=lambda n_epochs: optuna.pruners.NopPruner())
    search = tuner.sweep(study, folder=folder / "runs", workers=1, device="cpu", tracker=NoTracker())
    return replace(search, study_file=folder / "mine.py")


@pytest.fixture
def search(swept):
    """The search as it was before anything was trained anew."""
    for path in swept.folder.finalists.glob("trial_*"):
        path.unlink()
    return replace(swept, study_file=None)


def files(search):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in search.folder.finalists.glob("trial_*")}


def scores(search, trial, seed):
    network = TrainedNetwork(trial) if seed is None else TrainedNetwork(trial, "seed", seed)
    return score_part(search, "validation", predictor=Predictor("", (network,)))


def test_each_setting_is_trained_with_each_seed_and_its_parameters_give_its_value(search):
    found = retrain_finalists(search, search.trials[:2], seeds=2)
    assert [(each.network.trial, each.network.number) for each in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    part = search.splits.validation
    for each in found:
        given = scores(search, each.network.trial, each.network.number)
        assert roc_auc_score(part.labels, given, sample_weight=part.weights) == pytest.approx(each.value, abs=1e-6)
        assert (each.epochs, each.n_parameters) == (2, search.trials[each.network.trial].n_parameters)
        assert not np.allclose(given, scores(search, each.network.trial, None))
    assert not np.allclose(scores(search, 0, 0), scores(search, 0, 1))


def test_the_same_call_again_trains_nothing_and_more_seeds_train_only_these(search):
    first = retrain_finalists(search, search.trials[:1], seeds=2)
    before = files(search)
    assert retrain_finalists(search, search.trials[:1], seeds=2) == first
    assert files(search) == before
    more = retrain_finalists(search, search.trials[:1], seeds=3)
    assert more[:2] == first
    assert {name: content for name, content in files(search).items() if "seed_2" not in name} == before


def test_what_is_trained_again_becomes_the_same(search):
    first = retrain_finalists(search, search.trials[:1], seeds=2)
    kept = scores(search, 0, 1)
    for path in search.folder.finalists.glob("trial_*"):
        path.unlink()
    assert [each.value for each in retrain_finalists(search, search.trials[:1], seeds=2)] == pytest.approx(
        [each.value for each in first]
    )
    np.testing.assert_allclose(scores(search, 0, 1), kept, atol=1e-6)


def change_params(search):
    return search, replace(search.trials[0], params={**search.trials[0].params, "lr": 0.05})


def change_epochs(search):
    return replace(search, study=replace(search.study, budget=Budget(trials=3, epochs=1))), search.trials[0]


def change_seed(search):
    return replace(search, study=replace(search.study, seed=search.study.seed + 1)), search.trials[0]


def change_events(search):
    other = replace(search)
    other.__dict__["splits"] = replace(search.splits, events_digest="0" * 64)
    return other, search.trials[0]


@pytest.mark.parametrize("change", [change_params, change_epochs, change_seed, change_events])
def test_a_training_of_something_else_is_not_taken_for_this_one(search, change):
    first = retrain_finalists(search, search.trials[:1], seeds=1)
    changed, trial = change(search)
    assert find_retrainings(changed, [trial], 1) == ()
    (found,) = retrain_finalists(changed, [trial], seeds=1)
    assert find_retrainings(changed, [trial], 1) == (found,)
    assert find_retrainings(search, search.trials[:1], 1) == ()
    assert (found == first[0]) == (change is change_events)


def test_only_what_is_to_be_trained_loses_its_record(search, monkeypatch):
    """A record of other settings would count as done; one that holds stays, however often progress is shown."""
    retrain_finalists(search, search.trials[:1], seeds=1)
    kept = files(search)
    progress = _Progress(search, [Wanted(search.trials[0], 0)], n_trials=1, seeds=1, display=Shown())
    progress.show()
    assert files(search) == kept
    monkeypatch.setattr("tuner.evaluation.retraining_processes.retrain", lambda *_: ())
    assert retrain_finalists(search, [change_params(search)[1]], seeds=1) == ()
    assert "trial_00000-seed_0.json" not in files(search)


def test_parameters_that_were_lost_are_trained_again(search):
    first = retrain_finalists(search, search.trials[:1], seeds=1)
    search.checkpoint_path(TrainedNetwork(0, "seed", 0)).unlink()
    assert find_retrainings(search, search.trials[:1], 1) == ()
    assert retrain_finalists(search, search.trials[:1], seeds=1) == first


@pytest.mark.filterwarnings("ignore:The value 1e.38 of the parameter")
def test_two_processes_train_each_once_and_find_what_one_finds(search, swept, monkeypatch, caplog):
    """And what fails there is told here, once: a learning rate that is out of all bounds."""
    wild = replace(swept.trials[0], number=9, params={**swept.trials[0].params, "lr": 1e38})
    alone = retrain_finalists(search, search.trials, seeds=2)
    kept = {
        (each.network.trial, each.network.number): scores(search, each.network.trial, each.network.number)
        for each in alone
    }
    for path in search.folder.finalists.glob("trial_*"):
        path.unlink()
    monkeypatch.setattr("tuner.evaluation.retraining_processes.count_cores", lambda: 2)
    display = Shown()
    with caplog.at_level(logging.WARNING, logger="tuner"), open_pool(swept, "cpu") as pool:
        together = retrain_finalists(swept, [*swept.trials, wild], seeds=2, pool=pool, device="cpu", display=display)
        bags = [train_bag(swept, trial, folds=3, pool=pool, device="cpu") for trial in (swept.trials[0], wild)]
    assert bags[1] is None  # it fails in each fold
    shared = bags[0].out_of_fold.scores
    for training in bags[0].trainings:
        search.checkpoint_path(training.network).unlink()
    np.testing.assert_allclose(train_bag(search, search.trials[0], folds=3).out_of_fold.scores, shared, atol=1e-5)
    assert [(each.network.trial, each.network.number) for each in together] == list(kept)
    for each in together:
        np.testing.assert_allclose(
            scores(search, each.network.trial, each.network.number),
            kept[each.network.trial, each.network.number],
            atol=1e-5,
        )
    logged = re.findall(r" retrain \S+:(\d+)  Trained trial (\d+) anew with seed (\d+): ", swept.folder.log.read_text())
    elsewhere = {pid: (int(trial), int(seed)) for pid, trial, seed in logged if pid != str(os.getpid())}
    told = [(int(trial), int(seed)) for pid, trial, seed in logged if pid in elsewhere]
    assert sorted(told) == sorted(kept)
    assert len(elsewhere) == 2
    assert display.stages[0].text == "Training 4 finalists anew, 2 seeds each"
    assert [display.stages[0].done, display.stages[-1].done, display.stages[-1].total] == [0, 6, 8]
    left_out = [record for record in caplog.records if "Trial 9 trained anew" in record.getMessage()]
    assert [record.screen_only for record in left_out] == [True, True]


def test_what_processes_die_of_is_an_error_that_shows_their_log(search, swept, tmp_path):
    """The study's file ends each process that reads it."""
    deadly = tmp_path / "deadly.py"
    deadly.write_text("import os\nos._exit(9)\n")
    broken = replace(swept, study_file=deadly)
    with ProcessPool(2, tmp_path) as pool, pytest.raises(SearchError, match=r"`retrain` .*ended with exit code 9"):
        retrain_finalists(broken, swept.trials[:1], seeds=1, pool=pool, device="cpu")


NOW: set[str] = set()
"""Moods that make a network fail from now on."""


class Moody(nn.Module):
    """Learns well, until its mood is in NOW."""

    def __init__(self, d_in, mood):
        super().__init__()
        self.layer, self.mood = nn.Linear(d_in, 1), mood

    def forward(self, x):
        if self.mood == "raise" and self.mood in NOW:
            raise RuntimeError("not again")
        logits = self.layer(x).squeeze(-1)
        return logits * math.nan if self.mood == "nan" and self.mood in NOW else logits


@dataclass(frozen=True)
class MoodySettings:
    mood: str

    def build(self, d_in):
        if self.mood == "build" and self.mood in NOW:
            raise RuntimeError("not again")
        return Moody(d_in, self.mood)


def suggest_moody(trial):
    mood = trial.suggest_categorical("mood", ["fine", "raise", "nan", "build"])
    lr = trial.suggest_float("lr", 1e-3, 1e40, log=True)
    return Settings(network=MoodySettings(mood), training=make_settings(lr=lr).training)


def enqueue(search, **params):
    distributions = {
        "mood": optuna.distributions.CategoricalDistribution(["fine", "raise", "nan", "build"]),
        "lr": optuna.distributions.FloatDistribution(1e-3, 1e40, log=True),
    }
    trial = optuna.trial.create_trial(params=params, distributions=distributions, value=0.5)
    search.optuna_study.add_trial(trial)
    return search.trials[-1]


@pytest.fixture(scope="module")
def moody(tmp_path_factory):
    study = make_study("moody", trials=1, epochs=2, n_events=600, search_space=suggest_moody)
    NOW.clear()
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker())


@pytest.mark.parametrize("mood", ["raise", "nan", "build"])
def test_a_network_that_fails_is_left_out_with_a_warning_and_the_others_remain(moody, caplog, mood):
    bad, good = enqueue(moody, mood=mood, lr=0.01), enqueue(moody, mood="fine", lr=0.01)
    NOW.add(mood)
    with caplog.at_level(logging.WARNING, logger="tuner"):
        found = retrain_finalists(moody, [bad, good], seeds=2)
    NOW.clear()
    assert [(each.network.trial, each.network.number) for each in found] == [(good.number, 0), (good.number, 1)]
    left_out = [r.getMessage() for r in caplog.records if "is left out" in r.getMessage()]
    assert len(left_out) == 2
    assert all(f"Trial {bad.number} trained anew with seed" in message for message in left_out)
    assert not moody.checkpoint_path(TrainedNetwork(bad.number, "seed", 0)).exists()


def test_a_network_that_can_no_longer_be_built_ends_an_evaluation_with_an_error_of_ours(moody):
    found = retrain_finalists(moody, [enqueue(moody, mood="build", lr=0.01)], seeds=1)
    NOW.add("build")
    with pytest.raises(SearchError, match=r"cannot be used\. `build` must give .* not again .*Put the code"):
        load_network(moody, Predictor("", (found[0].network,)))
    NOW.clear()


def test_one_that_diverges_does_no_harm_to_the_others_of_its_pack(moody, caplog):
    """All of one structure, so of one pack: the others become what they are without it."""
    wild, tame = enqueue(moody, mood="fine", lr=1e40), enqueue(moody, mood="fine", lr=0.02)
    alone = retrain_finalists(moody, [tame], seeds=2)
    kept = [scores(moody, tame.number, seed) for seed in (0, 1)]
    for path in moody.folder.finalists.glob(f"trial_{tame.number:05d}*"):
        path.unlink()
    with caplog.at_level(logging.WARNING, logger="tuner"):
        beside = retrain_finalists(moody, [wild, tame], seeds=2)
    assert [each.network.trial for each in beside] == [tame.number] * 2
    assert [each.value for each in beside] == pytest.approx([each.value for each in alone])
    for seed in (0, 1):
        np.testing.assert_allclose(scores(moody, tame.number, seed), kept[seed], atol=1e-5)


def test_a_pack_that_does_not_fit_is_trained_in_smaller_ones(search, caplog, monkeypatch):
    first = retrain_finalists(search, search.trials[:1], seeds=4)
    for path in search.folder.finalists.glob("trial_*"):
        path.unlink()
    tried = []

    def train_few(pack, **more):
        tried.append(len(pack))
        if len(pack) > 1:
            raise RuntimeError("out of memory")
        return train_members(pack, **more)

    monkeypatch.setattr("tuner.evaluation.pack_training.choose_pack_size", lambda *_, **__: PackSize(4, {}, "test"))
    monkeypatch.setattr("tuner.evaluation.pack_training.train_members", train_few)
    with caplog.at_level(logging.WARNING, logger="tuner"):
        found = retrain_finalists(search, search.trials[:1], seeds=4)
    assert tried == [4, 2, 1]
    assert [each.network.number for each in found] == [0, 1, 2, 3]
    assert [each.value for each in found] == pytest.approx([each.value for each in first])
    assert not caplog.records


def test_the_random_state_of_the_program_is_left_as_it_is(search):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    retrain_finalists(search, search.trials[:1], seeds=1)
    torch.testing.assert_close(torch.rand(2), expected)


@pytest.mark.parametrize(("n_gpus", "n_cores", "expected"), [(0, 4, 4), (1, 4, 2), (2, 4, 3), (0, 1, 0), (1, 1, 0)])
def test_an_evaluation_has_a_process_per_core_or_per_gpu_and_one_beside(swept, monkeypatch, n_gpus, n_cores, expected):
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    monkeypatch.setattr("tuner.evaluation.retraining_processes.count_cores", lambda: n_cores)
    assert open_pool(swept).n_processes == expected
    assert open_pool(replace(swept, study_file=None)).n_processes == 0
