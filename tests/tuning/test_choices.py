"""Choices of any kind come back as they were given: through storage, resumption, warm start, judgement and export."""

import enum
import math
import warnings
from dataclasses import dataclass

import numpy as np
import optuna
import pytest
from samples import make_settings, make_study
from torch import nn

import tuner
from tuner import EvaluationSettings, search_space
from tuner.errors import StudyError, TunerError
from tuner.trackers import NoTracker
from tuner.tuning.choices import PlainTrial, encode_choice, encode_params
from tuner.tuning.compatibility import probe_space
from tuner.tuning.heartbeats import Lease, give_back
from tuner.tuning.samplers import SeededSampler, make_default_sampler
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_queue import Asker


class Act(enum.Enum):
    RELU = 1
    TANH = 2


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Text(enum.StrEnum):
    A = "a"


def my_function():
    """Do nothing."""


CHOICES = {
    "tuples": [(8,), (8, 8), (4, 4, 4), ()],
    "nested": [((8, "a"), None), ((8, "b"), 1.5)],
    "lists": [[8], [8, 8]],
    "enumeration": list(Act),
    "whole enumeration": list(Level),
    "text enumeration": [Text.A],
    "classes": [nn.ReLU, nn.Tanh],
    "functions": [my_function, np.mean],
    "plain": [None, True, 2, 2.5, "a"],
    "tuples of enumerations": [(Act.RELU, 1), (Act.TANH, 1)],
    "not a number": [math.inf, 1.0],
}


@pytest.mark.parametrize("kind", CHOICES)
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_a_choice_is_given_as_it_was_written_and_found_again(tmp_path, kind, storage):
    choices = CHOICES[kind]
    url = None if storage == "journal" else f"sqlite:///{tmp_path / 'trials.db'}"
    study = optuna.create_study(
        storage=open_storage(tmp_path / "j.log", url), sampler=optuna.samplers.RandomSampler(seed=1)
    )
    for number in range(6):
        if number >= 4:
            study.enqueue_trial(encode_params({"x": choices[0]}))
        trial = study.ask()
        chosen = PlainTrial(trial).suggest_categorical("x", choices)
        assert any(chosen is choice or (chosen == choice and type(chosen) is type(choice)) for choice in choices)
        assert number < 4 or chosen == choices[0]
        stored = study.get_trials()[number].params
        assert PlainTrial(optuna.trial.FixedTrial(stored)).suggest_categorical("x", choices) == chosen
        study.tell(trial, 0.0)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (np.array([4, 8]), {4, 8}),
        (np.linspace(0, 1, 3), {0.0, 0.5, 1.0}),
        ([np.str_("a"), np.bool_(True)], {"a", True}),
    ],
)
def test_numbers_of_numpy_are_pythons(tmp_path, choices, expected):
    study = optuna.create_study(storage=open_storage(tmp_path / "j.log"))
    came = set()
    for _ in range(20):
        came.add(PlainTrial(study.ask()).suggest_categorical("x", choices))
    assert came <= expected
    assert {type(value) for value in came} <= {int, float, str, bool}


def test_bounds_of_numpy_are_pythons(tmp_path):
    trial = PlainTrial(optuna.create_study(storage=open_storage(tmp_path / "j.log")).ask())
    assert type(trial.suggest_int("n", np.int64(4), np.int64(8), step=np.int64(2))) is int
    assert type(trial.suggest_float("x", np.float32(0.5), np.float64(1.0), log=np.bool_(True))) is float
    assert set(trial.params) == {"n", "x"}


@pytest.mark.parametrize("choices", [[object()], [lambda: None], [{1}], [nn.ReLU()], [("RELU", object())]])
def test_a_choice_without_a_text_of_its_own_is_refused(choices):
    with pytest.raises(StudyError, match=r'Choices of parameter "x" must be numbers, text'):
        PlainTrial(optuna.create_study().ask()).suggest_categorical("x", choices)


def test_choices_that_are_one_text_are_refused():
    with pytest.raises(StudyError, match=r'must differ as text, but two are "RELU"'):
        PlainTrial(optuna.create_study().ask()).suggest_categorical("x", ["RELU", Act.RELU])


def test_encoding_twice_changes_nothing():
    for choices in CHOICES.values():
        for choice in choices:
            once = encode_choice(choice, "x")
            assert repr(encode_choice(once, "x")) == repr(once)


@search_space(structure=["widths"], warm_starts=[{"widths": (8, 8), "act": Act.TANH, "n": np.int64(3), "lr": 0.01}])
def suggest_odd(trial):
    widths = trial.suggest_categorical("widths", [(8,), (8, 8), (4, 4, 4)])
    act = trial.suggest_categorical("act", list(Act))
    trial.suggest_categorical("n", np.arange(2, 5))
    lr = trial.suggest_float("lr", np.float64(1e-3), 1e-1, log=True)
    activation = {Act.RELU: "relu", Act.TANH: "selu"}[act]
    return make_settings(widths=widths, activation=activation, lr=np.float64(lr), batch_size=np.int64(64))


def make_odd(**changes):
    settings = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)
    return make_study(epochs=1, n_events=600, search_space=suggest_odd, evaluation=settings, **{"trials": 3, **changes})


