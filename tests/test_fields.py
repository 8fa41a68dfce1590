"""Fields become what they are declared as where that is meant; all that is not is refused, in one sentence each."""

import enum
import inspect
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from samples import make_settings, make_study

from tuner import (
    Ballpark,
    Budget,
    EvaluationSettings,
    Nuisance,
    Preparation,
    Problem,
    Settings,
    Study,
    TrainingSettings,
)
from tuner.errors import StudyError
from tuner.metrics.figures_of_merit import Auc, Custom, PartialAuc
from tuner.metrics.working_points import FixedSignalEfficiency, Youden
from tuner.tuning.study import SearchSpace


class Kind(enum.Enum):
    ADAM = "adam"


def make_problem(**changes):
    return Problem(**{"question": "?", "events": "e.csv", "label": "y", "signal": 1, **changes})


def my_figure(labels, scores, weights):
    return float(scores.mean())


@pytest.mark.parametrize(
    ("made", "name", "expected"),
    [
        (lambda: Budget(trials=np.int64(7)), "trials", 7),
        (lambda: Budget(trials=1e3), "trials", 1000),
        (lambda: Budget(minutes=np.float32(0.5)), "minutes", 0.5),
        (lambda: Budget(epochs=np.array(3)), "epochs", 3),
        (lambda: make_study(seed=np.uint8(3)), "seed", 3),
        (lambda: EvaluationSettings(folds=np.int32(5)), "folds", 5),
        (lambda: Preparation(fractions=[0.5, np.float64(0.25), 0.25]), "fractions", (0.5, 0.25, 0.25)),
        (lambda: Preparation(fractions=np.array([0.5, 0.25, 0.25])), "fractions", (0.5, 0.25, 0.25)),
        (lambda: make_problem(gamma_telescope=np.bool_(False)), "gamma_telescope", False),
        (lambda: TrainingSettings(lr=np.float64(0.5), batch_size=np.int64(64)), "batch_size", 64),
        (lambda: TrainingSettings(optimizer=Kind.ADAM), "optimizer", "adam"),
        (lambda: make_problem(features=np.array(["a", "b"])), "features", ("a", "b")),
        (lambda: make_problem(observers=["m"]), "observers", ("m",)),
        (lambda: make_problem(signal=np.int64(2)), "signal", 2),
        (lambda: make_problem(undefined=np.float64(-999)), "undefined", -999.0),
        (lambda: make_problem(figure_of_merit=Auc), "figure_of_merit", Auc()),
        (
            lambda: make_problem(figure_of_merit=my_figure),
            "figure_of_merit",
            Custom(function=my_figure, name="my figure"),
        ),
        (lambda: make_problem(working_point=Youden), "working_point", Youden()),
        (lambda: SearchSpace(make_settings, ["a"], [{"a": np.int64(3)}]), "warm_starts", ({"a": 3},)),
    ],
)
def test_what_is_meant_becomes_what_is_declared(made, name, expected):
    value = getattr(made(), name)
    assert value == expected
    assert type(value) is type(expected)
    if isinstance(expected, tuple):
        assert [type(item) for item in value] == [type(item) for item in expected]


def test_a_lambda_is_a_custom_figure():
    figure = make_problem(figure_of_merit=lambda labels, scores, weights: 0.5).figure_of_merit
    assert (figure.name, figure(np.array([0, 1]), np.array([0.0, 1.0]))) == ("custom figure", 0.5)


ODD = [
    "text",
    b"bytes",
    1.5,
    -1,
    True,
    math.nan,
    [1],
    {"a": 1},
    object(),
    int,
    len,
    pd.DataFrame({"a": [1]}),
    np.ones(3),
]

