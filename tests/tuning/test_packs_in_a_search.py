"""Searches whose packs hold more than one trial: who trains with whom, and what each leaves behind."""

import logging
from collections import Counter

import optuna
import pytest
import torch
from samples import build_family, make_settings, make_study, suggest_small

import tuner
from tuner import search_space
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.training.pack import Pack
from tuner.training.pack_size import PackSize
from tuner.training.structure import find_structure, name_differences
from tuner.tuning.heartbeats import Lease
from tuner.tuning.limits import count_trials_per_structure
from tuner.tuning.samplers import SeededSampler, make_default_sampler
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import PACK_SIZE
from tuner.tuning.trial_queue import Asker

SLOTS = 3
WARM = [{"width": width, "lr": lr} for width, lr in [(16, 0.01), (8, 0.011), (16, 0.012), (8, 0.013), (8, 0.014)]]


def never_prune(n_epochs):
    return optuna.pruners.NopPruner()


def sweep(study, folder):
    return tuner.sweep(study, folder=folder, tracker=NoTracker())


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Packs of three at the most, not measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.tuning.worker.choose_pack_size", lambda *_, most: PackSize(min(SLOTS, most), {}, "test"))
        yield patch


@pytest.fixture(scope="module")
def packed(tmp_path_factory, quick):
    """A search of 32 trials and, for each pack, the trials that it trained in each epoch."""
    packs, whole = {}, Pack.begin_epoch

    def begin_epoch(self):
        packs.setdefault(self, []).append([member.number for _, member in self.rows])
        return whole(self)

    space = search_space(structure=["width"], warm_starts=WARM)(suggest_small.suggest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pack, "begin_epoch", begin_epoch)
        study = make_study(trials=32, epochs=1, n_events=800, search_space=space, pruner=never_prune)
        return sweep(study, tmp_path_factory.mktemp("runs")), list(packs.values())


def test_the_budget_is_spent_exactly_by_packs(packed):
    search, packs = packed
    assert [t.state for t in search.trials] == ["complete"] * 32
    assert sorted(name for pack in packs for epoch in pack for name in epoch) == list(range(32))


def test_packs_are_full_and_trials_say_so(packed):
    search, packs = packed
    assert max(len(epoch) for pack in packs for epoch in pack) == SLOTS
    assert max(t.user_attrs[PACK_SIZE] for t in search.optuna_study.get_trials()) == SLOTS


def test_trials_that_train_together_share_the_structure_and_nothing_else(packed):
    search, packs = packed
    params = {t.number: t.params for t in search.trials}
    for pack in packs:
        names = [name for epoch in pack for name in epoch]
        assert len({params[name]["width"] for name in names}) == 1
        assert len({params[name]["lr"] for name in names}) == len(names)
    assert {p["width"] for p in params.values()} == {8, 16}


def test_a_structure_gets_an_eighth_of_the_trials_before_the_next(packed):
    _, packs = packed
    sizes = [sum(map(len, pack)) for pack in packs]
    assert max(sizes) == 32 // 8
    assert sizes.count(4) >= 6


def test_warm_starts_of_every_structure_complete(packed):
    search, _ = packed
    warm = [t for t in search.trials if t.warm_start]
    assert [(t.params["width"], t.params["lr"]) for t in warm] == [(w["width"], w["lr"]) for w in WARM]
    assert {t.state for t in warm} == {"complete"}


def test_an_eighth_of_the_budget_goes_to_a_structure_but_not_many_trials():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    for trials, on_cpu, on_gpu in ((7, 1, 1), (24, 3, 3), (64, 4, 8), (1000, 4, 8)):
        study = make_study(trials=trials)
        assert (count_trials_per_structure(study, cpu), count_trials_per_structure(study, gpu)) == (on_cpu, on_gpu)
    assert count_trials_per_structure(study, torch.device("mps")) == 4
    without = make_study(trials=64, search_space=suggest_small.suggest)
    assert count_trials_per_structure(without, cpu) == count_trials_per_structure(without, gpu) == 1


def test_a_pattern_fixes_all_parameters_that_it_fits(tmp_path):
    def suggest(trial):
        widths = tuple(trial.suggest_int(f"mlp.width_{i}", 4, 64) for i in (1, 2))
        return make_settings(widths=widths, lr=trial.suggest_float("lr", 1e-3, 1e-1))

    study = make_study(search_space=search_space(structure=["mlp.width*"])(suggest))
    search = Search(study, RunFolder(tmp_path))
    optuna.create_study(study_name="small", storage=open_storage(search.folder.journal), direction="maximize")
    with Lease(search.optuna_study) as lease:
        asker = Asker(search, SeededSampler(make_default_sampler, 0), lease.worker)
        first = asker.ask()
        fixed = asker.fix_structure(first.trial)
        assert fixed == {n: first.trial.params[n] for n in ("mlp.width_1", "mlp.width_2")}
        mate = asker.ask(fixed)
        assert mate.structure == first.structure
        assert mate.trial.params["lr"] != first.trial.params["lr"]
        assert asker.ask().structure != first.structure


