"""Resuming with a changed space is told by parameter; ranges of floats may change."""

import optuna
import pytest

from tuner import Budget, Problem, Settings, Study, TrainingSettings
from tuner.errors import SearchError, StudyError
from tuner.models import MLPSettings
from tuner.tune.resume import IDENTITY, check_resumption, identify, probe_space

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
    optuna_study.set_user_attr(IDENTITY, identify(study, "abc"))
    trial = optuna_study.ask()
    study.space(trial)
    optuna_study.tell(trial, 0.5)
    return optuna_study


def check(optuna_study, study, digest="abc"):
    check_resumption(optuna_study, study, identify(study, digest))


def test_the_same_study_goes_on(begun):
    check(begun, make_study())


def test_another_range_goes_on(begun):
    check(begun, make_study(high=0.5))


def test_more_trials_go_on(begun):
    check(begun, make_study(budget=Budget(trials=500)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choices": (32, 64, 128)}, r'parameter "width" was .*\(32, 64\).*, is .*\(32, 64, 128\)'),
        ({"log": False}, r'parameter "lr" was .*log=True.*, is .*log=False'),
        ({"budget": Budget(epochs=7)}, "epochs: was 30, is 7"),
    ],
)
def test_what_changed_is_named_with_a_way_to_go_on(begun, changes, message):
    with pytest.raises(SearchError, match=message) as raised:
        check(begun, make_study(**changes))
    assert "another `name`" in str(raised.value)


def test_other_events_are_noticed(begun):
    with pytest.raises(SearchError, match="events: was 'abc', is 'def'"):
        check(begun, make_study(), digest="def")


def test_a_space_that_raises_is_told_with_its_parameters():
    def suggest(trial):
        raise ValueError(f"no such width: {trial.suggest_int('width', 1, 2)}")

    with pytest.raises(StudyError, match=r"raised ValueError: no such width.*\{'width'"):
        probe_space(Study(name="s", problem=PROBLEM, search_space=suggest))


def test_a_space_that_returns_something_else_is_told():
    with pytest.raises(StudyError, match=r"must return `tuner\.Settings.*returned dict"):
        probe_space(Study(name="s", problem=PROBLEM, search_space=lambda trial: {}))
