"""Whether a search may go on with this study: what must be the same, and what to do where it is not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)

from tuner.errors import SearchError, StudyError, raise_together, suggest_name
from tuner.tune.study import Study

IDENTITY = "tuner:identity"

N_PROBES = 60
"""Settings that are drawn to see the distributions of a space, its branches included."""


def identify(study: Study, events_digest: str) -> dict[str, Any]:
    """Return what all calls of one search must share."""
    problem = study.problem
    identity = {
        "events": events_digest,
        "label": problem.label,
        "signal": str(problem.signal),
        "figure of merit": repr(problem.figure_of_merit),
        "preparation": asdict(study.preparation),
        "epochs": study.budget.epochs,
        "seed": study.seed,
    }
    return dict(json.loads(json.dumps(identity)))


def check_resumption(optuna_study: optuna.Study, study: Study, identity: dict[str, Any]) -> None:
    """Raise `SearchError` that tells everything in which the study differs from its search so far."""
    before = optuna_study.user_attrs.get(IDENTITY, identity)
    problems = [
        f"{name}: was {before.get(name)!r}, is {value!r}."
        for name, value in identity.items()
        if before.get(name) != value
    ]
    problems += find_changed_parameters(optuna_study, study)
    if problems:
        problems.append(
            "To go on with the old search, put these back; to start a new one, give the study another `name` "
            "or choose another --folder."
        )
        raise_together(problems, SearchError, f'Study "{study.name}" is not the one that its trials were made with; it')


def find_changed_parameters(optuna_study: optuna.Study, study: Study) -> list[str]:
    """Return a sentence for each parameter whose distribution Optuna cannot continue. Ranges of floats may change."""
    old: dict[str, BaseDistribution] = {}
    for trial in optuna_study.get_trials(deepcopy=False):
        old |= trial.distributions
    if not old:
        return []
    problems = []
    for name, new in sorted(probe_space(study).items()):
        if name not in old:
            continue
        try:
            check_distribution_compatibility(old[name], new)
        except ValueError:
            problems.append(f'search space: parameter "{name}" was {old[name]}, is {new}.')
    return problems


def probe_space(study: Study) -> dict[str, BaseDistribution]:
    """Return the distributions that a search space uses, found by drawing settings at random.

    Raise `StudyError` where the space raises for most settings, returns something else than `Settings`, or cannot
    give what a warm start asks for. A trial for which it raises now and then fails alone.
    """
    from tuner.train.settings import Settings

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    seen: dict[str, BaseDistribution] = {}
    n_raised = 0
    for _ in range(N_PROBES):
        trial = probe.ask()
        try:
            settings = study.space(trial)
        except Exception as error:
            n_raised += 1
            if n_raised > N_PROBES / 2:
                raise StudyError(
                    f"The search space must return settings for a trial, but raised {type(error).__name__}: {error} "
                    f"for {trial.params}."
                ) from error
            continue
        if not isinstance(settings, Settings):
            raise StudyError(
                "A search space must return `tuner.Settings(network=..., training=...)`, "
                f"but returned {type(settings).__name__}: {settings!r}."
            )
        seen |= trial.distributions
        probe.tell(trial, state=optuna.trial.TrialState.FAIL)
    raise_together(_find_wrong_warm_starts(study, seen), StudyError, "The search space")
    return seen


def _find_wrong_warm_starts(study: Study, distributions: dict[str, BaseDistribution]) -> list[str]:
    """Return a sentence for each value of a warm start that the space would not sample."""
    problems = []
    for number, params in enumerate(study.space.warm_starts, 1):
        for name, value in params.items():
            distribution = distributions.get(name)
            if distribution is None:
                near = suggest_name(name, distributions)
                problems.append(f'Warm start {number} names a parameter "{name}" that the space does not have.{near}')
            elif not _contains(distribution, value):
                problems.append(f'Warm start {number} gives "{name}" the value {value!r}, not one of {distribution}.')
    return problems


def _contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a distribution can give a value."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(distribution, FloatDistribution | IntDistribution):
        return isinstance(value, int | float) and distribution.low <= value <= distribution.high
    return True
