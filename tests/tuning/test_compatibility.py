"""Resuming with a changed space is told by parameter; ranges of floats may change."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import optuna
import pytest

from tuner import Budget, Problem, Settings, Study, TrainingSettings, search_space
from tuner.errors import SearchError, StudyError
from tuner.metrics.figures_of_merit import Custom
from tuner.models import MLPSettings
from tuner.tuning.compatibility import Probe, check_resumption, identify, probe_space
from tuner.tuning.trial_attributes import write_identity

PROBLEM = Problem(question="Is it?", events="e.csv", label="y", signal=1)


def make_space(choices=(32, 64), high=0.1, log=True):
    def suggest(trial):
        width = trial.suggest_categorical("width", list(choices))
        lr = trial.suggest_float("lr", 1e-4, high, log=log)
        return Settings(network=MLPSettings(widths=(width,)), training=TrainingSettings(lr=lr))

    return suggest


def make_study(**changes):
    budget = changes.pop("budget", Budget())
    return Study(name="s", problem=PROBLEM, search_space=make_space(**changes), budget=budget)


@pytest.fixture
def begun():
    optuna_study = optuna.create_study(direction="maximize")
    study = make_study()
    write_identity(optuna_study, identify(study, "abc", probe_space(study)))
    trial = optuna_study.ask()
    study.space(trial)
    optuna_study.tell(trial, 0.5)
    return optuna_study


def check(optuna_study, study, digest="abc"):
    probe = probe_space(study)
    check_resumption(optuna_study, identify(study, digest, probe), probe)


@pytest.mark.parametrize("changes", [{}, {"high": 0.5}, {"budget": Budget(trials=500)}])
def test_the_same_study_another_range_or_more_trials_go_on(begun, changes):
    study = make_study(**changes)
    check(begun, study)
    trial = begun.ask()
    study.space(trial)
    assert trial.distributions["lr"].high == changes.get("high", 0.1)
    assert trial.distributions["width"].choices == (32, 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choices": (32, 64, 128)}, r'parameter "width" was one of 32, 64, is one of 32, 64, 128\.'),
        (
            {"log": False},
            r'parameter "lr" was .* from 0.0001 to 0.1 by logarithm, is a number from 0.0001 to 0.1\.',
        ),
        ({"budget": Budget(epochs=7)}, "epochs: was 30, is 7"),
    ],
)
def test_what_changed_is_named_with_a_way_to_go_on(begun, changes, message):
    with pytest.raises(SearchError, match=message) as raised:
        check(begun, make_study(**changes))
    assert "another `name`" in str(raised.value)


@pytest.mark.parametrize(
    ("n", "features", "told"),
    [
        (2005, ("a", "b"), "events: 2,000 were, 2,005 are."),
        (2000, ("a", "b"), "events: as many as before, 2,000, but of other values, labels or weights."),
        (2000, ("b", "a"), "events: the features come in another order."),
        (1, ("a", "m", "x"), 'events: 2,000 were, 1 are; features "m", "x" are new; feature "b" is gone.'),
    ],
)
def test_other_events_are_told_by_number_and_features(n, features, told):
    optuna_study, study = optuna.create_study(), make_study()
    probe = probe_space(study)
    before = identify(study, "abc", probe, parts="p", n_events=2000, features=("a", "b"))
    write_identity(optuna_study, before)
    check_resumption(optuna_study, before, probe)
    with pytest.raises(SearchError) as raised:
        check_resumption(optuna_study, identify(study, "de", probe, parts="q", n_events=n, features=features), probe)
    assert f"  1. {told}\n" in str(raised.value)
    assert "2. " not in str(raised.value)
    assert "(--events names the place of the old events)" in str(raised.value)


def test_other_events_of_a_search_that_did_not_count_them_are_noticed(begun):
    with pytest.raises(SearchError, match="events: they are others than before"):
        check(begun, make_study(), digest="def")


def test_of_a_space_with_many_changes_the_first_five_are_named(begun):
    def suggest(trial):
        rates = [trial.suggest_float(f"rate_{n}", 0.0, 1.0) for n in range(6)]
        return Settings(network=MLPSettings(widths=(32,)), training=TrainingSettings(lr=0.01 + sum(rates)))

    with pytest.raises(SearchError) as raised:
        check(begun, Study(name="s", problem=PROBLEM, search_space=suggest, budget=Budget()))
    assert str(raised.value).count("search space: parameter") == 5
    assert "search space: 3 other parameters differ, too." in str(raised.value)


def test_a_space_that_raises_is_told_with_its_parameters():
    def suggest(trial):
        raise ValueError(f"no such width: {trial.suggest_int('width', 1, 2)}")

    with pytest.raises(StudyError, match=r"raised ValueError: no such width.*\{'width'"):
        probe_space(Study(name="s", problem=PROBLEM, search_space=suggest))


def test_a_space_that_returns_something_else_is_told():
    with pytest.raises(StudyError, match=r"must return `tuner\.Settings.*returned dict"):
        probe_space(Study(name="s", problem=PROBLEM, search_space=lambda trial: {}))


def test_a_parameter_that_is_new_or_gone_is_named(begun):
    def suggest(trial):
        width = trial.suggest_categorical("width", [32, 64])
        rate = trial.suggest_float("rate", 1e-4, 0.1, log=True)
        return Settings(network=MLPSettings(widths=(width,)), training=TrainingSettings(lr=rate))

    study = Study(name="s", problem=PROBLEM, search_space=suggest, budget=Budget())
    with pytest.raises(SearchError, match='"rate" is new') as raised:
        check(begun, study)
    assert 'parameter "lr" is gone' in str(raised.value)


def test_a_figure_of_merit_is_the_same_in_every_process():
    command = (
        "from tuner import Problem, Study; from tuner.metrics.figures_of_merit import Custom; import json;"
        "from tuner.tuning.compatibility import Probe, identify; from numpy import average;"
        "p = Problem(question='q', events='e', label='y', signal=1,"
        " figure_of_merit=Custom(function=average, name='mine'));"
        "print(json.dumps(identify(Study(name='s', problem=p, search_space=lambda t: None), 'abc', Probe({}, 2))))"
    )
    other = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    figure = Custom(function=np.average, name="mine")
    problem = Problem(question="q", events="e", label="y", signal=1, figure_of_merit=figure)
    mine = identify(Study(name="s", problem=problem, search_space=lambda trial: None), "abc", Probe({}, 2))
    assert json.loads(other) == mine
    assert "average" in other
    assert "0x" not in other


def test_a_search_is_not_resumed_with_another_function_as_figure_of_merit():
    """Plain functions, a closure among them: the same code is the same figure, other code is not."""

    def make(figure):
        problem = replace(PROBLEM, figure_of_merit=figure)
        return identify(Study(name="s", problem=problem, search_space=lambda t: None), "abc", Probe({}, 2))

    def bind(bound):
        return lambda labels, scores, weights: float((scores > bound).mean())

    optuna_study = optuna.create_study()
    write_identity(optuna_study, make(bind(0.5)))
    check_resumption(optuna_study, make(bind(0.5)), Probe({}, 2))
    for other in (bind(0.6), lambda labels, scores, weights: float((scores < 0.5).mean())):
        with pytest.raises(SearchError, match=r"figure of merit: (was|its code has changed)"):
            check_resumption(optuna_study, make(other), Probe({}, 2))


def test_a_warm_start_of_a_rare_branch_is_taken_and_a_wrong_one_is_told():
    def suggest(trial):
        kind = trial.suggest_int("kind", 0, 500)
        lr = trial.suggest_float("rare.lr", 0.1, 1.0) if kind == 77 else 0.01
        return Settings(network=MLPSettings(widths=(4,)), training=TrainingSettings(lr=lr))

    def make(**params):
        return Study(name="s", problem=PROBLEM, search_space=search_space(warm_starts=[params])(suggest))

    assert "rare.lr" in probe_space(make(kind=77, **{"rare.lr": 0.5})).distributions
    with pytest.raises(StudyError, match=r'"rare.lr" the value 5.0, not one of FloatDistribution'):
        probe_space(make(kind=77, **{"rare.lr": 5.0}))
    with pytest.raises(StudyError, match=r'"kin" that the space does not sample\. Did you mean "kind"'):
        probe_space(make(kin=77))


@pytest.mark.parametrize(
    ("params", "is_taken"),
    [
        ({"n": 64, "lr": 0.1}, True),
        ({"n": 4, "lr": 1e-4}, True),
        ({"n": 65, "lr": 0.1}, False),
        ({"n": 64, "lr": 0.10001}, False),
        ({"n": 3, "lr": 1e-4}, False),
        ({"n": 4, "lr": 0.99e-4}, False),
    ],
)
def test_a_warm_start_may_lie_on_a_bound_but_not_beyond(params, is_taken):
    def suggest(trial):
        n, lr = trial.suggest_int("n", 4, 64), trial.suggest_float("lr", 1e-4, 0.1, log=True)
        return Settings(network=MLPSettings(widths=(n,)), training=TrainingSettings(lr=lr))

    study = Study(name="s", problem=PROBLEM, search_space=search_space(warm_starts=[params])(suggest))
    if is_taken:
        assert probe_space(study).distributions
    else:
        with pytest.raises(StudyError, match=r"Warm start 1 gives .* not one of"):
            probe_space(study)
