"""Asking for trials: within the budget, with a pack's structure, never twice the same."""

from __future__ import annotations

import fnmatch
import logging
import re
import time
from collections.abc import Hashable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import optuna
from filelock import FileLock
from optuna.trial import Trial, TrialState

from tuner.errors import SearchError, describe_failure
from tuner.training.settings import Settings
from tuner.training.structure import find_structure
from tuner.tuning.failures import MAX_SAME
from tuner.tuning.grouped_writes import write_together
from tuner.tuning.heartbeats import reap_trials
from tuner.tuning.improvement import ImprovementWatch
from tuner.tuning.patient_storage import read_once
from tuner.tuning.ranking import count_sampled
from tuner.tuning.samplers import SeededSampler, derive_seed, describe_sampler
from tuner.tuning.search import Search
from tuner.tuning.trial_attributes import (
    Failure,
    claim,
    count_tries,
    find_root,
    is_interrupted,
    is_suspect,
    read_failure,
    read_reason,
    write_reason,
    write_stopped,
    write_stopped_improbable,
    write_stopped_in_vain,
)

logger = logging.getLogger("tuner")

LOOK_TRIALS = 5
"""Trials between two looks at what those that are left would gain."""

MIN_SAMPLED = 30
"""Sampled settings that a search tries at the least before it ends for want of a gain: of one that draws settings as
good as a single warm start, 1 in 31 would."""


MAX_IN_VAIN = 10
"""Trials that fail before a search ends of which none came to anything; `MAX_SAME` where all fail by the same error."""


@dataclass(frozen=True)
class Asked:
    """A trial that waits to be trained."""

    trial: Trial
    settings: Settings
    structure: Hashable
    seed: int
    resumes: int
    """Number of the trial that it goes on with; its own where it is a new one."""
    is_suspect: bool = False
    """Whether it is to train alone, as workers died that trained its setting."""
    tries: int = 0
    """How often its setting alone was too large for the memory."""