FIELDS = {
    Budget: ["trials", "epochs", "minutes", "stop_in_vain"],
    EvaluationSettings: ["finalists", "seeds", "baseline_trials", "baseline_minutes", "folds", "replicas"],
    Preparation: ["fractions", "seed", "scaling", "n_quantiles", "balance", "negative_weights"],
    TrainingSettings: ["optimizer", "batch_size", "lr", "warmup", "schedule", "clip_norm", "patience"],
    Problem: ["question", "label", "features", "weight", "observers", "event_id", "ignored", "undefined", "optimum",
              "figure_of_merit", "working_point", "ballparks", "nuisances", "before", "after", "worse_error",
              "expected_signal", "expected_background", "gamma_telescope"],
    Study: ["name", "problem", "search_space", "budget", "preparation", "judgement", "seed", "sampler", "pruner"],
    Settings: ["network", "training"],
    Ballpark: ["name", "auc", "accuracy", "source", "split", "to_beat"],
    Nuisance: ["name", "up", "down"],
    SearchSpace: ["suggest", "structure", "warm_starts"],
}  # fmt: skip
MAKE = {
    Problem: make_problem,
    Study: make_study,
    Settings: lambda **changes: Settings(**{"network": make_settings().network, **changes}),
    Ballpark: lambda **changes: Ballpark(**{"name": "a", "auc": 0.9, "source": "b", **changes}),
    Nuisance: lambda **changes: Nuisance(**{"name": "a", "up": "b.csv", **changes}),
    SearchSpace: lambda **changes: SearchSpace(**{"suggest": make_settings, **changes}),
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FIELDS.items() for name in names])
def test_a_field_is_taken_or_refused_in_one_sentence(kind, name):
    refused = 0
    for value in [*ODD, None, (1, "a"), Path("a"), Kind.ADAM, [{"a": {1}}], optuna.samplers.TPESampler]:
        try:
            MAKE.get(kind, kind)(**{name: value})
        except StudyError as error:
            refused += 1
            assert "\n" not in str(error) or " problems:\n" in str(error)
            assert len(str(error)) < 600
    assert refused >= 3


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Budget(trials=2.5), r"Budget: `trials` must be a whole number, but is 2\.5\."),
        (lambda: Budget(trials=True), r"`trials` must be a whole number, but is True\."),
        (lambda: make_study(budget=10), r"This study: `budget` must be `Budget`, but is 10\."),
        (lambda: make_study(seed=-1), r"`seed` must not be negative, but is -1\."),
        (lambda: make_study(sampler="tpe"), r"`sampler` must be .*, but is 'tpe'\."),
        (lambda: make_problem(features="abc"), r'must be a tuple of names, but is the text "abc"'),
        (lambda: make_problem(features=list), r"`features` must be a tuple, .*, but is the class list\."),
        (lambda: make_problem(features=(1, 2)), r"`features` must be a tuple, each text or None, but is \(1, 2\)"),
        (
            lambda: make_problem(figure_of_merit="auc"),
            r"`figure_of_merit` must be `FigureOfMerit` \(with name\), but is 'auc'\.",
        ),
        (lambda: make_problem(figure_of_merit=PartialAuc), r"must be an instance, but is the class PartialAuc\. Write"),
        (lambda: make_problem(figure_of_merit=lambda y, s: 0.5), r"must take labels, scores and weights.*\(y, s\)"),
        (lambda: make_problem(working_point=FixedSignalEfficiency), r"must be an instance, but is the class Fixed"),
        (lambda: TrainingSettings(optimizer="adm"), r'`optimizer` must be one of "adamw", "adam"'),
        (lambda: Preparation(fractions=(0.5, 0.5)), r"`fractions` must be a tuple of 3, each a number"),
    ],
)
def test_the_sentence_names_field_and_value(made, message):
    with pytest.raises(StudyError, match=message):
        made()


def test_all_fields_of_the_wrong_kind_are_told_at_once():
    with pytest.raises(StudyError, match=r"(?s)2 problems:.*`trials`.*`epochs`"):
        Budget(trials="a", epochs="b")


def test_a_misspelt_keyword_is_named_with_its_neighbour_and_what_is_missing():
    with pytest.raises(StudyError) as told:
        Problem(question="q", lable="class", event="x.csv", signal=1)
    assert [line.strip() for line in str(told.value).splitlines()[1:]] == [
        '1. `lable` is not one of its keywords. Did you mean "label"?',
        '2. `event` is not one of its keywords. Did you mean "events"?',
        "3. `events` is missing.",
        "4. `label` is missing.",
    ]
    with pytest.raises(StudyError, match=r"^Preparation: `balance` is not .* `training_weights` has taken its place"):
        Preparation(balance=True)
    with pytest.raises(StudyError, match=r'^Budget: `trails` is not one of its keywords\. Did you mean "trials"\?$'):
        Budget(trails=3)
    with pytest.raises(TypeError, match="positional"):
        Budget(3)


def test_a_class_of_settings_shows_its_own_keywords():
    names = ["trials", "epochs", "minutes", "search_minutes", "stop_in_vain", "target", "stop_when_improbable"]
    assert list(inspect.signature(Budget).parameters) == names
    assert replace(Budget(), trials=3).trials == 3
