"""Whether a search may go on with this study: what must be the same, and what to do where it is not."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)

from tuner.errors import SearchError, SplitsError, StudyError, TunerError, raise_together, suggest_name
from tuner.preparation.settings import describe_preparation
from tuner.preparation.splits import Splits
from tuner.problem import write_formula
from tuner.progress.wording import write_count
from tuner.training.settings import Settings
from tuner.tuning.contents import agree, describe_contents, differ_in_code
from tuner.tuning.prepared_run import tell_changed_events
from tuner.tuning.pruners import make_pruner
from tuner.tuning.samplers import make_sampler
from tuner.tuning.study import Study
from tuner.tuning.trial_attributes import read_identity

RESERVED, RESERVED_BEGIN = ("tuner", "_wandb"), ("tuner:", "tuner.")
"""Names, and beginnings of names, that no parameter may have."""

MAX_PARAMETERS = 5
"""Changed parameters of a search space that a message names."""

N_PROBES = 60
"""Settings that are drawn to see the distributions of a space, its branches included."""


@dataclass(frozen=True)
class Probe:
    """What drawing settings from a search space shows of it."""

    distributions: dict[str, BaseDistribution]
    """Distribution of each parameter, by name."""
    least_batch: int
    """Smallest batch size that was drawn."""


def identify(
    study: Study, events_digest: str, probe: Probe, *, parts: str = "", n_events: int = 0, features: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what all calls of one search must share, as JSON has it.

    Args:
        study: The study.
        events_digest: SHA-256 of its events.
        probe: What its search space samples.
        parts: SHA-256 of which events are in which part.
        n_events: Number of the events, so that a message can tell how they differ.
        features: Names of their features, likewise.
    """
    problem = study.problem
    identity = {
        "selection": problem.selection or "",
        "new columns": {name: write_formula(formula) for name, formula in problem.columns.items()},
        "events": events_digest,
        "label": problem.label,
        "signal": str(problem.signal),
        "event id": problem.event_id,
        "figure of merit": describe_contents(problem.figure_of_merit),
        "categories": sorted(problem.categories),
        "preparation": describe_preparation(study.preparation),
        "parts": parts,
        "contents": {"n": n_events, "features": [*features]},
        "epochs": study.budget.epochs,
        "seed": study.seed,
        "parameters": sorted(probe.distributions),
    }
    return dict(json.loads(json.dumps(identity)))


_EXPRESSIONS = {"selection": "", "new columns": {}}
"""What events follow from, told where they differ; the same events may be selected in other words."""
_CAUSES = ("events", "event id", "preparation")
"""What parts follow from, beside the values of columns that events are split by."""


def check_resumption(optuna_study: optuna.Study, identity: dict[str, Any], probe: Probe) -> None:
    """Check that a study may resume its search.

    Args:
        optuna_study: The search so far; anything may resume one that has not begun.
        identity: What all calls must share, of this call; see `identify`.
        probe: What the study's search space samples now.

    Raises:
        SearchError: The two differ; it names everything in which they do.
    """
    before = read_identity(optuna_study) or identity
    problems = find_differences(before, identity)
    was, now = before.get("parameters"), identity["parameters"]
    changed = [] if was is None else [f'search space: parameter "{p}" is new.' for p in now if p not in was]
    changed += [f'search space: parameter "{p}" is gone.' for p in was or () if p not in now]
    problems += _shorten(changed + find_changed_parameters(optuna_study, probe))
    if problems:
        told = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, 1))
        raise SearchError(
            f'Study "{optuna_study.study_name}" must be the one that its trials were made with, but differs:\n{told}\n'
            "To go on with the old search, put this back (--events names the place of the old events). To take what it "
            "found into a new search, `tuner fork STUDY --name NEW`. To start from nothing, give the study another "
            "`name` or choose another --folder."
        )