class Asker:
    """Asks Optuna for trials on behalf of one worker."""

    def __init__(self, search: Search, sampler: SeededSampler, worker: str, *, halfway: float | None = None) -> None:
        """Begin to ask. halfway: when half of the worker's time is over, in Unix time; None where it has no end."""
        self.search = search
        self.study = search.study
        self.optuna_study = search.optuna_study
        self.sampler = sampler
        self.worker = worker
        self.halfway = halfway
        self.optuna_study.sampler = sampler
        self.lock = FileLock(search.folder.lock)
        self.n_before = len(self.optuna_study.get_trials(deepcopy=False))
        """Trials that were there when this worker began: their failures are no matter now."""
        self._improvement = ImprovementWatch(search)
        self._next_look = 0

    def ask(self, fixed: Mapping[str, Any] | None = None) -> Asked | None:
        """Return a trial with the `fixed` parameters, or None where the budget is spent.

        An enqueued setting comes first and keeps its own structure. A setting that cannot be built is told as
        failed and the next is asked for; `SearchError` where too many fail.
        """
        while True:
            with self.lock if self.sampler.draws_at_once else nullcontext():
                trial = self._ask_within_budget(fixed)
                if trial is None:
                    return None
                try:
                    with write_together(self.optuna_study):
                        settings = self.study.space(trial)
                    structure = find_structure(settings)
                except Exception as error:  # a search space may raise anything
                    self._tell_failed(trial, error)
                    continue
            resumes = find_root(trial)
            seed = derive_seed(self.study.seed, resumes, purpose=1)
            return Asked(trial, settings, structure, seed, resumes, is_suspect(trial), count_tries(trial))

    def fix_structure(self, trial: Trial) -> dict[str, Any]:
        """Return the structure parameters of a trial; none where the sampler must not have any fixed."""
        patterns = self.study.space.structure if self.sampler.can_fix else ()
        return {n: v for n, v in trial.params.items() if any(fnmatch.fnmatchcase(n, p) for p in patterns)}

    def _ask_within_budget(self, fixed: Mapping[str, Any] | None) -> Trial | None:
        with self.lock, read_once(self.optuna_study):
            reap_trials(self.optuna_study, self.lock)
            trials = self.optuna_study.get_trials(deepcopy=False)
            states = [t.state for t in trials]
            n_good = states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED)
            check_failures(trials[self.n_before :], self.study.budget.trials)
            if n_good + states.count(TrialState.RUNNING) >= self.study.budget.trials:
                return None
            if self.search.has_reached_target:
                return None
            if TrialState.WAITING not in states and (
                self._has_stopped() or self._stops_in_vain(n_good) or self._stops_as_improbable(len(states), n_good)
            ):
                return None
            trial = self.sampler.ask(self.optuna_study, fixed)
            claim(trial, self.worker)
            return trial

    def _has_stopped(self) -> bool:
        """Return whether the sampler has nothing more to try, and let later calls of the sweep know."""
        if not self.sampler.is_exhausted(self.optuna_study):
            return False
        if not self.search.has_stopped:
            write_stopped(self.optuna_study, describe_sampler(self.sampler.sampler))
            logger.warning("The sampler has tried every setting that it can suggest: the search ends here.")
        return True

    def _stops_in_vain(self, n_finished: int) -> bool:
        """Return whether the search ends early for want of a gain over its warm starts, and let later calls know.

        n_finished: trials that completed or were pruned.
        """
        budget = self.study.budget
        is_half_spent = 2 * n_finished >= budget.trials or (self.halfway is not None and time.time() >= self.halfway)
        if not (budget.stop_in_vain and is_half_spent and n_finished >= MIN_SAMPLED):
            return False
        best = self.search.best_trial
        if best is None or not best.warm_start or count_sampled(self.search.trials) < MIN_SAMPLED:
            return False
        if not self.search.has_stopped_in_vain:
            write_stopped_in_vain(self.optuna_study, budget.trials)
        return True

    def _stops_as_improbable(self, n_trials: int, n_finished: int) -> bool:
        """Return whether the search ends early as more trials would gain less than the noise; let later calls know.

        It is looked into each time that so many trials more have begun as an estimate tells apart.
        """
        budget = self.study.budget
        if not budget.stop_when_improbable:
            return False
        if self.search.has_stopped:
            return True
        if n_trials < self._next_look:
            return False
        self._next_look = n_trials + LOOK_TRIALS
        found = self._improvement.find_gain(self.search.trials, budget.trials - n_finished)
        if found is not None:
            write_stopped_improbable(self.optuna_study, budget.trials, *found)
        return found is not None

    def _tell_failed(self, trial: Trial, error: Exception) -> None:
        reason = describe_failure(error)
        write_reason(self.optuna_study, trial, reason, Failure.CODE)
        logger.warning("Trial %d failed: %s", trial.number, reason)
        self.optuna_study.tell(trial, state=TrialState.FAIL)


def check_failures(trials: Sequence[optuna.trial.FrozenTrial], budget: int) -> None:
    """Check that not so many trials failed, or failed the same way, that the search is not worth going on with.

    Args:
        trials: Those that count.
        budget: Trials of the whole search.

    Raises:
        SearchError: As many failed as the budget has trials; or, where none came to anything, 10, or 3 of an error in
            the code that is the same for all.
    """
    failed = [t for t in trials if t.state == TrialState.FAIL and not is_interrupted(t)]
    n_good = sum(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials)
    most = budget if n_good else min(MAX_SAME if _fail_the_same_way(failed) else MAX_IN_VAIN, budget)
    if failed and len(failed) >= most:
        raise SearchError(
            f"{len(failed)} trials failed and {n_good} did not; the search stops. The last reason: "
            f"{read_reason(failed[-1]) or 'unknown'} Fix it, then rerun the same command to resume."
        )


def _fail_the_same_way(failed: Sequence[optuna.trial.FrozenTrial]) -> bool:
    """Whether all failed by an error in the code that reads the same but for its numbers."""
    ways = {
        re.sub(r"[-+.\deE]*\d", "", read_reason(t) or "") if read_failure(t) == Failure.CODE else None for t in failed
    }
    return len(ways) == 1 and None not in ways
