"""A new search from an old one: another search space or other events, and all that may be kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from tuner.errors import SearchError
from tuner.progress.logs import quiet_optuna
from tuner.progress.wording import write_count
from tuner.run_folder import RunFolder, find_name_problem
from tuner.tuning.compatibility import find_differences
from tuner.tuning.earlier_searches import fit, fit_whole, rank_frozen
from tuner.tuning.search import Search, open_search
from tuner.tuning.study import Study
from tuner.tuning.sweep import start_search
from tuner.tuning.trial_attributes import (
    REASON,
    count_tries,
    enqueue_again,
    enqueue_warm_start,
    is_interrupted,
    is_of_one_trial,
    mark_as_interrupted,
    read_identity,
    read_setting,
)

KEPT_FILES = ("curves", "checkpoints", "trials", "artifacts", "packs.jsonl")
"""What lies in the run folder for each trial, by its number."""

NOT_IN_SPACE = "Its setting is not in the search space any more."
NOT_ENDED = "It had not ended when its search was forked."


@dataclass(frozen=True, kw_only=True)
class Fork:
    """A search that was made from another one."""

    search: Search
    """The new search."""
    kept: int
    """Trials that it has from the old one, with their figures."""
    left_out: int
    """Trials of the old search that came to a figure, and whose setting the new space does not have."""
    queued: int
    """Settings of the old search that the new one tries first."""
    differences: tuple[str, ...]
    """Why figures could not be kept; empty where they were."""

    @property
    def lines(self) -> tuple[str, ...]:
        """What was done, in sentences."""
        if self.differences:
            told = "Figures of the old search say nothing of the new one, as they differ: " + " ".join(self.differences)
            return told, f"{write_count(self.queued, 'setting')} of the old search will be tried first."
        kept = f"{write_count(self.kept, 'trial')} of the old search {'is' if self.kept == 1 else 'are'} kept."
        if not self.left_out:
            return (kept,)
        have = "1 has a setting" if self.left_out == 1 else f"{self.left_out} have settings"
        return kept, f"{have} that the search space does not have any more."


def fork(study: Study, *, name: str, folder: str | Path = "runs", storage: str | None = None, best: int = 10) -> Fork:
    """Make a new search of a study that has changed since its search began: a wider space, more events.

    Where events, their preparation, the figure of merit, epochs and seed are the same, every trial whose setting is
    still in the space keeps its number, figures and files. Where they are not, the best settings are tried first.

    Args:
        study: As it is now, under the name of the old search.
        name: Of the new search.
        folder: Where run folders live; the old search's and the new one's.
        storage: URL of a database in place of the run folders' journal files.
        best: Settings that are tried first where figures cannot be kept.

    Returns:
        The new search and what it has of the old one. Budget and seed are those of the old one's last call.

    Raises:
        SearchError: There is no old search, or the new name is taken.
        TunerError: The study does not hold.
    """
    old = open_search(study, folder, storage)
    new, run_folder = replace(old.study, name=name), RunFolder(Path(folder) / name)
    if run_folder.path.exists():
        raise SearchError(
            f'The new search must have a name of its own, but "{run_folder.path}" is there. Choose another.'
        )
    if storage is not None and name in optuna.get_all_study_names(old.optuna_study._storage):
        raise SearchError(
            f'The new search must have a name of its own, but the storage has a search "{name}" already, whose run '
            "folder is not here. Choose another."
        )
    trials = old.optuna_study.get_trials(deepcopy=False)
    told: dict[str, Any] = {}

    def fill(optuna_study: optuna.Study, identity: Mapping[str, Any]) -> None:
        differences = find_differences(read_identity(old.optuna_study) or {}, identity)
        if differences:
            told.update(kept=0, left_out=0, queued=_queue_best(new, optuna_study, trials, best))
        else:
            told.update(_copy_trials(new, optuna_study, trials), queued=0)
        told["differences"] = tuple(differences)

    try:
        with quiet_optuna():
            search, _ = start_search(new, run_folder, storage, fill=fill)
        if not told["differences"]:
            _copy_files(old.folder, run_folder)
    except BaseException:
        _remove(run_folder, old.optuna_study if storage is not None else None, name)
        raise
    return Fork(search=search, **told)


def _remove(folder: RunFolder, old: optuna.Study | None, name: str) -> None:
    """Remove what there is of a new search that could not be made; old: in whose storage it is, beside its folder."""
    if old is not None:
        with suppress(Exception):  # the error that led here is the one to tell
            optuna.delete_study(study_name=name, storage=old._storage)
    shutil.rmtree(folder.path, ignore_errors=True)


def _queue_best(study: Study, optuna_study: optuna.Study, trials: list[FrozenTrial], best: int) -> int:
    """Put the best settings that fit into the queue, and those of the space itself; return how many of the former."""
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    fitting = [params for params in fit(study.space, [t.params for t in rank_frozen(complete)]) if params][:best]
    for params in fitting:
        enqueue_warm_start(optuna_study, params)
    for own in study.space.warm_starts:
        if dict(own) not in fitting:
            enqueue_warm_start(optuna_study, own)
    return len(fitting)


def _copy_trials(study: Study, optuna_study: optuna.Study, trials: list[FrozenTrial]) -> dict[str, int]:
    """Add every trial under its old number, as failed where its setting is not in the space or it did not end.

    What waited goes on waiting; what was running is queued again, as after the death of its worker.
    """
    settings = [read_setting(trial) for trial in trials]
    fitting = fit_whole(study.space, [trial.params for trial in trials])
    given = fit(study.space, settings)
    kept = left_out = 0
    again = []
    for trial, distributions, setting in zip(trials, fitting, given, strict=True):
        has_figure = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        added = deepcopy(trial)
        added.system_attrs = {
            key: value
            for key, value in trial.system_attrs.items()
            if not is_of_one_trial(key) or key.startswith("artifacts:")
        }
        if has_figure and distributions is not None:
            added.distributions = distributions
            kept += 1
        elif has_figure:
            left_out += 1
            _make_failed(added, NOT_IN_SPACE)
        elif trial.state == TrialState.WAITING and setting is not None:
            added.system_attrs["fixed_params"] = setting
        elif trial.state == TrialState.WAITING:
            _make_failed(added, NOT_IN_SPACE)
        elif trial.state == TrialState.RUNNING and setting is not None:
            again.append((trial, setting))
            attributes = {**trial.user_attrs, **mark_as_interrupted(NOT_ENDED)}
            _make_failed(added, NOT_ENDED)
            added.user_attrs = attributes
        else:
            _make_failed(added, None)
        optuna_study.add_trial(added)
    for trial, setting in again:  # after all others, so that each keeps its number
        enqueue_again(optuna_study, setting, trial, tries=count_tries(trial))
    for own in study.space.warm_starts:
        if not any(own.items() <= params.items() for params in settings):
            enqueue_warm_start(optuna_study, own)
    return {"kept": kept, "left_out": left_out}


def _make_failed(trial: FrozenTrial, reason: str | None) -> None:
    """Turn a trial into one that failed, of which nothing but its number and its reason counts.

    reason: None: the one that it has.
    """
    if reason is not None or not is_interrupted(trial):
        trial.user_attrs = {REASON: reason or trial.user_attrs.get(REASON, NOT_ENDED)}
    trial.datetime_start = trial.datetime_start or trial.datetime_complete or datetime.now()
    trial.datetime_complete = trial.datetime_complete or trial.datetime_start
    trial.state, trial.values, trial.params, trial.distributions = TrialState.FAIL, None, {}, {}
    trial.intermediate_values = {}


def _copy_files(old: RunFolder, new: RunFolder) -> None:
    """Copy what belongs to single trials, but for the states of unfinished ones."""
    for name in KEPT_FILES:
        source = old.path / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("*.resume.pt*")
            shutil.copytree(source, new.path / name, dirs_exist_ok=True, ignore=ignored)
        elif source.exists():
            shutil.copy2(source, new.path / name)


def plan_fork_file(study_file: Path, name: str) -> tuple[Path, str]:
    """Return path and text of a study file beside another one, whose study it takes under a new name.

    Raise `SearchError` where there is a file of this name.
    """
    if problem := find_name_problem(name):
        raise SearchError(f"--name: {problem}")
    path = study_file.with_name(f"{name}.py")
    if path.exists():
        raise SearchError(f'The new study needs a file of its own, but "{path}" is there. Choose another --name.')
    return path, (
        '"""The study of another file under a name of its own: the search that was forked from it goes on here."""\n\n'
        "from dataclasses import replace\nfrom pathlib import Path\n\nfrom tuner import load_study\n\n"
        f"study = replace(load_study(Path(__file__).with_name({study_file.name!r})), name={name!r})\n"
    )