class Always(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return True


def test_pruned_trials_count_and_leave_no_parameters(tmp_path):
    search = sweep(make_study(trials=16, epochs=3, n_events=800, pruner=lambda n_epochs: Always()), tmp_path)
    assert [(t.state, t.epochs, t.figure) for t in search.trials] == [("pruned", 1, None)] * 16
    assert not list(search.folder.checkpoints.glob("*"))
    assert search.best_trial is None


def test_the_studys_own_sampler_and_pruner_are_made_with_seeds_and_epochs(tmp_path):
    seeds, epochs = [], []

    def make_sampler(seed):
        seeds.append(seed)
        return optuna.samplers.RandomSampler(seed=seed)

    def make_pruner(n_epochs):
        epochs.append(n_epochs)
        return optuna.pruners.NopPruner()

    study = make_study(trials=3, epochs=2, n_events=800, seed=5, sampler=make_sampler, pruner=make_pruner)
    search = sweep(study, tmp_path)
    assert set(epochs) == {2}
    assert set(seeds) == {5}
    assert search.trials[1].params["lr"] != search.trials[2].params["lr"]


def test_parameters_of_the_best_trials_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.tuning.trial_artifacts.MAX_CHECKPOINTS", 2)
    search = sweep(make_study(trials=5, epochs=1, n_events=800, pruner=never_prune), tmp_path)
    assert {t.state for t in search.trials} == {"complete"}
    kept = {t.number for t in search.trials if search.checkpoint_path(t.number).exists()}
    best = sorted(search.trials, key=lambda t: -t.figure)[:2]
    assert search.best_trial.number == best[0].number
    assert {t.number for t in best} <= kept
    assert len(kept) <= 4  # the best warm start is kept, too


def test_dropout_does_not_depend_on_the_random_state_of_the_caller(tmp_path):
    @search_space(structure=["width"])
    def suggest(trial):
        width = trial.suggest_categorical("width", [8])
        return make_settings(widths=(width,), lr=trial.suggest_float("lr", 1e-3, 1e-1), dropout=0.3, batch_size=128)

    values = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        study = make_study(trials=16, epochs=2, n_events=800, search_space=suggest, pruner=never_prune)
        values.append([t.value for t in sweep(study, tmp_path / str(seed)).trials])
    assert values[0] == values[1]


def test_trials_that_wait_train_with_those_of_their_structure(packed):
    _, packs = packed
    warm = [sorted(name for epoch in pack for name in epoch)[:3] for pack in packs[:2]]
    assert warm == [[0, 2, 5], [1, 3, 4]]


def test_asking_ahead_spends_the_same_budget_and_leaves_nothing_running(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.tuning.worker.asks_ahead", lambda _: True)
    space = search_space(structure=["width"], warm_starts=WARM)(suggest_small.suggest)
    search = sweep(make_study(trials=16, epochs=1, n_events=800, search_space=space, pruner=never_prune), tmp_path)
    assert [trial.state for trial in search.trials] == ["complete"] * 16


def test_what_was_asked_ahead_of_a_pack_that_fails_is_trained_later(tmp_path, monkeypatch):
    monkeypatch.setattr("tuner.tuning.worker.asks_ahead", lambda _: True)
    whole, failures = Pack.begin_epoch, []

    def fail_once(self):
        if len(self) > 1 and not failures:
            failures.append(len(self))
            raise RuntimeError("no reason")
        return whole(self)

    monkeypatch.setattr(Pack, "begin_epoch", fail_once)
    study = make_study(trials=32, epochs=1, n_events=800, search_space=suggest_small, pruner=never_prune)
    search = sweep(study, tmp_path)
    assert failures
    states = [trial.state for trial in search.trials]
    assert states.count("complete") == 32
    assert "running" not in states


def test_what_a_space_forgot_to_call_structure_is_named_once(tmp_path, caplog):
    def suggest(trial):
        batch_size, activation = trial.suggest_int("batch", 64, 128), trial.suggest_categorical("act", ["relu", "silu"])
        widths = (trial.suggest_categorical("width", [8, 16]),)
        return make_settings(widths=widths, batch_size=batch_size, activation=activation)

    study = make_study(trials=24, epochs=1, n_events=800, search_space=search_space(structure=["width"])(suggest))
    with caplog.at_level(logging.WARNING, logger="tuner"):
        search = sweep(study, tmp_path)
    assert len(search.trials) == 24
    (message,) = [message for message in caplog.messages if "cannot train together" in message]
    assert "`batch_size`" in message
    assert "`widths`" not in message


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mates_that_never_fit_leave_the_search_its_freedom(tmp_path, seed):
    def suggest(trial):
        act = trial.suggest_categorical("act", ["relu", "silu", "gelu", "leaky_relu"])
        batch_size = 64 + trial.number  # never the same: no two trials train together
        return make_settings(activation="relu", lr=0.01 if act == "relu" else 0.02, batch_size=batch_size)

    space = search_space(structure=["act"])(suggest)
    study = make_study(trials=24, epochs=1, n_events=800, search_space=space, seed=seed, pruner=never_prune)
    counts = Counter(trial.params["act"] for trial in sweep(study, tmp_path).trials)
    assert sum(counts.values()) == 24
    assert len(counts) >= 3


def test_a_space_that_names_its_structure_is_not_warned_of(tmp_path, caplog):
    space = search_space(structure=["width"], warm_starts=WARM)(suggest_small.suggest)
    with caplog.at_level(logging.WARNING, logger="tuner"):
        sweep(make_study(trials=24, epochs=1, n_events=800, search_space=space), tmp_path)
    assert not [message for message in caplog.messages if "cannot train together" in message]


def test_differences_of_structures_have_the_names_of_fields():
    mlp, other = make_settings(widths=(8,)), make_settings(widths=(9,), activation="silu", batch_size=64)
    assert name_differences(find_structure(mlp), find_structure(other)) == ["widths", "activation", "batch_size"]
    resnet = build_family("resnet")
    assert name_differences(find_structure(mlp), find_structure(resnet)) == ["network"]
    assert name_differences(("mine", "adamw", 32), ("yours", "adamw", 64)) == ["network", "batch_size"]
    assert name_differences((("A", ("a", 1)), "adamw", 32), (("A",), "adamw", 32)) == ["network"]
