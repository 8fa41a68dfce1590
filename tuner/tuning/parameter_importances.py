"""How much each parameter of a search space matters for the value of a trial."""

from __future__ import annotations

import warnings

import numpy as np
import optuna

from tuner.tuning.search import Search

MIN_COMPLETE = 10
"""Complete trials below which importances would be noise."""


def measure_parameter_importances(search: Search) -> dict[str, float]:
    """Return each parameter's importance by PED-ANOVA, largest first; empty where fewer than ten are complete."""
    if sum(trial.state == "complete" for trial in search.trials) < MIN_COMPLETE:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that parameters of few trials are told less well
        try:
            found = optuna.importance.get_param_importances(search.optuna_study)
        except (ValueError, RuntimeError):  # all values are equal, or no parameter is common to the trials
            return {}
    return {name: share for name, share in found.items() if np.isfinite(share)}
