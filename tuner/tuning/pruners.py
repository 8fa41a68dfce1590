"""The default pruner, and the pruner that a study names."""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner

from tuner.errors import StudyError
from tuner.tuning.samplers import build
from tuner.tuning.study import Study

FIRST_RUNG = 3
"""Epochs before the first decision: a network's first two say little of it."""


def make_default_pruner(n_epochs: int) -> BasePruner:
    """Return Hyperband (arXiv:1603.06560) with a reduction factor of 3.

    Args:
        n_epochs: The most epochs a trial may train, at least 1.
    """
    return optuna.pruners.HyperbandPruner(
        min_resource=min(FIRST_RUNG, n_epochs), max_resource=n_epochs, reduction_factor=3
    )


def make_pruner(study: Study) -> BasePruner:
    """Return the pruner of a study.

    Raises:
        StudyError: What the study gives is no pruner of Optuna's, and makes none.
    """
    made = build("pruner", study.pruner or make_default_pruner, study.budget.epochs, {})
    if not isinstance(made, BasePruner):
        raise StudyError(f"`pruner` must make Optuna's pruner, but made {type(made).__name__}.")
    return made
