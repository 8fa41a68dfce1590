"""The verdict in a sentence or two: the winner, the best baseline, who is better, who cannot be told from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.evaluation.results import Evaluation
from tuner.evaluation.statistics.comparison import Standing
from tuner.evaluation.verdicts import explain_intervals, summarize_verdict, tabulate_verdicts
from tuner.metrics.measurement import Measurement
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
    several = replace(alone, standings=tuple(replace(s, singles=(0.9, 0.8)) for s in alone.standings))
    assert explain_intervals(alone).endswith("200 replicas that draw each class anew.")
    assert explain_intervals(several).endswith("anew, with trainings drawn anew where there are several.")
    assert explain_intervals(several) in tabulate_verdicts(several)
