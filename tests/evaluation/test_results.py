"""Evaluations as JSON and back: every kind of field, and numbers that JSON does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from html import unescape
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tuner.evaluation.results import Evaluation, describe_mismatch
from tuner.evaluation.statistics.comparison import Standing
from tuner.evaluation.statistics.importance import Importance
from tuner.evaluation.statistics.metrics_table import FigureCut, PartEvaluation, evaluate_scores
from tuner.evaluation.statistics.nuisances import measure_nuisances
from tuner.evaluation.statistics.sculpted_observers import SculptedObserver
from tuner.evaluation.statistics.selection_bias import SelectionBias
from tuner.evaluation.statistics.systematics import measure_survival
from tuner.evaluation.verdicts import summarize_verdict
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.measurement import Measurement
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.tuning.evaluation_settings import EvaluationSettings

INF, NAN = float("inf"), float("nan")
USUAL = Measurement(0.9, 0.89, 0.91)


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    return labels, np.clip(rng.normal(0.3 + 0.4 * labels, 0.2), 0, 1), rng.uniform(0.5, 2, 400)


@pytest.fixture(scope="module")
def evaluation(events):
    """All that an evaluation can hold."""
    labels, scores, weights = events
    part = PartEvaluation(
        candidate="single network",
        part="test",
        n_signal=1,
        n_background=1,
        effective_signal=1.0,
        effective_background=1.0,
        negative_fraction=0.0,
        threshold=INF,
        threshold_rule="",
        selected_signal=0,
        selected_background=0,
        measurements={"1/eps_B": Measurement(INF, 50.0, INF), "AUC": USUAL},
        figure_cut=FigureCut(
            threshold=INF,
            estimator="",
            s=1.0,
            b=0.0,
            n_signal=3,
            n_background=0,
            effective_background=0.0,
        ),
    )
    standing = Standing(
        candidate="trial 3",
        kind="finalist",
        part="test",
        figure=USUAL,
        singles=(0.9, 0.91),
        difference=Measurement(0.0, 0.0, 0.0),
        p_value=1.0,
        p_holm=1.0,
        verdict="winner",
        n_parameters=None,
    )
    return Evaluation(
        study="s",
        winner=3,
        seed=2,
        figure_of_merit="AUC",
        opening=None,
        openings=0,
        events_digest="abc",
        settings=EvaluationSettings(finalists=2, folds=None),
        rests_on={"events": "abc", "figure of merit": "Auc()"},
        predictors=(
            Predictor("single network", (TrainedNetwork(3, "seed", 2),)),
            Predictor("ensemble", (TrainedNetwork(3, "seed", 2, 0.75), TrainedNetwork(1, weight=0.25))),
        ),
        parts=(part, replace(part, candidate="ensemble", threshold=0.5, figure_cut=None)),
        standings=(standing, replace(standing, candidate="ensemble", kind="ensemble", n_parameters=7)),
        cheapest="trial 3",
        selection=SelectionBias(n_trials=9, best=0.92, noise=0.01, expected_excess=0.02, retrained=USUAL, test=None),
        importances=(Importance(feature="a", part="test", drop=USUAL),),
        survival=measure_survival(labels, scores, 1 - scores, weights, s=10.0, b=100.0, n_replicas=5),
        nuisances=measure_nuisances(
            labels, scores, weights, variants={"scale": (scores, None)}, threshold=0.5, figure=Auc()
        ),
        sculpting=(
            SculptedObserver(
                observer="m",
                part="test",
                divergence=USUAL,
                chance=USUAL,
                p_value=0.01,
                baseline=None,
                peak=1.0,
                signal=USUAL,
            ),
        ),
    )


def test_everything_comes_back(evaluation):
    text = evaluation.to_json()
    back = Evaluation.from_json(text)
    assert back == evaluation
    assert back.to_json() == text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert isinstance(back.ensemble[0], TrainedNetwork)
    assert back.survival.rows == evaluation.survival.rows


def test_what_is_not_there_stays_away(evaluation):
    bare = replace(
        evaluation, selection=None, importances=(), survival=None, nuisances=None, predictors=(), standings=()
    )
    assert Evaluation.from_json(bare.to_json()) == bare


def test_a_field_of_another_version_does_no_harm(evaluation):
    content = json.loads(evaluation.to_json())
    del content["cheapest"]
    assert Evaluation.from_json(json.dumps(content | {"of_a_later_version": 1})) == replace(evaluation, cheapest="")


FLOATS = st.floats() | st.sampled_from([INF, -INF, NAN, 0.0, -0.0, 5e-324, 1e308])
st.register_type_strategy(float, FLOATS)
st.register_type_strategy(str, st.text('ab"\\\n\u03b5<', max_size=4))
st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, get_args(kind)), max_size=3))
st.register_type_strategy(
    EvaluationSettings,
    st.builds(
        EvaluationSettings,
        finalists=st.integers(1),
        seeds=st.integers(1),
        baseline_trials=st.integers(0),
        baseline_minutes=st.floats(min_value=0, exclude_min=True),
        folds=st.none() | st.integers(3),
        replicas=st.integers(20),
    ),
)


@given(st.builds(Evaluation, search=st.none()))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_number_of_every_field_comes_back_exactly(evaluation):
    """Infinities of either sign and not-a-number among them, however deep; `repr` tells them and -0.0 apart."""
    text = evaluation.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert repr(asdict(Evaluation.from_json(text))) == repr(asdict(evaluation))


@pytest.mark.parametrize("value", [INF, -INF, NAN])
@pytest.mark.parametrize("field", ["value", "low", "high"])
def test_a_measurement_keeps_what_is_no_number_in_its_place(evaluation, field, value):
    measurement = replace(USUAL, **{field: value})
    part = replace(evaluation.parts[0], threshold=value, measurements={"AUC": measurement})
    back = Evaluation.from_json(replace(evaluation, parts=(part,)).to_json()).parts[0]
    np.testing.assert_equal(vars(back["AUC"]), vars(measurement))
    np.testing.assert_equal(back.threshold, value)


def test_a_rejection_without_any_background_left_is_infinite(evaluation):
    labels, scores = np.array([0] * 40 + [1] * 40), np.concatenate([np.linspace(0, 0.6, 40), np.linspace(0.4, 1, 40)])
    part = evaluate_scores(
        labels, scores, None, candidate="winner", part="test", threshold=0.6, threshold_rule="", n_bootstrap=20
    )
    found = part["1/eps_B at eps_S=0.3"]
    assert (found.value, found.high) == (INF, INF)
    assert 10 < found.low < 40
    assert Evaluation.from_json(replace(evaluation, parts=(part,)).to_json()).parts == (part,)


def test_what_is_no_evaluation_says_where(evaluation):
    content = json.loads(evaluation.to_json())
    content["parts"][1]["threshold"] = None
    for text, told in (("{", "EOF while parsing"), ("{}", "study: "), (json.dumps(content), r"parts\.1\.threshold: ")):
        with pytest.raises(ValueError, match="validation error") as raised:
            Evaluation.from_json(text)
        assert re.match(f"is not: .*{told}", describe_mismatch(raised.value))


def test_an_evaluation_shows_its_verdict_and_every_figure(evaluation):
    assert len(repr(evaluation)) < 600
    assert summarize_verdict(evaluation) in repr(evaluation)
    html = replace(evaluation, study="<script>")._repr_html_()
    assert "<script" not in html
    text = " ".join(unescape(re.sub("<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL)).split())
    own = evaluation.own_parts
    assert all(f"{name} " in text for part in own for name in part.measurements)
    assert all(standing.candidate in text for standing in evaluation.standings_on(evaluation.last_part))
    table = evaluation.to_frame()
    assert list(table) == ["candidate", "part", "figure", "value", "low", "high"]
    assert len(table) == sum(len(part.measurements) for part in evaluation.parts)
    auc = table[(table.candidate == evaluation.handed_on.name) & (table.part == "test") & (table.figure == "AUC")].iloc[
        0
    ]
    assert (auc.value, auc.low, auc.high) == (USUAL.value, USUAL.low, USUAL.high)
