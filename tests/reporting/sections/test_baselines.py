"""Baselines on the page: what each took, which limit bound, what a blend would gain."""

from __future__ import annotations

from dataclasses import replace

from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.results import BlendGain
from tuner.reporting.formatting import DASH
from tuner.reporting.sections.baselines import write_baselines
from tuner.reporting.sections.evaluation import write_evaluation

TREES = BaselineRecord(
    name="boosted trees",
    fitted_on="train",
    params={"learning_rate": 0.0931, "n_trees": 240},
    n_trials=7,
    n_planned=12,
    seconds=61.0,
    notes=("events of negative weight left out",),
)


def test_each_baseline_tells_what_it_took_and_that_the_time_was_up(evaluation):
    untuned = replace(TREES, name="boosted trees, defaults", params={}, n_trials=0, n_planned=0, seconds=2.0, notes=())
    [table] = write_baselines(replace(evaluation, baselines=(TREES, untuned)))
    assert table.rows == [
        (
            *("boosted trees", "0.9195\n± 0.0026", "train", "7 of 12: the time was up\n1 min 1 s"),
            *("learning rate 0.0931, n trees 240", "events of negative weight left out"),
        ),
        ("boosted trees, defaults", DASH, "train", "none\n2 s", "defaults", DASH),
    ]
    assert write_baselines(evaluation) == []


def test_the_blend_tells_what_it_would_gain(evaluation):
    standing = next(s for s in evaluation.standings_on("test") if s.candidate == "trial 0")
    blend = BlendGain(trees="LightGBM", share=0.346, over_bag=replace(standing, candidate="blend"))
    _, told = write_baselines(replace(evaluation, baselines=(TREES,), blend=blend))
    assert told.text.startswith("Blend: the mean of the logits of the bag and of LightGBM, which have a weight of 35 %")
    assert "it is not distinguishable from the bag alone: AUC -0.0012 ± 0.0011." in told.text


def test_only_what_was_tuned_is_marked_as_chosen_on_validation(evaluation, make_search):
    search = make_search(complete=3)
    for record, mark in ((TREES, " †"), (replace(TREES, n_planned=0, n_trials=0), "")):
        table = write_evaluation(search, replace(evaluation, baselines=(record,)), {}).blocks[0]
        [row] = [row for row in table.rows if row[0] == "boosted trees"]
        assert row[-1] == f"0.9195{mark}\n± 0.0026"
