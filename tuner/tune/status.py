"""Read where a search stands: trials by state, the best so far, the rate, what is left, who gives no sign of life."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tuner.checked_files import expect_form, read_json, warn_once
from tuner.errors import DamagedFileError
from tuner.progress.snapshot import DeviceUse, EndedTrial, RunningTrial, Status
from tuner.tune.leases import is_abandoned
from tuner.tune.search import Search, TrialRecord

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Status", "count_left", "count_running", "read_status"]

_COUNTED = ("complete", "pruned")


def read_status(search: Search, *, seconds_left: float | None = None, devices: DeviceUse | None = None) -> Status:
    """Return where a search stands now, by what its storage holds.

    seconds_left: what the time budget of the call still allows; without it only the budget of trials counts. devices:
    what its workers use at the moment.
    """
    frozen = search.optuna_study.get_trials(deepcopy=False)
    trials, workers = search.trials, search.workers
    stale = _find_stale(search, workers)
    finished = sorted((t for t in trials if t.state in _COUNTED and t.finished), key=_finish_time)
    elapsed = _measure_elapsed((t for t in trials if t.number not in stale), datetime.now())
    rate = 60 * len(finished) / elapsed if finished and elapsed else None
    best = max((t for t in trials if _rank(t) > -math.inf), key=lambda t: (_rank(t), -t.number), default=None)
    until_spent = _estimate_left(count_left(search), rate, None)
    is_judged = seconds_left is None or (until_spent is not None and until_spent <= seconds_left)
    low, high = _find_interval(best) if best else (None, None)
    return Status(
        study=search.study.name,
        question=search.study.problem.question,
        states=dict(Counter(t.state for t in trials)),
        budget_trials=search.study.budget.trials,
        budget_epochs=search.study.budget.epochs,
        figure_of_merit=search.study.problem.figure_of_merit.name,
        best_value=_rank(best) if best else None,
        best_low=low,
        best_high=high,
        best_trial=best.number if best else None,
        best_params=dict(best.params) if best else {},
        history=_follow_best(finished),
        running=tuple(_look_at(t) for t in frozen if t.state.name == "RUNNING"),
        trained_epochs=sum(t.epochs for t in trials),
        elapsed=elapsed,
        rate=rate,
        seconds_left=_estimate_left(count_left(search), rate, seconds_left),
        evaluation_seconds=_estimate_evaluation(search, trials, elapsed) if is_judged else None,
        stale_leases=stale,
        workers=sum(workers.values()),
        ended=tuple(_describe_end(t) for t in sorted((t for t in trials if t.finished), key=_finish_time)),
        devices=devices,
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


def _rank(trial: TrialRecord) -> float:
    """Return what a complete trial is ranked by; -inf for any other."""
    value = trial.value if trial.figure is None else trial.figure
    return value if trial.state == "complete" and value is not None and math.isfinite(value) else -math.inf


def _find_interval(trial: TrialRecord) -> tuple[float | None, float | None]:
    """Return the ends of the interval of a trial's figure of merit; None where it has none."""
    return None, None


def _describe_end(trial: TrialRecord) -> EndedTrial:
    low, high = _find_interval(trial)
    value = _rank(trial) if _rank(trial) > -math.inf else trial.value
    return EndedTrial(number=trial.number, state=trial.state, value=value, low=low, high=high, reason=trial.reason)


def _look_at(trial: FrozenTrial) -> RunningTrial:
    """Return how far a running trial has come, by what it has reported."""
    reported = sorted(trial.intermediate_values.items())
    return RunningTrial(
        number=trial.number,
        epoch=reported[-1][0] if reported else 0,
        values=tuple(value for _, value in reported),
    )


def _follow_best(finished: Iterable[TrialRecord]) -> tuple[float, ...]:
    """Return the best figure of a complete trial after each trial that finished, from the first complete one on."""
    return tuple(best for best in accumulate(map(_rank, finished), max) if best > -math.inf)


def _finish_time(trial: TrialRecord) -> datetime:
    return trial.finished or datetime.max


def _measure_elapsed(trials: Iterable[TrialRecord], now: datetime) -> float | None:
    """Return seconds in which at least one trial was running: pauses between two calls do not count."""
    spans = sorted((t.started, t.finished or now) for t in trials if t.started and (t.finished or t.state == "running"))
    if not spans:
        return None
    total, reached = 0.0, spans[0][0]
    for start, end in spans:
        if end > reached:
            total += (end - max(start, reached)).total_seconds()
            reached = end
    return total


def _estimate_left(trials_left: int, rate: float | None, seconds_left: float | None) -> float | None:
    """Return seconds until trials or time are spent, whichever is first; None where neither is known."""
    if trials_left <= 0:
        return 0.0
    known = [s for s in (60 * trials_left / rate if rate else None, seconds_left) if s is not None]
    return min(known, default=None)


def _estimate_evaluation(search: Search, trials: Sequence[TrialRecord], elapsed: float | None) -> float | None:
    """Return about how many seconds the evaluation takes; None before a trial is complete.

    A finalist trains as long as complete trials did, and as many train at a time; of baselines, the limit counts.
    """
    judgement = search.study.judgement
    complete = [t.seconds for t in trials if t.state == "complete" and t.seconds]
    if not complete or not elapsed:
        return None
    at_a_time = max(1.0, sum(t.seconds for t in trials if t.state in _COUNTED and t.seconds) / elapsed)
    n_finalists = min(judgement.finalists, max(len(complete), count_left(search) and judgement.finalists))
    n_trainings = n_finalists * judgement.seeds + (judgement.folds or 0)
    seconds = n_trainings * sum(complete) / len(complete) / at_a_time
    return seconds + (60 * judgement.baseline_minutes if judgement.baseline_trials else 0.0)


def _find_stale(search: Search, workers: Mapping[str, bool]) -> tuple[int, ...]:
    """Return running trials that no living worker trains."""
    running = [t for t in search.optuna_study.get_trials(deepcopy=False) if t.state.name == "RUNNING"]
    return tuple(t.number for t in running if is_abandoned(t, workers))


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
