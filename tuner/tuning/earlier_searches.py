"""Settings of other searches that a new one begins with."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from tuner.errors import SearchError, suggest_name
from tuner.progress.wording import write_count
from tuner.tuning.compatibility import contains
from tuner.tuning.storage import open_storage
from tuner.tuning.study import EarlierSearch, SearchSpace, Study
from tuner.tuning.trial_attributes import read_figure, refuse_older

logger = logging.getLogger("tuner")


def find_earlier_settings(study: Study) -> list[dict[str, Any]]:
    """Return the settings that a study takes from other searches, the best of each first, each setting once.

    Raise `SearchError` where one of these searches is not there.
    """
    found: list[dict[str, Any]] = []
    for earlier in study.earlier_searches:
        complete = [t for t in open_earlier(earlier).get_trials(deepcopy=False) if t.state.name == "COMPLETE"]
        fitting = [
            params for params in fit(study.space, [t.params for t in rank_frozen(complete)]) if params is not None
        ]
        taken = fitting[: earlier.best]
        if not taken:
            logger.warning(
                'No setting of the earlier search in "%s" is taken: of %s none fits the search space.',
                earlier.path,
                write_count(len(complete), "complete trial"),
            )
        found += [params for params in taken if params not in found]
    return found


def open_earlier(earlier: EarlierSearch) -> optuna.Study:
    """Return the Optuna study of an earlier search. Raise `SearchError` where there is none."""
    path, journal = earlier.path, earlier.path / "journal.log"
    missing = f'`warm_start_from` must name run folders of earlier searches, but "{path}" holds none.'
    if earlier.storage is None and not journal.exists():
        beside = [str(p.parent) for p in path.parent.glob("*/journal.log")]
        raise SearchError(f"{missing}{suggest_name(path, beside)}")
    try:
        found = optuna.load_study(study_name=path.resolve().name, storage=open_storage(journal, earlier.storage))
    except KeyError as error:
        raise SearchError(missing) from error
    refuse_older(found)
    return found


def rank_frozen(complete: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return complete trials by their figure of merit on validation, the best first."""

    def figure(trial: FrozenTrial) -> float:
        measured = read_figure(trial)
        return (trial.value or 0.0) if measured is None else measured

    return sorted(complete, key=figure, reverse=True)


def fit(space: SearchSpace, settings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
    """Return each setting as far as a search space samples it; None for one whose values it does not have.

    A parameter that the space samples no more is left out; one that it samples in addition is for the sampler to draw.
    """
    fitted: list[dict[str, Any] | None] = []
    for params, distributions in zip(settings, probe_settings(space, settings), strict=True):
        kept = {name: value for name, value in params.items() if name in (distributions or {})}
        fitted.append(kept if kept and distributions and _are_contained(kept, distributions) else None)
    return fitted


def fit_whole(space: SearchSpace, settings: Sequence[Mapping[str, Any]]) -> list[dict[str, BaseDistribution] | None]:
    """Return the distributions with which a space samples each setting; None where it does not sample just that one."""
    return [
        found if found is not None and found.keys() == params.keys() and _are_contained(params, found) else None
        for params, found in zip(settings, probe_settings(space, settings), strict=True)
    ]


def _are_contained(params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]) -> bool:
    return all(contains(distributions[name], value) for name, value in params.items())


def probe_settings(
    space: SearchSpace, settings: Sequence[Mapping[str, Any]]
) -> list[dict[str, BaseDistribution] | None]:
    """Return what a search space samples where it is given each of these settings; None where it raises."""
    probe = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: list[dict[str, BaseDistribution] | None] = []
    for params in settings:
        probe.enqueue_trial(dict(params))
        trial = probe.ask()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a value out of range is looked at by the caller
                space(trial)
        except Exception:  # a search space may raise anything
            found.append(None)
        else:
            found.append(dict(trial.distributions))
    return found
