"""What the page leads with, for real Optuna studies of every kind of end."""

from __future__ import annotations

from dataclasses import replace

from tuner.metrics import Significance
from tuner.metrics.measurement import Measurement
from tuner.problem import Ballpark
from tuner.report.answering import answer, highlight
from tuner.report.searching import find_edges, rank_trials, write_search


def test_leads_with_the_test_figures(make_search, evaluation):
    search = make_search(complete=3, pruned=2)
    told = answer(search, search.winner, evaluation)
    assert len(told) <= 3
    assert told[0].startswith("Trial 2 has won among 5: ")
    assert "AUC 0.9338 on test (68 % interval 0.9312 \N{EN DASH} 0.9364)" in told[0]
    assert "on validation, by which it was chosen, 0.9371" in told[0]
    assert "0.9364), which is 98.2 % of the optimum in terms of (AUC - 1/2)/(AUC of the optimum - 1/2); on" in told[0]
    assert "keeps 85.1 % (± 0.5) of the signal and 14.3 % (± 0.6) of the background on test" in told[-1]


def test_compares_with_the_ballparks(make_search, evaluation):
    search = make_search(complete=1)
    ballparks = (
        Ballpark(name="forest", auc=0.9, source="A"),
        Ballpark(name="RealMLP", auc=0.9344, source="B"),
        Ballpark(name="giant", auc=0.95, source="C"),
        Ballpark(name="likelihood ratio", auc=0.99, source="exact"),
    )
    search = replace(search, study=replace(search.study, problem=replace(search.study.problem, ballparks=ballparks)))
    expected = "giant 0.95, above the interval (C); RealMLP 0.9344 (B); forest 0.9, below the interval (A)."
    assert "likelihood ratio 0.99" in answer(search, search.winner, evaluation)[1]
    test = evaluation.part("test")
    known = replace(test, measurements={**test.measurements, "optimum AUC": Measurement(0.991, 0.989, 0.993)})
    told = answer(search, search.winner, replace(evaluation, parts=(known,)))
    assert told[1] == f"AUC of others, for comparison: {expected}"


def test_leads_with_the_figure_that_was_declared_and_says_what_auc_was_used_for(make_search, evaluation):
    search, figure = make_search(complete=3), Significance(s=10.0, b=100.0)
    search = replace(search, study=replace(search.study, problem=replace(search.study.problem, figure_of_merit=figure)))
    values = {"validation": Measurement(3.4, 3.2, 3.6), "test": Measurement(3.2, 3.0, 3.4)}
    parts = [replace(p, measurements={**p.measurements, figure.name: values[p.part]}) for p in evaluation.parts]
    found = replace(evaluation, figure_of_merit=figure.name, parts=tuple(parts))
    told = answer(search, search.winner, found)
    assert f"with {figure.name} 3.20 on test (68 % interval 3.00 \N{EN DASH} 3.40)" in told[0]
    assert "; on validation, by which it was chosen, 3.40; AUC 0.9338 on test" in told[0]
    assert told[1].startswith("Sampling, pruning and the best epoch of each trial went by AUC")
    assert [shown.value for shown in highlight(search, found, None)][:4] == ["3.20", "3.40", "0.9338", "0.9371"]


def test_without_evaluation_the_test_part_is_closed(make_search):
    search = make_search(complete=2)
    told = answer(search, search.winner, None)
    assert "number 1 is the best so far: AUC 0.915 on validation" in told[0]
    assert told[1] == "The test part is still closed."


def test_without_a_complete_trial_says_so(make_search):
    assert answer(make_search(), None, None) == ["No trial has begun."]
    [told] = answer(make_search(pruned=1, failed=1), None, None)
    assert "Of 2 trials, none is complete yet" in told
    [told] = answer(make_search(failed=2), None, None)
    assert "All of them failed" in told


def test_highlights(make_search, evaluation):
    shown = highlight(make_search(complete=2, failed=1), evaluation, 372.0)
    assert [h.value for h in shown] == ["0.9338", "0.9371", "98.2 %", "85.1 %", "3", "6 min 12 s"]
    assert shown[4].note == "2 complete, 1 failed"
    assert [h.value for h in highlight(make_search(complete=1), None, None)] == ["1"]


def test_edges_of_ranges_are_told(make_search):
    winner = make_search(complete=1, params={"lr": 9.9e-3, "depth": 4, "dropout": 0.0, "width": 64}).winner
    assert find_edges(winner) == [
        "The best lr = 0.0099 lies at the upper edge of its range, 1e-05 to 0.01: widen the range.",
        "The best depth = 4 lies at the upper edge of its range, 1 to 4: widen the range.",
    ]
    winner = make_search(complete=1, params={"lr": 1.1e-5, "depth": 1, "dropout": 0.3, "width": 64}).winner
    assert [text.split(" lies at the lower")[0] for text in find_edges(winner)] == ["The best lr = 1.1e-05"]


def test_the_search_section_tells_states_and_reasons(make_search):
    section = write_search(make_search(complete=12, pruned=2, failed=1), [], {}, 60.0)
    assert section.title == "15 trials: 12 complete, 2 pruned, 1 failed"
    tables = {block.caption: block for block in section.blocks if block.kind == "table"}
    best = tables["The 10 best trials and where they differ most"]
    assert [row[0] for row in best.rows] == [str(n) for n in range(11, 1, -1)]
    assert list(best.head) == ["Trial", "AUC", "Best epoch", "Parameters", "lr"]
    assert tables["Failed trials"].rows == [("14", "the loss is not a number <b>")]


def test_ranking_prefers_the_earlier_of_equals(make_search):
    trials = make_search(complete=3).trials
    equal = [replace(trial, figure=0.9) for trial in trials]
    assert [trial.number for trial in rank_trials(equal)] == [0, 1, 2]


def test_the_best_trials_are_told_apart_by_what_matters_most(make_search):
    section = write_search(make_search(complete=2), [], {"depth": 0.9, "lr": 0.1}, None)
    [best] = [block for block in section.blocks if block.kind == "table"]
    assert list(best.head)[4:] == ["lr"]
    section = write_search(make_search(complete=1), [], {"lr": 0.9, "depth": 0.1}, None)
    [best] = [block for block in section.blocks if block.kind == "table"]
    assert list(best.head)[4:] == ["lr", "depth", "dropout", "width"]
