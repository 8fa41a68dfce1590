"""Read where a search stands: trials by state, the best so far, the rate, what is left, who gives no sign of life."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tuner.progress.snapshot import Status
from tuner.tune.best_so_far import follow_best, list_finished, measure_elapsed
from tuner.tune.outcome import read_outcome
from tuner.tune.search import Search
from tuner.tune.trial_attributes import read_worker

__all__ = ["Status", "count_left", "count_running", "read_status"]


def read_status(search: Search, *, seconds_left: float | None = None) -> Status:
    """Return where a search stands now.

    `seconds_left` is what the time budget of the call still allows; without it only the budget of trials counts.
    """
    trials = search.trials
    workers = search.workers
    stale = _find_stale(search, workers)
    finished = list_finished(trials)
    elapsed = measure_elapsed((t for t in trials if t.number not in stale), datetime.now())
    rate = 60 * len(finished) / elapsed if finished and elapsed else None
    complete = (t for t in trials if t.state == "complete" and t.value is not None)
    best = max(complete, key=lambda t: (t.value, -t.number), default=None)
    return Status(
        study=search.study.name,
        question=search.study.problem.question,
        states=dict(Counter(t.state for t in trials)),
        budget_trials=search.study.budget.trials,
        best_value=best.value if best else None,
        best_trial=best.number if best else None,
        best_params=dict(best.params) if best else {},
        history=tuple(best for best in follow_best(trials).values if best > -math.inf),
        training=tuple(t.number for t in trials if t.state == "running"),
        trained_epochs=sum(t.epochs for t in trials),
        elapsed=elapsed,
        rate=rate,
        seconds_left=_estimate_left(count_left(search), rate, seconds_left),
        stale_leases=stale,
        workers=sum(workers.values()),
        **_read_outcome(search),
    )


def count_left(search: Search) -> int:
    """Return how many trials of the budget are not used up; of a sampler that has stopped, those it has given."""
    states = Counter(t.state for t in search.trials)
    left = max(0, search.study.budget.trials - states["complete"] - states["pruned"])
    return min(left, states["waiting"] + states["running"]) if left and search.has_stopped else left


def count_running(search: Search) -> int:
    """Return how many trials are trained at this moment, by workers that give a sign of life."""
    stale = _find_stale(search, search.workers)
    return sum(t.state == "running" and t.number not in stale for t in search.trials)


def _estimate_left(trials_left: int, rate: float | None, seconds_left: float | None) -> float | None:
    """Return seconds until trials or time are spent, whichever is first; None where neither is known."""
    if trials_left <= 0:
        return 0.0
    known = [s for s in (60 * trials_left / rate if rate else None, seconds_left) if s is not None]
    return min(known, default=None)


def _find_stale(search: Search, workers: Mapping[str, bool]) -> tuple[int, ...]:
    """Return running trials whose worker is named but lives no more."""
    running = [t for t in search.optuna_study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]
    claimed = {t.number: worker for t in running if (worker := read_worker(t)) is not None}
    return tuple(number for number, worker in claimed.items() if not workers.get(worker, False))


def _read_outcome(search: Search) -> dict[str, Any]:
    """Return what the evaluation found, as fields of a status; where more trials completed since, only that."""
    outcome = read_outcome(search)
    if outcome is None:
        return {}
    if not outcome.holds_for(search):
        return {"verdict": OLD_OUTCOME}
    test = outcome.test
    return {
        "verdict": outcome.verdict,
        "winner_test": None if test is None else {name: value for name, (value, _, _) in test.items()},
        "winner_test_intervals": None if test is None else {name: (low, high) for name, (_, low, high) in test.items()},
    }


OLD_OUTCOME = "More trials have completed since the last evaluation: its figures are not shown. Evaluate again."
