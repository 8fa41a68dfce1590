"""The section on the search: trials by state, the best of them, settings at the edge of their range."""

from __future__ import annotations

from dataclasses import replace

from tuner.reporting.sections.search import find_edges, write_search


def test_edges_of_ranges_are_told(make_search):
    winner = make_search(complete=1, params={"lr": 9.9e-3, "depth": 4, "dropout": 0.0, "width": 64}).best_trial
    assert find_edges(winner) == [
        "The best lr = 0.0099 lies at the upper edge of its range, 1e-05 to 0.01: widen the range.",
        "The best depth = 4 lies at the upper edge of its range, 1 to 4: widen the range.",
    ]
    winner = make_search(complete=1, params={"lr": 1.1e-5, "depth": 1, "dropout": 0.3, "width": 64}).best_trial
    assert [text.split(" lies at the lower")[0] for text in find_edges(winner)] == ["The best lr = 1.1e-05"]


def test_the_search_section_tells_states_and_reasons(make_search):
    section = write_search(make_search(complete=12, pruned=2, failed=1), [], {}, 60.0)
    assert section.title == "15 trials: 12 complete, 2 pruned, 1 failed"
    tables = {block.caption: block for block in section.blocks if block.kind == "table"}
    best = tables["The 10 best trials and where they differ most"]
    assert [row[0] for row in best.rows] == [str(n) for n in range(11, 1, -1)]
    assert list(best.head) == ["Trial", "AUC", "Best epoch", "Parameters", "lr"]
    assert tables["Failed trials"].rows == [("14", "the loss is not a number <b>")]
    [(kind, failed, given_back, policy)] = tables["Failures by kind"].rows
    assert (kind, failed, given_back) == ("not a number", "1", "0")
    assert policy.startswith("The trial fails")


def test_why_a_search_ended_before_its_budget_was_spent_is_told(make_search):
    search = make_search(complete=2)
    assert not any("ended early" in getattr(block, "text", "") for block in write_search(search, [], {}, None).blocks)
    reached = replace(search, study=replace(search.study, budget=replace(search.study.budget, target=0.6)))
    told = [block.text for block in write_search(reached, [], {}, None).blocks if block.kind == "text"]
    assert f"The search ended early: {reached.describe_early_end()}" in told
    assert reached.describe_early_end().endswith("the target is 0.6.")
    spent = replace(reached, study=replace(reached.study, budget=replace(reached.study.budget, trials=2)))
    assert not any("ended early" in getattr(block, "text", "") for block in write_search(spent, [], {}, None).blocks)


def test_the_best_trials_are_told_apart_by_what_matters_most(make_search):
    section = write_search(make_search(complete=2), [], {"depth": 0.9, "lr": 0.1}, None)
    [best] = [block for block in section.blocks if block.kind == "table"]
    assert list(best.head)[4:] == ["lr"]
    section = write_search(make_search(complete=1), [], {"lr": 0.9, "depth": 0.1}, None)
    [best] = [block for block in section.blocks if block.kind == "table"]
    assert list(best.head)[4:] == ["lr", "depth", "dropout", "width"]