def test_odd_choices_go_through_the_whole_workflow(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        search = tuner.sweep(make_odd(), folder=tmp_path, tracker=NoTracker(), workers=1)
    first = search.trials[0]
    assert (first.state, first.warm_start) == ("complete", True)
    assert dict(first.params) == {"widths": "(8, 8)", "act": "TANH", "n": 3, "lr": 0.01}
    assert search.settings(first).network.widths == (8, 8)
    assert search.settings(first).network.activation == "selu"
    opened = tuner.open_search(make_odd(), tmp_path)
    assert [opened.settings(trial) for trial in opened.trials] == [search.settings(trial) for trial in search.trials]
    with Lease(search.optuna_study) as lease:
        search = Search(make_odd(trials=5), search.folder)
        asker = Asker(search, SeededSampler(make_default_sampler, 0), lease.worker)
        asked = asker.ask()
        give_back(asker.optuna_study, asked.trial, "Interrupted.")
        assert asker.ask().settings == asked.settings
        mate = asker.ask(asker.fix_structure(asked.trial))
        assert mate.settings.network.widths == asked.settings.network.widths
    assert tuner.evaluate(opened).winner in {0, 1, 2}


@pytest.mark.filterwarnings("ignore:.*GridSampler:UserWarning")
def test_a_grid_of_odd_values_is_searched(tmp_path):
    grid = {"widths": [(8,), (8, 8)], "act": list(Act), "n": np.arange(2, 3), "lr": np.array([0.01, 0.1])}
    study = make_odd(trials=20, sampler=optuna.samplers.GridSampler(grid, seed=0))
    study = tuner.Study(**{name: getattr(study, name) for name in study.__dataclass_fields__} | {
        "search_space": search_space(structure=["widths"])(suggest_odd.suggest)})  # fmt: skip
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), workers=1)
    assert len({str(dict(trial.params)) for trial in search.trials}) == 8
    assert {trial.state for trial in search.trials} <= {"complete", "pruned"}
    assert len(search.trials) == 8


@pytest.mark.parametrize("given", ["instance", "class", "function"])
def test_samplers_and_pruners_may_be_given_whole(tmp_path, given):
    sampler, pruner = {
        "instance": (optuna.samplers.TPESampler(seed=1), optuna.pruners.MedianPruner()),
        "class": (optuna.samplers.TPESampler, optuna.pruners.MedianPruner),
        "function": (lambda seed: optuna.samplers.TPESampler(seed=seed), lambda n: optuna.pruners.MedianPruner()),
    }[given]
    study = make_odd(seed=np.int64(1), sampler=sampler, pruner=pruner)
    first = tuner.sweep(study, folder=tmp_path / "a", tracker=NoTracker(), workers=1)
    again = tuner.sweep(study, folder=tmp_path / "b", tracker=NoTracker(), workers=1)
    assert [trial.params for trial in first.trials] == [trial.params for trial in again.trials]
    assert len(first.trials) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler": lambda seed: "tpe"}, "`sampler` must make Optuna's sampler, but made str"),
        ({"sampler": lambda: None}, r"`sampler` must make Optuna's sampler, but raised TypeError: .*0 positional"),
        ({"pruner": lambda n: None}, "`pruner` must make Optuna's pruner, but made NoneType"),
        ({"pruner": optuna.samplers.TPESampler}, "`pruner` must make Optuna's pruner, but made TPESampler"),
    ],
)
def test_what_makes_no_sampler_is_refused_before_anything_is_trained(tmp_path, changes, message):
    for refuse in (tuner.check_study, lambda study: tuner.sweep(study, folder=tmp_path, tracker=NoTracker())):
        with pytest.raises(TunerError, match=message):
            refuse(make_odd(**changes))
    assert not (tmp_path / "small").exists()


@pytest.mark.parametrize("field", [np.ones(3), [np.ones(2)], (1, (np.ones(1),))])
def test_settings_with_an_array_are_refused_by_name(tmp_path, field):
    def suggest(trial):
        trial.suggest_float("x", 0, 1)
        return tuner.Settings(network=Scaled(field))

    with pytest.raises(StudyError, match=r"`Scaled\.scale.*` must be numbers, text or tuples of them.*numpy\.ndarray"):
        tuner.sweep(make_study(search_space=suggest), folder=tmp_path, tracker=NoTracker())


@dataclass(frozen=True)
class Scaled:
    scale: object

    def build(self, d_in):
        return nn.Linear(d_in, 1)


@pytest.mark.parametrize(
    ("value", "holds"), [(16, True), (4, True), (17, False), (3, False), (4.5, False), ("4", False)]
)
def test_a_warm_start_may_be_at_either_bound(tmp_path, value, holds):
    @search_space(warm_starts=[{"d": value}])
    def suggest(trial):
        return make_settings(widths=(trial.suggest_int("d", 4, 16),))

    study = make_study(search_space=suggest)
    if holds:
        assert probe_space(study).distributions
    else:
        with pytest.raises(StudyError, match='Warm start 1 gives "d" the value'):
            probe_space(study)


@pytest.mark.parametrize("name", ["tuner", "tuner:worker", "tuner.seed", "_wandb"])
def test_names_that_trackers_keep_are_refused(tmp_path, name):
    def suggest(trial):
        return make_settings(lr=trial.suggest_float(name, 1e-3, 1e-1))

    with pytest.raises(StudyError, match=rf'must not have the name "{name}"'):
        tuner.sweep(make_study(search_space=suggest), folder=tmp_path, tracker=NoTracker())
