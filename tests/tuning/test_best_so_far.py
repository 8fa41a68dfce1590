"""The best value so far: against trials, and against time without pauses; told by a clock that ticks each second."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np
import pytest

from tuner.tuning.best_so_far import follow_best, measure_elapsed
from tuner.tuning.search import TrialRecord

START = datetime(2026, 11, 22, 20, 0, 0)


def make_record(number, state, value, start, end):
    times = [None if second is None else START + timedelta(seconds=second) for second in (start, end)]
    return TrialRecord(
        number=number,
        state=state,
        params={},
        distributions={},
        value=value,
        figure=None if value is None else 10 * value,
        best_epoch=None,
        epochs=1,
        reason=None,
        n_parameters=None,
        started=times[0],
        finished=times[1],
        warm_start=False,
    )


def tick(spans, until):
    """Return the seconds before `until` in which a span is open, one by one."""
    return sum(any(start <= second < end for start, end in spans) for second in range(until))


def test_time_is_what_a_clock_counts_that_runs_while_any_trial_does():
    rng = np.random.default_rng(3)
    for _ in range(20):
        starts = rng.integers(0, 200, 12)
        spans = [
            (int(start), int(start + length)) for start, length in zip(starts, rng.integers(1, 30, 12), strict=True)
        ]
        states = rng.choice(["complete", "pruned", "failed", "interrupted"], 12)
        trials = [
            make_record(n, str(state), 0.5, *span) for n, (state, span) in enumerate(zip(states, spans, strict=True))
        ]
        found = follow_best(trials)
        ends = sorted(end for (_, end), state in zip(spans, states, strict=True) if state in ("complete", "pruned"))
        assert found.seconds == pytest.approx([tick(spans, end) for end in ends])
        assert measure_elapsed(trials, START) == pytest.approx(tick(spans, 300))


def test_only_complete_trials_are_the_best_and_pruned_ones_count_as_trials():
    trials = [
        make_record(0, "pruned", 0.99, 0, 1),
        make_record(1, "complete", 0.80, 0, 2),
        make_record(2, "failed", None, 0, 3),
        make_record(3, "complete", 0.70, 0, 4),
        make_record(4, "complete", math.nan, 0, 5),
        make_record(5, "complete", 0.90, 100, 110),
        make_record(6, "running", 0.95, 100, None),
    ]
    found = follow_best(trials)
    assert found.best == (-math.inf, 0.80, 0.80, 0.80, 0.90)
    assert found.seconds == (1, 2, 4, 5, 15)
    assert [found.after_trials(n) for n in (0, 1, 2, 5)] == [-math.inf, -math.inf, 0.80, 0.90]
    assert [found.after_seconds(s) for s in (0.5, 2, 14.9, 15)] == [-math.inf, 0.80, 0.80, 0.90]
    assert follow_best(trials, lambda trial: trial.figure).best[-1] == 9.0


def test_a_search_without_trials_has_no_best():
    assert follow_best([]).best == ()
    assert follow_best([]).after_trials(0) == follow_best([]).after_seconds(9.0) == -math.inf
    assert measure_elapsed([], START) is None
