"""Read where a search stands: trials by state, the best so far, the rate, what is left, who gives no sign of life."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tuner.progress.snapshot import DeviceUse, EndedTrial, RunningTrial, Status
from tuner.tuning.best_so_far import follow_best, list_finished, measure_elapsed
from tuner.tuning.failures import count_failures
from tuner.tuning.heartbeats import is_abandoned
from tuner.tuning.judgement_time import estimate_trainings, find_growth, measure_costs
from tuner.tuning.outcome import read_outcome
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.trial_attributes import read_best_interval

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Status", "count_left", "count_running", "read_status"]


def read_status(search: Search, *, seconds_left: float | None = None, devices: DeviceUse | None = None) -> Status:
    """Return where a search stands now, by what its storage holds.

    Args:
        search: The search.
        seconds_left: What the time budget of the call still allows; None: only the budget of trials counts.
        devices: What its workers use at the moment.
    """
    frozen = search.optuna_study.get_trials(deepcopy=False)
    trials, workers = search.trials, search.workers
    stale = _find_stale(frozen, workers)
    finished = list_finished(trials)
    elapsed = measure_elapsed((t for t in trials if t.number not in stale), datetime.now())
    rate = 60 * len(finished) / elapsed if finished and elapsed else None
    best = search.best_trial
    low, high = _find_interval(search, best)
    n_left = _count_left(search, trials)
    until_spent = _estimate_left(n_left, rate, None)
    is_judged = seconds_left is None or (until_spent is not None and until_spent <= seconds_left)
    return Status(
        study=search.study.name,
        question=search.study.problem.question,
        states=dict(Counter(t.state for t in trials)),
        budget_trials=search.study.budget.trials,
        budget_epochs=search.study.budget.epochs,
        figure_of_merit=search.study.problem.figure_of_merit.name,
        best_value=_find_figure(best) if best else None,
        best_low=low,
        best_high=high,
        best_trial=best.number if best else None,
        best_params=dict(best.params) if best else {},
        history=tuple(best for best in follow_best(trials, _find_figure).best if best > -math.inf),
        running=tuple(_look_at(t) for t in frozen if t.state.name == "RUNNING"),
        trained_epochs=sum(t.epochs for t in trials),
        elapsed=elapsed,
        rate=rate,
        seconds_left=_estimate_left(n_left, rate, seconds_left),
        evaluation_seconds=_estimate_evaluation(search, trials, stale, n_left) if is_judged else None,
        stale_leases=stale,
        workers=sum(workers.values()),
        ended=_list_ended(trials),
        failure_kinds={c.kind.value: {"failed": c.failed, "resumed": c.resumed} for c in count_failures(trials)},
        devices=devices,
        **_read_outcome(search),
    )


def count_left(search: Search) -> int:
    """Return how many trials of the budget are not used up; of a search that has ended early, those that were begun."""
    return _count_left(search, search.trials)


def _count_left(search: Search, trials: Sequence[TrialRecord]) -> int:
    states = Counter(t.state for t in trials)
    left = max(0, search.study.budget.trials - states["complete"] - states["pruned"])
    if left and search.has_reached_target:
        return min(left, states["running"])
    return min(left, states["waiting"] + states["running"]) if left and search.has_stopped else left


def count_running(search: Search) -> int:
    """Return how many trials are trained at this moment, by workers that give a sign of life."""
    trials = search.optuna_study.get_trials(deepcopy=False)
    return sum(t.state.name == "RUNNING" for t in trials) - len(_find_stale(trials, search.workers))


def _find_figure(trial: TrialRecord) -> float | None:
    """Return what complete trials are ranked by; of others the best validation AUC."""
    return trial.value if trial.figure is None else trial.figure


def _find_interval(search: Search, best: TrialRecord | None) -> tuple[float | None, float | None]:
    """Return the ends of the interval of the best trial's figure of merit; None until they are measured."""
    known = read_best_interval(search.optuna_study)
    return known[1:] if known is not None and best is not None and known[0] == best.number else (None, None)


def _list_ended(trials: Sequence[TrialRecord]) -> tuple[EndedTrial, ...]:
    """Return the trials that ended, in the order in which they did."""
    ended = sorted((t.finished, t.number, t) for t in trials if t.finished)
    return tuple(_describe_end(trial) for _, _, trial in ended)


def _describe_end(trial: TrialRecord) -> EndedTrial:
    return EndedTrial(
        number=trial.number,
        state=trial.state,
        value=_find_figure(trial),
        reason=trial.reason,
    )


def _look_at(trial: FrozenTrial) -> RunningTrial:
    """Return how far a running trial has come, by what it has reported."""
    reported = sorted(trial.intermediate_values.items())
    return RunningTrial(
        number=trial.number,
        epoch=reported[-1][0] if reported else 0,
        values=tuple(value for _, value in reported),
    )


def _estimate_left(trials_left: int, rate: float | None, seconds_left: float | None) -> float | None:
    """Return seconds until trials or time are spent, whichever is first; None where neither is known."""
    if trials_left <= 0:
        return 0.0
    known = [s for s in (60 * trials_left / rate if rate else None, seconds_left) if s is not None]
    return min(known, default=None)


def _estimate_evaluation(
    search: Search, trials: Sequence[TrialRecord], stale: Sequence[int], n_left: int
) -> float | None:
    """Return about how many seconds the evaluation takes; None before a trial is complete.

    Baselines are fitted beside the networks, for the time of as many trials, within their limit.
    """
    settings, alive = search.study.evaluation, [trial for trial in trials if trial.number not in stale]
    costs = measure_costs(alive, settings, growth=find_growth(search), now=datetime.now(), n_left=n_left)
    if costs is None:
        return None
    complete = [t.seconds for t in trials if t.state == "complete" and t.seconds]
    baselines = settings.baseline_trials * sum(complete) / len(complete)
    return max(estimate_trainings(settings, costs), min(60 * settings.baseline_minutes, baselines))


def _find_stale(trials: Sequence[FrozenTrial], workers: Mapping[str, bool]) -> tuple[int, ...]:
    """Return running trials that no living worker trains."""
    return tuple(t.number for t in trials if t.state.name == "RUNNING" and is_abandoned(t, workers))


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
        "winner": outcome.winner,
        "handed_on": outcome.handed_on,
        "handed_on_test": None if test is None else {name: value for name, (value, _, _) in test.items()},
        "handed_on_test_intervals": None
        if test is None
        else {name: (low, high) for name, (_, low, high) in test.items()},
    }


OLD_OUTCOME = "More trials have completed since the last evaluation: its figures are not shown. Evaluate again."
