"""Default sampler and pruner, and seeds that follow from the study's seed and the trial's number."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState


def derive_seed(study_seed: int, trial: int, purpose: int = 0) -> int:
    """Return a 32-bit seed for a trial of a study; another purpose, another seed."""
    return int(np.random.SeedSequence([study_seed, trial, purpose]).generate_state(1)[0])


def make_default_sampler(seed: int) -> BaseSampler:
    """Return TPE (Bergstra et al. 2011; multivariate as in arXiv:2304.11127), joint in each branch of the space."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, group=True)


def make_default_pruner(n_epochs: int) -> BasePruner:
    """Return Hyperband (arXiv:1603.06560), factor 3, from three epochs up."""
    return optuna.pruners.HyperbandPruner(min_resource=min(3, n_epochs), max_resource=n_epochs, reduction_factor=3)


class SeededSampler(BaseSampler):
    """A sampler made anew for each trial, seeded by study and number.

    Resuming a search never repeats its trials, and a search of one worker, in packs of the same sizes, is the same
    each time. `fixed` parameters (a pack's structure) are not sampled.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make = make
        self.seed = seed
        self.fixed: Mapping[str, Any] = {}
        self._start(0)

    def _start(self, trial: int) -> None:
        sampler = self.make(derive_seed(self.seed, trial))
        if self.fixed:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                sampler = optuna.samplers.PartialFixedSampler(dict(self.fixed), sampler)
        self.sampler = sampler

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the trial's own sampler."""
        self._start(trial.number)
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Pass on."""
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Pass on."""
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Pass on."""
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Pass on."""
        self.sampler.after_trial(study, trial, state, values)
