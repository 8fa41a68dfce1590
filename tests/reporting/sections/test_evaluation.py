"""Step 7 on the page, block by block: standings, luck, figures, the next stage, openings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.folds import OUT_OF_FOLD
from tuner.evaluation.statistics.metrics_table import CROSSED, FROZEN, FigureCut, HandedOnCut
from tuner.evaluation.statistics.nuisances import NuisanceEffect, NuisanceEffects, Shift
from tuner.metrics import Measurement, measure_gamma_telescope, tabulate_working_points
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.reporting.formatting import DASH
from tuner.reporting.page import Picture, Table, Text
from tuner.reporting.sections.evaluation import CHOSEN_ON, LEANING, OF_SINGLE_NETWORKS, write_evaluation
from tuner.reporting.summary import answer


@pytest.fixture
def write(make_search):
    """A function that writes the section of an evaluation, with pictures of these names."""

    def write(evaluation, *names):
        pictures = {name: Picture(png=b"", title=f"{name}.", alt=name) for name in names}
        return write_evaluation(make_search(complete=3), evaluation, pictures)

    return write


def find_table(section, words: str) -> Table:
    return next(block for block in section.blocks if block.kind == "table" and words in block.caption)


def test_standings_tell_value_difference_verdict_of_every_candidate(write, evaluation):
    table = write(evaluation).blocks[0]
    assert table.head == ["Candidate", "Test", "Winner minus it", "The winner is", "Validation"]
    assert table.rows == [
        [
            "trial 2\n2 trainings, 54,017 parameters, one of its networks is handed on",
            "0.9338\n± 0.0026",
            "\N{EN DASH}",
            "this one",
            "0.9338 †\n± 0.0026",
        ],
        [
            "trial 0\n2 trainings, 12,001 parameters, the cheapest",
            *("0.9326\n± 0.0026", "+0.0012\n± 0.0011", "not distinguishable\np = 0.80", "0.9326 †\n± 0.0026"),
        ],
        ["ensemble", "0.9326\n± 0.0026", "+0.0012\n± 0.0011", "not distinguishable\np = 0.80", "0.9326 †\n± 0.0026"],
        ["boosted trees", "0.9195\n± 0.0026", "+0.0143\n± 0.0011", "better\np = 0.012", "0.9195 †\n± 0.0026"],
    ]
    assert table.marked == 0


def test_out_of_fold_figures_stand_beside_those_that_were_chosen_on(write, evaluation):
    folds = replace(evaluation.parts[0], candidate="ensemble", part=OUT_OF_FOLD)
    section = write(replace(evaluation, parts=(*evaluation.parts, folds)))
    table, explained = section.blocks[:2]
    assert table.head[-2:] == ["Validation", "Out of fold"]
    assert [row[-1] for row in table.rows] == [DASH, DASH, "0.9371 †\n± 0.0025", DASH]
    assert "† Settings, epochs or members were chosen on these events: this figure flatters." in explained.text
    assert "20 replicas" in explained.text
    assert not any("Out of fold" in getattr(block, "caption", "") for block in section.blocks)


def test_only_what_was_tuned_is_marked_as_chosen_on_validation(write, evaluation):
    record = BaselineRecord(
        name="boosted trees", fitted_on="train", params={}, n_trials=7, n_planned=7, seconds=1.0, chosen_by="AUC"
    )
    for each, mark in ((record, " †"), (replace(record, n_planned=0, n_trials=0), "")):
        table = write(replace(evaluation, baselines=(each,))).blocks[0]
        [row] = [row for row in table.rows if row[0] == "boosted trees\nfitted on train"]
        assert row[-1] == f"0.9195{mark}\n± 0.0026"


def test_the_best_baseline_says_by_which_fit_validation_chose_it(write, evaluation):
    standings = tuple(
        replace(each, is_best_baseline=each.candidate == "boosted trees") for each in evaluation.standings
    )
    told = {"n_trials": 7, "n_planned": 7, "seconds": 1.0, "params": {}, "chosen_by": "AUC"}
    refitted = BaselineRecord(name="boosted trees", fitted_on="train and validation", **told)
    bagged = replace(refitted, name="boosted trees (bagged)")
    for record, how in (
        (replace(refitted, fitted_on="train"), "fitted on train, the best baseline on validation"),
        (refitted, "fitted on train and validation, the best baseline on validation before the refit"),
        (bagged, "fitted on train and validation, the best baseline on validation by its scores out of fold"),
    ):
        named = tuple(replace(each, candidate=record.name) if each.is_best_baseline else each for each in standings)
        table = write(replace(evaluation, standings=named, baselines=(record,))).blocks[0]
        assert f"{record.name}\n{how}" in [row[0] for row in table.rows]


def test_intervals_of_single_trainings_are_over_events_only(write, evaluation):
    singles = tuple(replace(s, singles=s.singles[:1]) for s in evaluation.standings)
    told = [write(each).blocks[1].text for each in (evaluation, replace(evaluation, standings=singles))]
    assert ["trainings drawn anew" in text for text in told] == [True, False]


def test_working_points_and_the_gamma_telescope_table_are_shown_where_they_were_measured(write, evaluation):
    labels, scores = np.repeat([0, 1], 60), np.r_[np.linspace(0, 0.7, 60), np.linspace(0.3, 1, 60)]
    gamma = measure_gamma_telescope(labels, scores, threshold=0.5, n_replicas=5)
    test = replace(
        evaluation.parts[1],
        working_points=tabulate_working_points(labels, scores, n_replicas=5),
        measurements={**evaluation.parts[1].measurements, **gamma},
    )
    section = write(replace(evaluation, parts=(evaluation.parts[0], test)))
    rows = find_table(section, "Working points on test").rows
    assert [row[0] for row in rows[:2]] == ["eps_B at eps_S=0.3", "eps_B at eps_S=0.5"]
    assert rows[0][1] == "0.000\n0.000 \N{EN DASH} 0.030"
    assert rows[0][2].startswith("> 3")  # no background passes: a lower limit, 60 events allow no more
    assert rows[0][4:] == ("18\neffective: 18", "0\neffective: 0")
    assert rows[-1][2] == DASH
    table = find_table(section, "Gamma-telescope table")
    assert [row[0] for row in table.rows] == [*gamma]
    assert table.rows[0][1] == DASH
    assert not {row[0] for row in find_table(section, "What is handed on").rows} & {*gamma}


def test_a_rival_that_is_better_stands_above_the_winner_that_is_marked(write, judge):
    table = write(judge(trees="better")).blocks[0]
    assert table.rows[0][0] == "boosted trees"
    assert table.rows[0][2:4] == ["-0.0041\n± 0.0011", "worse\np = 0.012"]
    assert (table.marked, table.rows[1][3]) == (1, "this one")


def test_pictures_stand_where_they_belong(write, evaluation):
    section = write(evaluation, "candidates", "roc", "survival", "scores")
    kinds = [getattr(block, "title", block.kind) for block in section.blocks]
    assert kinds[:4] == ["table", "text", "candidates.", "text"]
    assert kinds[-3:] == ["roc.", "scores.", "text"]
    assert "survival." not in kinds  # there is no such comparison here


def test_selection_bias_is_one_plain_sentence_and_its_formula(write, evaluation):
    [told] = [block.text for block in write(evaluation).blocks if "Selection bias" in getattr(block, "text", "")]
    assert told == (
        "Selection bias: trial 2, as the best of 3 complete trials, promised AUC 0.9401 on validation, of which "
        "0.0018 is typically luck; retrained it has 0.9371 ± 0.0025 there and 0.9338 ± 0.0026 on test. Luck: "
        "0.0012, the spread of equal settings, times 0.85, the expected largest of 3 normal deviates."
    )


def test_every_figure_has_its_interval_and_the_events_behind_it(write, evaluation):
    section = write(evaluation)
    figures = find_table(section, "What is handed on")
    assert figures.rows[0] == (
        "AUC",
        "0.9371\n0.9346 \N{EN DASH} 0.9395",
        "0.9338\n0.9312 \N{EN DASH} 0.9364",
    )
    assert find_table(section, "Events that the figures rest on").rows[1] == (
        *("test", "2,099\nof 2,466", "191\nof 1,338", "2,466", "1,338"),
    )
    [told] = [block.text for block in section.blocks if "Trial 2, seed 1" in getattr(block, "text", "")]
    assert (
        "The cut that is handed on is the working point, score ≥ 0.6100 (largest eps_S - eps_B on validation), frozen"
        in told
    )
    assert "(AUC - 1/2)/(AUC of the optimum - 1/2)" in told


def test_the_others_are_folded_by_kind_and_of_the_last_part_only_and_no_table_is_wide(write, judge):
    found = judge()
    baselines = [f"boosted trees {number}" for number in range(8)]
    trees = next(standing for standing in found.standings_on("test") if standing.kind == "baseline")
    others = [replace(part, candidate=name) for part in found.parts for name in (*baselines, "refit", "ensemble")]
    standings = (*found.standings, *(replace(trees, candidate=name) for name in baselines))
    section = write(replace(found, parts=(*found.parts, *others), standings=standings))
    tables = [block for block in section.blocks if block.kind == "table" and block.folded]
    assert [(table.caption, list(table.head[1:])) for table in tables] == [
        ("Other networks on test", ["refit", "ensemble"]),
        ("Baselines on test", baselines[:6]),
        ("Baselines on test, continued", baselines[6:]),
    ]


def test_whose_the_figures_out_of_fold_are_is_told_under_both_tables(write, evaluation):
    bag = Predictor("bag", (TrainedNetwork(2, "fold", 0), TrainedNetwork(2, "fold", 1)))
    validation, test = (replace(part, candidate="bag") for part in evaluation.parts)
    found = replace(evaluation, predictors=(bag,), parts=(replace(validation, part=OUT_OF_FOLD), test))
    texts = [block.text for block in write(found).blocks if block.kind == "text"]
    assert [OF_SINGLE_NETWORKS in text for text in texts].count(True) == 2
    [below] = [text for text in texts if "The cuts, too, were chosen on scores of single networks" in text]
    assert f"{CHOSEN_ON} The epochs and the cuts were chosen on these events" in below
    alone = [block.text for block in write(evaluation).blocks if block.kind == "text"]
    assert not any("single networks" in text for text in alone)
    assert any("The configuration, its epoch and the cuts were chosen on these events" in text for text in alone)


def test_test_saying_otherwise_than_what_chose_is_told_at_the_head_and_under_the_verdicts(
    write, make_search, evaluation
):
    said = "By AUC on validation the bag is better, and is handed on; by AUC on test it cannot be told from it."
    found, search = replace(evaluation, choice_on_test=said), make_search(complete=3)
    assert write(found).blocks[1].text.count(said) == 1
    assert sum(said in sentence for sentence in answer(search, search.best_trial, found)) == 1


def test_a_leaning_interval_is_explained_where_there_is_one(write, evaluation):
    error = {"calibration error (classes balanced)": Measurement(0.0216, 0.0202, 0.0224)}
    parts = tuple(replace(part, measurements=part.measurements | error) for part in evaluation.parts)
    told = [
        any(LEANING in getattr(block, "text", "") for block in write(each).blocks)
        for each in (replace(evaluation, parts=parts), evaluation)
    ]
    assert told == [True, False]


def test_figures_out_of_fold_are_shown_as_such(write, evaluation):
    folds = replace(evaluation.parts[0], candidate="trial 2, 3 folds", part="all events")
    section = write(replace(evaluation, parts=(*evaluation.parts, folds)))
    assert find_table(section, "Out of fold").head == ["Figure", "trial 2, 3 folds"]


def test_a_closed_test_part_leaves_no_trace_of_test(write, evaluation):
    closed = replace(
        evaluation,
        opening=None,
        openings=0,
        parts=evaluation.parts[:1],
        standings=evaluation.standings_on("validation"),
        selection=replace(evaluation.selection, test=None),
    )
    section = write(closed)
    assert section.blocks[0].head == ["Candidate", "Validation", "Winner minus it", "The winner is"]
    assert section.blocks[-1].text == "The test part is still closed."
    assert find_table(section, "What is handed on").head == ["Figure", "validation †"]


@pytest.mark.parametrize(
    ("openings", "told"),
    [
        ({"opening": 1, "openings": 1}, "The test part has been opened once, for this."),
        ({"opening": 2, "openings": 3}, "opening 2 of the test part, which has been opened 3 times"),
    ],
)
def test_openings_of_the_test_part_are_counted(write, evaluation, openings, told):
    assert told in write(replace(evaluation, **openings)).blocks[-1].text


@pytest.mark.parametrize("chosen_on", ["validation", OUT_OF_FOLD])
def test_the_cut_of_a_significance_is_shown_with_what_lies_above_it(write, evaluation, chosen_on):
    common = {
        "threshold": 0.9,
        "n_signal": 80,
        "n_background": 31,
        "effective_background": 28.4,
        "chosen_on": chosen_on,
    }
    parts = [
        replace(part, figure_cut=FigureCut(s=8.0, b=2.5, estimator=how, **common))
        for part, how in zip(evaluation.parts, (CROSSED, FROZEN), strict=True)
    ]
    cut = HandedOnCut(name="AMS cut", threshold=0.9, rule="largest AMS", chosen_on=chosen_on)
    section = write(replace(evaluation, parts=tuple(parts), figure_of_merit="AMS", handed_on_cut=cut))
    table = find_table(section, "Above the AMS cut")
    assert table.rows[1] == ("test", "0.9000", "8", "2.5", "80", "31\neffective: 28")
    told = section.blocks[section.blocks.index(table) + 1].text
    assert f"on test it is the value at the frozen cut, which was chosen on {chosen_on}. Chosen" in told
    both = next(block.text for block in section.blocks if isinstance(block, Text) and "two cuts" in block.text)
    assert "the working point, score ≥ 0.6100 (largest eps_S - eps_B on validation), where efficiencies" in both
    assert f"the AMS cut, score ≥ 0.9000 (largest AMS, chosen on {chosen_on}), which is handed on." in both
    assert find_table(section, "Events that the figures rest on, and those selected at the working point")


def test_nuisances_are_told_by_direction_and_in_total(write, evaluation):
    up, down = Shift(0.9298, -0.004, 0.012, -0.03), Shift(0.9378, 0.004, -0.012, 0.03)
    effects = NuisanceEffects("AUC", 0.9338, 0.61, (NuisanceEffect("scale", up, down, symmetrised=True),))
    section = write(replace(evaluation, nuisances=effects))
    table = find_table(section, "Nuisance variants")
    assert table.rows == [
        ("scale, up", "0.930\n-0.004", "+1.20 %", "-3.00 %"),
        ("scale, down\nthe opposite of up", "0.938\n+0.004", "-1.20 %", "+3.00 %"),
    ]
    told = section.blocks[section.blocks.index(table) + 1].text
    assert told == "Systematic uncertainty of the AUC, all nuisances added in quadrature: +0.004 -0.004."