def find_differences(before: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each thing in which two searches differ, but for what their spaces sample.

    Where there is one, figures of the one say nothing of the other.

    Args:
        before: What all calls of the one share; see `identify`.
        identity: The same of the other.
    """
    before = _EXPRESSIONS | dict(before)
    problems: list[str] = []
    for name, value in identity.items():
        was = before.get(name)
        if name in _EXPRESSIONS and before.get("events") == identity["events"]:
            continue
        if name in ("contents", "parameters"):
            continue  # the former are told with the events
        if name == "events" and was != value:
            problems.append(tell_changed_events(before.get("contents") or {}, identity.get("contents") or {}))
            continue
        if name == "parts" and any(before.get(cause) != identity[cause] for cause in _CAUSES):
            continue  # what changed them is told
        if isinstance(was, str) and differ_in_code(was, str(value)):
            problems.append(f"{name}: its code has changed.")
        elif was != value and not (isinstance(was, str) and agree(was, str(value))):
            problems.append(f"{name}: was {was!r}, is {value!r}.")
    return problems


def _shorten(changed: list[str]) -> list[str]:
    """Return sentences on parameters, the first `MAX_PARAMETERS` and how many there are besides."""
    n_more = len(changed) - MAX_PARAMETERS
    more = [f"search space: {write_count(n_more, 'other parameter')} differ{'s' if n_more == 1 else ''}, too."]
    return changed[:MAX_PARAMETERS] + (more if n_more > 0 else [])


def find_changed_parameters(optuna_study: optuna.Study, probe: Probe) -> list[str]:
    """Return a sentence for each parameter whose distribution Optuna cannot continue. Ranges of floats may change."""
    old: dict[str, BaseDistribution] = {}
    for trial in optuna_study.get_trials(deepcopy=False):
        old |= trial.distributions
    if not old:
        return []
    problems = []
    for name, new in sorted(probe.distributions.items()):
        if name not in old:
            continue
        try:
            check_distribution_compatibility(old[name], new)
        except ValueError:
            was, now = _describe_distribution(old[name]), _describe_distribution(new)
            problems.append(f'search space: parameter "{name}" was {was}, is {now}.')
    return problems


def _describe_distribution(distribution: BaseDistribution) -> str:
    """Return what a parameter may be, in words: one of 32, 64; 0.0001 to 0.1 by logarithm."""
    if isinstance(distribution, CategoricalDistribution):
        return f"one of {', '.join(map(str, distribution.choices))}"
    if not isinstance(distribution, IntDistribution | FloatDistribution):
        return str(distribution)
    kind = "a whole number from " if isinstance(distribution, IntDistribution) else "a number from "
    step = "" if distribution.step in (None, 1) else f" in steps of {distribution.step:g}"
    how = " by logarithm" if distribution.log else ""
    return f"{kind}{distribution.low:g} to {distribution.high:g}{step}{how}"


def probe_space(study: Study) -> Probe:
    """Draw settings at random, and the warm starts, to see what a search space samples.

    Raise `StudyError` where the space raises for most settings, returns something else than `Settings`, or cannot
    give what a warm start asks for. A trial for which it raises now and then fails alone.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    warm_starts = study.space.warm_starts
    for params in warm_starts:
        probe.enqueue_trial(dict(params))
    make_sampler(study, study.seed)
    make_pruner(study)
    seen: dict[str, BaseDistribution] = {}
    batch_sizes, n_raised, problems = [], 0, []
    for number in range(len(warm_starts) + N_PROBES):
        trial = probe.ask()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a value out of range is told below
                settings = study.space(trial)
        except Exception as error:
            n_raised += 1
            if n_raised > N_PROBES / 2:
                if isinstance(error, TunerError):
                    raise StudyError(f"The search space fails for {trial.params}. {error}") from error
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
        batch_sizes.append(settings.training.batch_size)
        seen |= trial.distributions
        problems += [_tell_reserved(n) for n in trial.distributions if n in RESERVED or n.startswith(RESERVED_BEGIN)]
        if number < len(warm_starts):
            problems += _find_wrong_values(number + 1, warm_starts[number], trial.distributions)
    raise_together(list(dict.fromkeys(problems)), StudyError, "The search space")
    return Probe(seen, min(batch_sizes))


def _tell_reserved(name: str) -> str:
    return f'A parameter must not have the name "{name}", which trackers keep for their own. Choose another name.'


def _find_wrong_values(
    number: int, params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> list[str]:
    """Return a sentence for each value of a warm start that the space does not sample."""
    problems = []
    for name, value in params.items():
        distribution = distributions.get(name)
        if distribution is None:
            near = suggest_name(name, distributions)
            problems.append(f'Warm start {number} names a parameter "{name}" that the space does not sample.{near}')
        elif not contains(distribution, value):
            problems.append(f'Warm start {number} gives "{name}" the value {value!r}, not one of {distribution}.')
    return problems


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a distribution can give a value."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if isinstance(distribution, IntDistribution) and value != int(value):
        return False
    return distribution._contains(distribution.to_internal_repr(value))


def check_batches(splits: Splits, probe: Probe) -> None:
    """Check that the train part holds a batch.

    Args:
        splits: The prepared parts.
        probe: What the search space samples, batch sizes among it.

    Raises:
        SplitsError: It is smaller than the smallest batch.
    """
    n_train = len(splits.train.labels)
    if n_train < probe.least_batch:
        raise SplitsError(
            f"The train part must hold at least one batch, but has {n_train} events where the smallest `batch_size` "
            f"of the search space is {probe.least_batch}. Use more events or smaller batches."
        )
