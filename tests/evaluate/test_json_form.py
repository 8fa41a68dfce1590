"""Evaluations as JSON and back: every kind of field, and numbers that JSON does not know."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tuner.evaluate.comparing import Standing
from tuner.evaluate.evaluation import Evaluation, FigureCut, Importance, PartEvaluation
from tuner.evaluate.json_form import build, tell
from tuner.evaluate.nuisances import measure_nuisances
from tuner.evaluate.part_evaluation import evaluate_scores
from tuner.evaluate.selection import SelectionBias
from tuner.evaluate.survival import measure_survival
from tuner.metrics.figures_of_merit import Auc
from tuner.metrics.measurement import Measurement
from tuner.predict.candidates import TrainedNetwork
from tuner.tune.judgement import Judgement

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
        candidate="winner",
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
        judgement=Judgement(finalists=2, folds=None),
        rests_on="def",
        parts=(part, replace(part, candidate="ensemble", threshold=0.5, figure_cut=None)),
        standings=(standing, replace(standing, candidate="ensemble", kind="ensemble", n_parameters=7)),
        cheapest="trial 3",
        ensemble=(TrainedNetwork(3, 2, 0.75), TrainedNetwork(1, None, 0.25)),
        selection=SelectionBias(n_trials=9, best=0.92, noise=0.01, expected_excess=0.02, retrained=USUAL, test=None),
        importances=(Importance(feature="a", part="test", drop=USUAL),),
        survival=measure_survival(labels, scores, 1 - scores, weights, s=10, b=100, n_replicas=5),
        nuisances=measure_nuisances(
            labels, scores, weights, variants={"scale": (scores, None)}, threshold=0.5, figure=Auc()
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
    bare = replace(evaluation, selection=None, importances=(), survival=None, nuisances=None, ensemble=(), standings=())
    assert Evaluation.from_json(bare.to_json()) == bare


def test_a_field_of_another_version_does_no_harm(evaluation):
    content = json.loads(evaluation.to_json())
    del content["cheapest"]
    back = build(Evaluation, content | {"of_a_later_version": 1})
    assert back == replace(evaluation, cheapest="")


@pytest.mark.parametrize(
    "measurement",
    [Measurement(INF, 50.0, INF), Measurement(3.0, 2.0, INF), Measurement(0.5, NAN, NAN), Measurement(NAN, NAN, NAN)],
)
def test_a_measurement_without_bound_or_without_interval(measurement):
    back = build(Measurement, json.loads(json.dumps(tell(vars(measurement)), allow_nan=False)))
    np.testing.assert_equal(vars(back), vars(measurement))


def test_a_number_that_is_none_is_not_mistaken_for_an_absent_one(evaluation):
    standing = replace(evaluation.standings[0], singles=(0.9, NAN), p_value=NAN, n_parameters=None)
    back = Evaluation.from_json(replace(evaluation, standings=(standing,)).to_json()).standings[0]
    assert back.n_parameters is None
    assert np.isnan(back.p_value)
    np.testing.assert_equal(back.singles, (0.9, NAN))


def test_a_rejection_without_any_background_left_is_finite_or_null():
    labels, scores = np.array([0] * 40 + [1] * 40), np.concatenate([np.linspace(0, 0.6, 40), np.linspace(0.4, 1, 40)])
    part = evaluate_scores(
        labels, scores, None, candidate="winner", part="test", threshold=0.6, threshold_rule="", n_bootstrap=20
    )
    assert part["1/eps_B at eps_S=0.3"] == Measurement(INF, INF, INF)
    written = tell({name: vars(measurement) for name, measurement in part.measurements.items()})
    assert written["1/eps_B at eps_S=0.3"] == {"value": None, "low": None, "high": None}
    json.dumps(written, allow_nan=False)
