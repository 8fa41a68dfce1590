"""TPE that is fitted once for all trials of a pack: each draws from the same densities, with a seed of its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.search_space.group_decomposed import _SearchSpaceGroup
from optuna.trial import FrozenTrial, TrialState

MAX_HISTORY = 1000
"""Trials of lower rank that the densities are fitted on: a random sample of them where there are more."""


@dataclass(frozen=True)
class _Fit:
    """What a batch draws from."""

    n_finished: int
    spaces: _SearchSpaceGroup
    """Parameters that are drawn jointly: those that the same trials have."""
    below: Sequence[FrozenTrial]
    above: Sequence[FrozenTrial]
    densities: dict[tuple[Any, ...], tuple[_ParzenEstimator, _ParzenEstimator]] = field(default_factory=dict)
    """Of the best trials and of the others, by the parameters and their ranges, as far as they were needed."""


class BatchedTPESampler(TPESampler):
    """Optuna's TPE, joint in each branch of the space, with one fit for the trials of a batch.

    The first trial of a batch draws what Optuna's sampler draws. Those for which `keep_fit` is called draw from the
    same densities, which do not know of the first. A fit takes all of the best trials, and of the others a random
    sample of `MAX_HISTORY`.
    """

    def __init__(self, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(seed=seed, group=True)
        self._fit: _Fit | None = None
        self._keeps_fit = False

    def keep_fit(self) -> None:
        """Let the next trial draw from what the last one drew from."""
        self._keeps_fit = True

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Begin a trial, with a fit of its own where no other was asked for."""
        if not self._keeps_fit:
            self._fit = None
        self._keeps_fit = False
        super().before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters that are drawn jointly with others."""
        self._search_space_group = self._find_fit(study, trial).spaces
        spaces = self._search_space_group.search_spaces
        return {n: space[n] for space in spaces for n in sorted(space) if not space[n].single()}

    def _sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        is_random = self._find_fit(study, trial).n_finished < self._n_startup_trials
        return {} if is_random or not search_space else self._sample(study, trial, search_space)

    def _sample(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        fit, key = self._find_fit(study, trial), tuple(search_space.items())
        if key not in fit.densities:
            fit.densities[key] = (
                self._build_parzen_estimator(study, search_space, list(fit.below), handle_below=True),
                self._build_parzen_estimator(study, search_space, list(fit.above), handle_below=False),
            )
        below, above = fit.densities[key]
        drawn = below.sample(self._rng.rng, self._n_ei_candidates)
        best: Mapping[str, Any] = self._compare(drawn, self._compute_acquisition_func(drawn, below, above))
        return {name: kind.to_external_repr(best[name]) for name, kind in search_space.items()}

    def _find_fit(self, study: optuna.Study, trial: FrozenTrial) -> _Fit:
        if self._fit is None:
            states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
            known = study._get_trials(deepcopy=False, states=states, use_cache=False)
            trials = [other for other in known if other.number != trial.number]
            finished = [other for other in trials if other.state != TrialState.RUNNING]
            below, above = _split_trials(study, trials, default_gamma(len(finished)))
            self._fit = _Fit(len(finished), _decompose(finished), below, self._limit(above))
        return self._fit

    def _limit(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return a random sample, in the same order: TPE gives the last ones more weight."""
        if len(trials) <= MAX_HISTORY:
            return trials
        chosen = self._rng.rng.choice(len(trials), MAX_HISTORY, replace=False)
        return [trials[index] for index in sorted(chosen)]


def _decompose(trials: Sequence[FrozenTrial]) -> _SearchSpaceGroup:
    """Return which parameters come together; trials with the parameters of an earlier one change nothing."""
    first: dict[frozenset[str], dict[str, BaseDistribution]] = {}
    for trial in trials:
        first.setdefault(frozenset(trial.distributions), trial.distributions)
    spaces = _SearchSpaceGroup()
    for distributions in first.values():
        spaces.add_distributions(distributions)
    return spaces
