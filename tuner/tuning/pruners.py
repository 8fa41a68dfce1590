"""The default pruner, and the pruner that a study names."""

from __future__ import annotations

from copy import copy

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from tuner.errors import StudyError
from tuner.tuning.samplers import build
from tuner.tuning.study import Study
from tuner.tuning.trial_attributes import find_root

FIRST_RUNG = 3
"""Epochs before the first decision: a network's first two say little of it."""


def make_default_pruner(n_epochs: int) -> BasePruner:
    """Return Hyperband (arXiv:1603.06560) with a reduction factor of 3.

    Args:
        n_epochs: The most epochs a trial may train, at least 1.
    """
    return _Hyperband(min_resource=min(FIRST_RUNG, n_epochs), max_resource=n_epochs, reduction_factor=3)


class _Hyperband(optuna.pruners.HyperbandPruner):
    """Hyperband whose trials stay in their bracket: one that goes on with another is of the same."""

    def _get_bracket_id(self, study: optuna.Study, trial: FrozenTrial) -> int:
        if (root := find_root(trial)) != trial.number:
            trial = copy(trial)
            trial.number = root
        return super()._get_bracket_id(study, trial)


def make_pruner(study: Study) -> BasePruner:
    """Return the pruner of a study.

    Raises:
        StudyError: What the study gives is no pruner of Optuna's, and makes none.
    """
    made = build("pruner", study.pruner or make_default_pruner, study.budget.epochs, {})
    if not isinstance(made, BasePruner):
        raise StudyError(f"`pruner` must make Optuna's pruner, but made {type(made).__name__}.")
    return made
