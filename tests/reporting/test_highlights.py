"""The figures that are read from across the room."""

from __future__ import annotations

from dataclasses import replace

from tuner.metrics.measurement import Measurement
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.reporting.highlights import highlight, name_subject


def test_the_winner_its_gain_the_cut_trials_and_time(make_search, evaluation):
    shown = highlight(make_search(complete=2, failed=1), evaluation, 372.0)
    assert [h.value for h in shown] == ["0.9338", "+0.0143", "98.20 %", "85.10 %", "3"]
    assert [h.note for h in shown[:4]] == [
        "± 0.0026",
        "± 0.0011, better",
        "± 0.40 %",
        "± 0.50 %, with 14.30 ± 0.60 % background",
    ]
    assert [h.name for h in shown[:4]] == [
        "AUC",
        "AUC over boosted trees",
        "of the optimum",
        "signal kept at the working point",
    ]
    assert name_subject(evaluation) == "The network handed on, on the test part"
    assert shown[4].name == "trials, 9 epochs in 6 min 12 s"
    assert shown[4].note == "2 complete, 1 failed"


def test_a_bag_that_is_handed_on_leads_with_its_own_gain(make_search, evaluation):
    trees = next(s for s in evaluation.standings_on("test") if s.candidate == "boosted trees")
    refitted = replace(trees, candidate="boosted trees (refitted)", difference=Measurement(-0.02, -0.021, -0.019))
    bag = Predictor("bag", (TrainedNetwork(2, "fold", 0), TrainedNetwork(2, "fold", 1)))
    parts = tuple(replace(part, candidate="bag") for part in evaluation.parts)
    found = replace(evaluation, predictors=(bag,), parts=parts, over_baseline=refitted)
    first, second, *_ = highlight(make_search(complete=2), found, None)
    assert name_subject(found) == "The bag handed on, on the test part"
    assert (first.value, first.name) == ("0.9338", "AUC")
    assert (second.value, second.name) == ("+0.0200", "AUC over boosted trees (refitted)")
    assert second.note == "± 0.0010, better"


def test_a_loss_against_the_trees_has_its_sign(make_search, judge):
    found = judge(trees="better")
    gain = highlight(make_search(complete=1), found, None)[1]
    assert (gain.value, gain.note) == ("-0.0041", "± 0.0011, worse")


def test_beside_another_figure_of_merit_auc_is_shown_of_the_same_network(make_search, evaluation):
    ams = {"AMS": Measurement(3.4, 3.3, 3.5)}
    parts = tuple(replace(part, measurements=part.measurements | ams) for part in evaluation.parts)
    shown = highlight(make_search(complete=1), replace(evaluation, figure_of_merit="AMS", parts=parts), None)
    assert [h.name for h in shown[:3]] == ["AMS", "AMS over boosted trees", "AUC"]
    assert [shown[0].value, shown[2].value] == ["3.40", "0.9338"]


def test_without_evaluation_only_the_trials_are_counted(make_search):
    assert [h.value for h in highlight(make_search(complete=1), None, None)] == ["1"]
    assert name_subject(None) == ""
