"""What the page leads with, for real Optuna studies of every kind of end."""

from __future__ import annotations

from dataclasses import replace

from tuner.problem import Ballpark
from tuner.report.answering import answer, highlight
from tuner.report.searching import find_edges, rank_trials, write_search


def test_leads_with_the_test_figures(make_search, evaluation):
    search = make_search(complete=3, pruned=2)
    told = answer(search, search.winner, evaluation)
    assert len(told) <= 3
    assert "Trial 2 of 5" in told[0]
    assert "AUC 0.9338 on test (68 % interval 0.9312 \N{EN DASH} 0.9364)" in told[0]
    assert "on validation, by which it was chosen, 0.9371" in told[0]
    assert "98.2 % of the optimum" in told[0]
    assert "keeps 85.1 % (± 0.5) of the signal and 14.3 % (± 0.6) of the background on test" in told[-1]


def test_compares_with_the_ballparks(make_search, evaluation):
    search = make_search(complete=1)
    ballparks = (
        Ballpark(name="forest", auc=0.9, source="s"),
        Ballpark(name="RealMLP", auc=0.9344, source="s"),
        Ballpark(name="oracle", auc=0.99, source="s"),
    )
    search = replace(search, study=replace(search.study, problem=replace(search.study.problem, ballparks=ballparks)))
    told = answer(search, search.winner, evaluation)
    assert told[1] == "That is below oracle (0.99), and level with RealMLP (0.9344), and above forest (0.9)."


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
