"""What the page says of baselines and of the blend with their trees."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.results import BlendGain
from tuner.evaluation.statistics.comparison import Standing
from tuner.metrics.measurement import Measurement
from tuner.reporting.sections.baselines import write_baselines

TUNED = BaselineRecord(
    name="boosted trees",
    fitted_on="train",
    params={"learning_rate": 0.0361234, "max_leaf_nodes": 53, "n_trees": 1219},
    n_trials=5,
    n_planned=12,
    chosen_by="AUC",
    seconds=62.0,
    notes=("5 of 12 settings tried: the limit of 1 min 0 s was reached.",),
)
REFITTED = replace(
    TUNED,
    name="boosted trees (refitted)",
    fitted_on="train and validation",
    n_trials=0,
    n_planned=0,
    seconds=9,
    notes=(),
)
LINEAR = replace(TUNED, name="logistic regression", params={"C": 0.1}, n_trials=5, n_planned=5, notes=())


def make_blend(verdict):
    difference = Measurement(0.0021, 0.0017, 0.0025)
    standing = Standing(
        candidate="blend",
        kind="blend",
        part="test",
        figure=Measurement(0.94, 0.938, 0.942),
        singles=(0.94,),
        difference=difference,
        p_value=0.001,
        p_holm=0.001,
        verdict=verdict,
    )
    return BlendGain(trees="LightGBM", share=0.35, over_bag=standing)


def test_what_each_took_and_what_was_chosen_stand_in_a_table_with_notes_below(evaluation):
    assert write_baselines(evaluation) == []
    table, explanation, note = write_baselines(replace(evaluation, baselines=(TUNED, REFITTED, LINEAR)))
    assert table.rows == [
        (
            "boosted trees",
            "train",
            "5\nof 12",
            "1 min 2 s",
            "1,219 trees\nlearning rate 0.03612, max leaf nodes 53",
        ),
        ("boosted trees (refitted)", "train and validation", "\N{EN DASH}", "9 s", "1,219 trees"),
        ("logistic regression", "train", "5", "1 min 2 s", "C 0.1"),
    ]
    assert "the best AUC on validation" in explanation.text
    assert note.text.startswith("Boosted trees: 5 of 12 settings tried")


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("better", 'which is better. `hand_on="blend"` in the study\'s settings hands it on.'),
        ("not distinguishable", "which cannot be told from it."),
    ],
)
def test_what_the_blend_gains_is_told(evaluation, verdict, told):
    judged = replace(evaluation, baselines=(LINEAR,), blend=make_blend(verdict))
    text = write_baselines(judged)[-1].text
    assert "LightGBM with a share of 0.35, which is fitted out of fold" in text
    assert f"AUC on test: +0.00210 ± 0.00040 compared with the bag of networks, {told}" in text
