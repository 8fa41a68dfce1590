"""Step 0 on the page: the frame in full, and this study among what others reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.metrics.figures_of_merit import Ams
from tuner.metrics.measurement import Measurement
from tuner.problem import Ballpark, Problem
from tuner.reporting.sections.data import write_frame

PROBLEM = Problem(
    question="Which are showers?",
    events="events.csv",
    label="class",
    signal="g",
    ballparks=(Ballpark(name="trees", auc=0.88, source="a"), Ballpark(name="optimum", auc=0.96, source="b")),
)


def read_facts(section) -> dict[str, str]:
    return dict(section.blocks[0].items)


def test_what_comes_before_and_after_is_told_or_asked_for():
    empty = write_frame(PROBLEM)
    assert empty.blocks[1].text == (
        "Not said: what the events went through before, what happens with the scores afterwards and which error hurts "
        "more. Add `before`, `after` and `worse_error` to the problem."
    )
    full = write_frame(replace(PROBLEM, before="A trigger.", after="A fit.", worse_error="Background."))
    facts = read_facts(full)
    assert facts["What the events went through before"] == "A trigger."
    assert facts["What happens with the scores afterwards"] == "A fit."
    assert facts["Which error hurts more"] == "Background."
    assert not any(getattr(block, "text", "").startswith("Not said") for block in full.blocks)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"expected_signal": 70, "expected_background": 41_000.5}, "70 signal and 41,000.5 background, before the cut"),
        ({"expected_background": 12}, "12 background, before the cut"),
        ({"figure_of_merit": Ams(s=692, b=411_000)}, "692 signal and 411,000 background, before the cut"),
        ({"figure_of_merit": Ams(s=692, b=411_000), "expected_signal": 9}, "9 signal and 411,000 background"),
        ({}, None),
    ],
)
def test_expected_events_are_told(changes, told):
    found = read_facts(write_frame(replace(PROBLEM, **changes))).get("Expected events")
    assert found == told if told is None else found.startswith(told)


def test_this_study_stands_among_the_ballparks_with_its_interval(evaluation):
    *_, table, compared = write_frame(PROBLEM, evaluation).blocks
    assert table.head == ("Who", "AUC", "Measured on", "Source")
    assert table.rows[table.marked] == ("this study", "0.9338\n± 0.0026", "test", "the network handed on")
    assert (
        "measured here. In AUC this study is above “trees”; is below “optimum” (two standard deviations: "
        in compared.text
    )
    assert "0.0074). Take that as a rough guide" in compared.text


def test_each_figure_stands_beside_that_of_the_frozen_cut(evaluation):
    others = (
        Ballpark(name="paper", accuracy=0.6, specificity=0.999, source="a", split="ten-fold", to_beat=True),
        Ballpark(name="trees", auc=0.88, source="b"),
    )
    own = {"accuracy": Measurement(0.87, 0.86, 0.88), "specificity": Measurement(0.9, 0.89, 0.91)}
    parts = tuple(replace(part, measurements={**part.measurements, **own}) for part in evaluation.parts)
    known = replace(evaluation, parts=parts)
    *_, table, compared = write_frame(replace(PROBLEM, ballparks=others), known).blocks
    assert table.head == ("Who", "AUC", "Accuracy", "Specificity", "Measured on", "Source")
    assert table.rows[0] == ("paper, to beat", "\N{EN DASH}", "0.6", "0.999", "ten-fold", "a")
    assert [cell.split("\n")[0][:4] for cell in table.rows[-1][1:4]] == ["0.93", "0.87", "0.90"]
    assert "In accuracy this study is above “paper”, the one to beat" in compared.text
    assert "In specificity this study is below “paper”, the one to beat" in compared.text
    assert compared.text.endswith("Accuracy and specificity of this study are those at its working point.")


def test_a_cut_that_was_chosen_out_of_fold_is_told_so_and_the_blend_is_no_network(evaluation):
    out_of_fold = "train + validation, out of fold"
    blend = replace(evaluation.handed_on, name="blend")
    parts = tuple(replace(part, candidate="blend") for part in evaluation.parts)
    parts = (replace(parts[0], part=out_of_fold), parts[1])
    section = write_frame(PROBLEM, replace(evaluation, predictors=(blend,), parts=parts))
    assert read_facts(section)["Working point"].endswith(f"; chosen on {out_of_fold}, frozen for test")
    *_, table, _ = section.blocks
    assert table.rows[table.marked][-1] == "the blend handed on"
    section = write_frame(PROBLEM, evaluation)
    assert read_facts(section)["Working point"].endswith("; chosen on validation, frozen for test")
    assert "chosen on validation, frozen" not in read_facts(write_frame(PROBLEM))["Working point"]


def test_what_is_too_close_is_not_called_better(evaluation):
    close = replace(PROBLEM, ballparks=(Ballpark(name="trees", auc=0.93, source="a"),))
    assert (
        write_frame(close, evaluation)
        .blocks[-1]
        .text.partition("measured here. ")[2]
        .startswith("In AUC this study cannot be told from “trees” (")
    )


def test_without_an_evaluation_or_an_auc_the_others_stand_alone(evaluation):
    parts = tuple(
        replace(part, measurements={n: m for n, m in part.measurements.items() if n != "AUC"})
        for part in evaluation.parts
    )
    for known in (None, replace(evaluation, parts=parts)):
        *_, table, told = write_frame(PROBLEM, known).blocks
        assert told.text.endswith("nothing of them was measured here.")
        assert (len(table.rows), table.marked) == (2, None)


def test_an_auc_without_an_interval_is_not_compared(evaluation):
    parts = tuple(replace(p, measurements={"AUC": Measurement(0.9, 0.9, 0.9)}) for p in evaluation.parts)
    *_, table, _ = write_frame(PROBLEM, replace(evaluation, parts=parts)).blocks
    assert table.rows[-1][1] == "0.9"
