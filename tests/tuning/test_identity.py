"""What all calls of one search share: each part of it is noticed and named when it changes."""

import re
from dataclasses import replace

import optuna
import pytest

from tuner import Budget, Preparation, Problem, Settings, Study, TrainingSettings
from tuner.errors import SearchError
from tuner.metrics.figures_of_merit import Custom, SignalEfficiency
from tuner.models import MLPSettings
from tuner.tuning.compatibility import check_resumption, identify, probe_space
from tuner.tuning.trial_attributes import read_identity, write_identity

PROBLEM = Problem(question="Is it?", events="e.csv", label="y", signal=1)


def suggest(trial):
    return Settings(network=MLPSettings(widths=(4,)), training=TrainingSettings(lr=trial.suggest_float("lr", 0.01, 1)))


STUDY = Study(name="s", problem=PROBLEM, search_space=suggest)


@pytest.fixture(scope="module")
def begun():
    optuna_study = optuna.create_study(study_name="s", direction="maximize")
    write_identity(optuna_study, identify(STUDY, "abc", probe_space(STUDY)))
    return optuna_study


def check(optuna_study, study, digest="abc"):
    probe = probe_space(study)
    check_resumption(optuna_study, identify(study, digest, probe), probe)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem": replace(PROBLEM, label="z")}, r"1\. label: was 'y', is 'z'\."),
        ({"problem": replace(PROBLEM, signal=2)}, r"1\. signal: was '1', is '2'\."),
        ({"problem": replace(PROBLEM, event_id="run")}, r"1\. event id: was None, is 'run'\."),
        (
            {"problem": replace(PROBLEM, figure_of_merit=SignalEfficiency(eps_b=0.1))},
            r"1\. figure of merit: was 'Auc\(.*', is 'SignalEfficiency\(eps_b=0\.1.*'\.",
        ),
        ({"preparation": Preparation(seed=3)}, r"1\. preparation: was \{.*'seed': 0.*\}, is \{.*'seed': 3"),
        ({"preparation": Preparation(scaling="none")}, r"1\. preparation: was \{.*'quantile'.*\}, is \{.*'none'"),
        ({"preparation": Preparation(training_weights="none")}, r"1\. preparation: was .*balanced.*, is .*none"),
        ({"seed": 1}, r"1\. seed: was 0, is 1\."),
        ({"budget": Budget(epochs=9)}, r"1\. epochs: was 30, is 9\."),
    ],
)
def test_each_part_is_noticed_alone(begun, changes, message):
    with pytest.raises(SearchError, match=message) as raised:
        check(begun, replace(STUDY, **changes))
    assert "2. " not in str(raised.value)


def test_settings_of_the_figure_of_merit_are_part_of_it(begun):
    one, other = (
        identify(replace(STUDY, problem=replace(PROBLEM, figure_of_merit=figure)), "abc", probe_space(STUDY))
        for figure in (SignalEfficiency(eps_b=0.1), SignalEfficiency(eps_b=0.2))
    )
    assert [name for name in one if one[name] != other[name]] == ["figure of merit"]


def make_figure(share):
    return Custom(function=lambda labels, scores, weights=None: float((scores > share).mean()), name="share")


def test_the_function_of_a_custom_figure_is_part_of_it_and_not_its_name(begun):
    """A figure of a search from before functions were told by their contents, or of another Python, goes on."""
    studies = [replace(STUDY, problem=replace(PROBLEM, figure_of_merit=make_figure(cut))) for cut in (0.1, 0.2, 0.1)]
    one, other, same = (identify(study, "abc", probe_space(study)) for study in studies)
    assert one == same
    assert [name for name in one if one[name] != other[name]] == ["figure of merit"]
    optuna_study = optuna.create_study(study_name="s", direction="maximize")
    write_identity(optuna_study, one)
    with pytest.raises(SearchError, match=r"1\. figure of merit: its code has changed"):
        check(optuna_study, studies[1])
    told = one["figure of merit"]
    before = re.sub(r" \[code.*?\]", "", told).replace("function=", f"function={__name__}.")
    write_identity(optuna_study, one | {"figure of merit": before})
    check(optuna_study, studies[1])


def test_several_changes_are_told_together(begun):
    study = replace(STUDY, seed=1, problem=replace(PROBLEM, label="z"))
    with pytest.raises(SearchError, match=r"1\. events: (?s:.*)2\. label: (?s:.*)3\. seed: "):
        check(begun, study, digest="def")


@pytest.mark.parametrize(
    "changes",
    [
        {"problem": replace(PROBLEM, question="Is it not?")},
        {"problem": replace(PROBLEM, events="moved.csv")},
        {"budget": Budget(trials=7, minutes=1.0)},
        {"sampler": optuna.samplers.RandomSampler},
    ],
)
def test_what_may_change_goes_on(begun, changes):
    before = read_identity(begun)
    check(begun, replace(STUDY, **changes))
    assert read_identity(begun) == before


def test_identity_survives_the_storage(begun):
    kept = read_identity(begun)
    assert kept == identify(STUDY, "abc", probe_space(STUDY))
    assert set(kept) == {
        "events",
        "label",
        "signal",
        "event id",
        "categories",
        "selection",
        "new columns",
        "figure of merit",
        "preparation",
        "parts",
        "epochs",
        "seed",
        "parameters",
    }


def test_the_same_events_in_other_parts_are_told(begun):
    probe = probe_space(STUDY)
    with pytest.raises(SearchError, match=r"1\. parts: was '', is 'def'"):
        check_resumption(begun, identify(STUDY, "abc", probe, parts="def"), probe)
    with pytest.raises(SearchError) as raised:
        check_resumption(begun, identify(STUDY, "other", probe, parts="def"), probe)
    assert "parts" not in str(raised.value)
