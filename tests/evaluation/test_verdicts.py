"""The verdict in a sentence or two: the winner, the best baseline, who is better, who cannot be told from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.evaluation.hand_on_choice import HandOnChoice, tell_choice_on_test
from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import Standing, compare
from tuner.evaluation.verdicts import explain_intervals, summarize_verdict, tabulate_verdicts
from tuner.metrics.measurement import Measurement
from tuner.metrics.replicas import Replicas
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.tuning.evaluation_settings import EvaluationSettings


def judge(**verdicts):
    """An evaluation that trial 0 has won; candidates and their verdicts, `_` for a space."""
    sizes = {"better": 0.0021, "not distinguishable": 0.0003, "worse": -0.0617, "winner": 0.0}
    standings = []
    for key, verdict in {"trial_0": "winner", **verdicts}.items():
        name, size = key.replace("_", " "), sizes[verdict]
        kind = "ensemble" if name == "ensemble" else "finalist" if name.startswith("trial") else "baseline"
        value = 0.954 + size
        standings.append(
            Standing(
                candidate=name,
                kind=kind,
                part="test",
                figure=Measurement(value, value - 0.0021, value + 0.0021),
                singles=(value,),
                difference=Measurement(size, size - 0.0005, size + 0.0005),
                p_value=0.5,
                p_holm=0.5,
                verdict=verdict,
                n_parameters=None,
            )
        )
    return Evaluation(
        study="s",
        winner=0,
        seed=0,
        figure_of_merit="AUC",
        opening=1,
        openings=1,
        events_digest="",
        settings=EvaluationSettings(),
        rests_on={},
        predictors=(Predictor("single network", (TrainedNetwork(0, "seed"),)),),
        parts=(),
        standings=tuple(sorted(standings, key=lambda standing: -standing.figure.value)),
    )


EQUAL = "not distinguishable"


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ({}, ""),
        ({"boosted_trees": "worse"}, "; it leads boosted trees by +0.06170 ± 0.00050"),
        (
            {"boosted_trees": "worse", "ensemble": "better", "trial_21": EQUAL},
            "; it leads boosted trees by +0.06170 ± 0.00050. Better than it: the ensemble, by 0.00210 ± 0.00050. "
            "Cannot be told from it: trial 21",
        ),
        ({"ensemble": EQUAL, "trial_3": EQUAL}, ". Cannot be told from it: the ensemble, trial 3"),
        ({"ensemble": "worse", "trial_3": "worse"}, ""),
    ],
)
def test_all_that_are_better_or_as_good_are_named(verdicts, told):
    assert summarize_verdict(judge(**verdicts)) == f"Trial 0 has won: AUC 0.9540 ± 0.0021 on test{told}."


def test_a_baseline_is_told_once():
    told = summarize_verdict(judge(boosted_trees=EQUAL, trial_2=EQUAL))
    assert told.endswith("it cannot be told from boosted trees (-0.00030 ± 0.00050). Cannot be told from it: trial 2.")
    assert summarize_verdict(judge(boosted_trees="better", ensemble="better")).endswith(
        "networks, trial 0, is behind boosted trees by 0.00210 ± 0.00050: AUC 0.9540 ± 0.0021 on test, against "
        "0.9561 ± 0.0021. Better than it: the ensemble, by 0.00210 ± 0.00050."
    )


def test_other_baselines_are_counted_and_means_of_networks_have_an_article():
    told = summarize_verdict(judge(boosted_trees="worse", LightGBM=EQUAL, logistic_regression=EQUAL, ensemble=EQUAL))
    assert told.endswith("Cannot be told from it: the ensemble, 1 other baseline.")


def test_what_auc_tells_apart_and_the_declared_figure_does_not_is_told():
    declared = judge(boosted_trees=EQUAL, ensemble=EQUAL, trial_2="worse")
    by_auc = judge(boosted_trees="worse", ensemble="better", trial_2=EQUAL).standings
    told = "By AUC, trial 0 leads boosted trees by 0.06170 ± 0.00050; it is behind the ensemble by 0.00210 ± 0.00050; "
    both = replace(declared, by_auc=by_auc)
    assert summarize_verdict(both).endswith(f" {told}it cannot be told from trial 2.")
    assert "By AUC" not in summarize_verdict(replace(declared, by_auc=declared.standings))


def test_intervals_hold_trainings_only_where_there_are_several():
    alone = judge(boosted_trees="worse")
    several = repeat(alone, 5)
    assert "200 replicas that draw each class anew. Each configuration was trained once" in explain_intervals(alone)
    assert explain_intervals(several).endswith("anew, with trainings drawn anew where there are several.")
    assert explain_intervals(several) in tabulate_verdicts(several)


def repeat(evaluation, n_trainings):
    trained = [replace(s, singles=(0.9,) * n_trainings) if s.kind == "finalist" else s for s in evaluation.standings]
    return replace(evaluation, standings=tuple(trained))


def test_that_few_trainings_tell_nothing_apart_is_said():
    several = judge(trial_1="worse", trial_2="worse", trial_3="worse")
    told = "hardly anything can be told apart: a difference between two may have to be 8 times its error"
    assert told in explain_intervals(repeat(several, 2))
    assert "told apart" not in explain_intervals(repeat(several, 5))


@pytest.mark.parametrize(("errors", "verdict"), [(7.0, "not distinguishable"), (8.3, "better")])
def test_two_trainings_tell_apart_what_differs_by_as_many_errors_as_is_said(errors, verdict):
    """Three rivals of two trainings each, which differ by 0.002: the error of a difference of means is 0.001 sqrt 2."""
    means = {"trial 0": 0.9, "trial 1": 0.9 + errors * 0.001 * np.sqrt(2), "trial 2": 0.9, "trial 3": 0.9}
    replicas = {
        name: Replicas(mean + np.array([-0.001, 0.001]), np.full((2, 50_000), mean)) for name, mean in means.items()
    }
    kinds = dict.fromkeys(means, "finalist")
    standings = compare(replicas, "trial 0", kinds=kinds, part="test")
    assert next(s.verdict for s in standings if s.candidate == "trial 1") == verdict


@pytest.mark.parametrize(
    ("chosen", "by_validation", "on_test", "told"),
    [
        ("bag", "better", "better", ""),
        ("bag", "better", EQUAL, "is handed on; by AUC on test the two cannot be told apart (+0.00030 ± 0.00050)."),
        ("bag", "better", "worse", "is handed on; by AUC on test it is worse (-0.06170 ± 0.00050)."),
        (
            "single network",
            EQUAL,
            "better",
            "which is handed on; by AUC on test the bag is better (+0.00210 ± 0.00050).",
        ),
        ("single network", EQUAL, EQUAL, ""),
    ],
)
def test_what_chose_and_what_test_says_stand_in_one_sentence_where_they_differ(chosen, by_validation, on_test, told):
    choice = HandOnChoice(
        candidate=chosen, reason="", figure_of_merit="AUC", standings=judge(bag=by_validation).standings
    )
    found = tell_choice_on_test(choice, judge(bag=on_test).standings, "AUC")
    assert found.endswith(told)
    assert bool(found) == bool(told)
    assert not found or found.startswith("By AUC on validation and out of fold ")
    assert found in summarize_verdict(replace(judge(bag=on_test), choice_on_test=found))
