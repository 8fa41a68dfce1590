"""The figures that are read from across the room."""

from __future__ import annotations

from dataclasses import replace

from tuner.metrics.measurement import Measurement
from tuner.reporting.highlights import highlight


def test_the_winner_its_gain_the_cut_trials_and_time(make_search, evaluation):
    shown = highlight(make_search(complete=2, failed=1), evaluation, 372.0)
    assert [h.value for h in shown] == ["0.9338", "+0.0143", "98.20 %", "85.10 %", "3"]
    assert [h.note for h in shown[:4]] == [
        "± 0.0026",
        "± 0.0011, better",
        "± 0.40 %",
        "± 0.50 %, with 14.30 ± 0.60 % background",
    ]
    assert shown[1].name == "AUC over boosted trees, mean of 2"
    assert shown[4].name == "trials, 9 epochs in 6 min 12 s"
    assert shown[4].note == "2 complete, 1 failed"


def test_a_loss_against_the_trees_has_its_sign(make_search, judge):
    found = judge(trees="better")
    gain = highlight(make_search(complete=1), found, None)[1]
    assert (gain.value, gain.note) == ("-0.0041", "± 0.0011, worse")


def test_beside_another_figure_of_merit_auc_is_shown_of_the_network(make_search, evaluation):
    shown = highlight(make_search(complete=1), replace(evaluation, figure_of_merit="AMS"), None)
    assert [h.name for h in shown[:3]] == [
        "AMS on test, mean of 2",
        "AMS over boosted trees, mean of 2",
        "AUC on test, network handed on",
    ]
    assert shown[2].value == "0.9338"
    assert evaluation.part("test")["AUC"] == Measurement(0.93384, 0.93121, 0.93643)


def test_without_evaluation_only_the_trials_are_counted(make_search):
    assert [h.value for h in highlight(make_search(complete=1), None, None)] == ["1"]
