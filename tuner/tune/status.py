"""Read where a search stands: trials by state, the best so far, the rate, what is left, who gives no sign of life."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any

from tuner.progress.snapshot import Status
from tuner.tune.outcome import read_outcome
from tuner.tune.search import Search, TrialRecord

__all__ = ["Status", "count_left", "count_running", "read_status", "trace_best"]

_COUNTED = ("complete", "pruned")


def read_status(search: Search, *, seconds_left: float | None = None) -> Status:
    """Return where a search stands now.

    `seconds_left` is what the time budget of the call still allows; without it only the budget of trials counts.
    """
    trials = search.trials
    workers = search.workers
    stale = _find_stale(search, workers)
    finished = _list_finished(trials)
    elapsed = _measure_elapsed((t for t in trials if t.number not in stale), datetime.now())
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
        history=_follow_best(finished),
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


def _follow_best(finished: Iterable[TrialRecord]) -> tuple[float, ...]:
    """Return the best value of a complete trial after each trial that finished, from the first complete one on."""
    values = (t.value if t.state == "complete" and t.value is not None else -math.inf for t in finished)
    return tuple(best for best in accumulate(values, max) if best > -math.inf)


def _finish_time(trial: TrialRecord) -> datetime:
    return trial.finished or datetime.max


def trace_best(search: Search) -> list[dict[str, float]]:
    """Return the best validation AUC of a complete trial against the number of finished trials and the time spent.

    A row for each trial that finished, from the first complete one on: `trials`, `minutes` in which at least one trial
    was running, `best`.
    """
    trials, stale = search.trials, _find_stale(search, search.workers)
    finished = _list_finished(trials)
    spans = _join_spans((t for t in trials if t.number not in stale), datetime.now())
    best = _follow_best(finished)
    rows, spent, place = [], 0.0, 0
    for number, trial in enumerate(finished, 1):
        now = _finish_time(trial)
        while place < len(spans) and spans[place][1] <= now:
            spent += (spans[place][1] - spans[place][0]).total_seconds()
            place += 1
        begun = max(0.0, (now - spans[place][0]).total_seconds()) if place < len(spans) else 0.0
        if (row := number - 1 - len(finished) + len(best)) >= 0:
            rows.append({"trials": float(number), "minutes": (spent + begun) / 60, "best": best[row]})
    return rows


def _list_finished(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    return sorted((t for t in trials if t.state in _COUNTED and t.finished), key=_finish_time)


def _measure_elapsed(trials: Iterable[TrialRecord], now: datetime) -> float | None:
    """Return seconds in which at least one trial was running: pauses between two calls do not count."""
    spans = _join_spans(trials, now)
    return sum((end - start).total_seconds() for start, end in spans) if spans else None


def _join_spans(trials: Iterable[TrialRecord], now: datetime) -> list[tuple[datetime, datetime]]:
    """Return the times in which at least one trial was running, in order and apart from each other."""
    spans = sorted((t.started, t.finished or now) for t in trials if t.started and (t.finished or t.state == "running"))
    joined: list[tuple[datetime, datetime]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _estimate_left(trials_left: int, rate: float | None, seconds_left: float | None) -> float | None:
    """Return seconds until trials or time are spent, whichever is first; None where neither is known."""
    if trials_left <= 0:
        return 0.0
    known = [s for s in (60 * trials_left / rate if rate else None, seconds_left) if s is not None]
    return min(known, default=None)


def _find_stale(search: Search, workers: Mapping[str, bool]) -> tuple[int, ...]:
    """Return running trials whose worker is named but lives no more."""
    from tuner.tune.leases import WORKER

    running = [t for t in search.optuna_study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]
    return tuple(t.number for t in running if WORKER in t.user_attrs and not workers.get(t.user_attrs[WORKER], False))


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
