"""Read where a search stands: trials by state, the best so far, the rate, what is left, who gives no sign of life."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tuner.checked_files import expect_form, read_json, warn_once
from tuner.errors import DamagedFileError
from tuner.progress.snapshot import Status
from tuner.tune.best_so_far import follow_best, list_finished, measure_elapsed
from tuner.tune.search import Search

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
        history=tuple(best for best in follow_best(trials).best if best > -math.inf),
        training=tuple(t.number for t in trials if t.state == "running"),
        trained_epochs=sum(t.epochs for t in trials),
        elapsed=elapsed,
        rate=rate,
        seconds_left=_estimate_left(count_left(search), rate, seconds_left),
        stale_leases=stale,
        workers=sum(workers.values()),
        winner_test=_read_winner_test(search),
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
    from tuner.tune.leases import WORKER

    running = [t for t in search.optuna_study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]
    return tuple(t.number for t in running if WORKER in t.user_attrs and not workers.get(t.user_attrs[WORKER], False))


def _read_winner_test(search: Search) -> dict[str, float | None] | None:
    """Return the winner's figures on the test part by name, from `evaluation.json`; None while it is closed.

    None also where it is damaged, of which a warning tells.
    """
    path, advice = search.folder.evaluation, "The winner's figures on test are not shown."
    try:
        content = read_json(path, advice=advice)
        with expect_form(path, advice=advice):
            return _find_winner_test(content)
    except DamagedFileError as error:
        warn_once(str(error))
        return None


def _find_winner_test(evaluation: Mapping[str, Any]) -> dict[str, float | None] | None:
    for part in evaluation.get("parts", ()):
        if part.get("part") == "test" and part.get("candidate") == "winner":
            values = {name: float(measurement["value"]) for name, measurement in part["measurements"].items()}
            return {name: value if math.isfinite(value) else None for name, value in values.items()}
    return None
