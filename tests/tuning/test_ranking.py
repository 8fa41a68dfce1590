"""One order of trials, for the search, its pages and the evaluation."""

from types import SimpleNamespace

import pytest

from tuner.tuning.ranking import count_sampled, rank_trials


def make(number, figure, state="complete", warm_start=False):
    return SimpleNamespace(number=number, figure=figure, state=state, warm_start=warm_start)


def test_ranking_prefers_the_better_then_the_earlier():
    trials = [make(0, 0.8), make(1, 0.9), make(2, -0.1), make(3, 0.9)]
    assert [trial.number for trial in rank_trials(reversed(trials))] == [1, 3, 0, 2]


@pytest.mark.parametrize("odd", [make(9, None), make(9, float("nan")), make(9, float("inf")), make(9, 0.95, "pruned")])
def test_only_complete_trials_with_a_finite_figure_are_ranked(odd):
    assert [trial.number for trial in rank_trials([odd, make(0, 0.8)])] == [0]


def test_what_was_sampled_and_ended_is_counted():
    states = ["complete", "pruned", "failed", "interrupted", "running"]
    trials = [make(n, 0.8, state, warm) for n, state in enumerate(states) for warm in (True, False)]
    assert count_sampled(trials) == 2
