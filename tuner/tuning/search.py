"""The product of steps 5 and 6: a study's trials, its winner, and the folder they lie in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.checked_files import expect_form, read_csv, read_json, warn_once
from tuner.errors import DamagedFileError, SearchError, SplitsError
from tuner.run_folder import RunFolder
from tuner.tuning.heartbeats import find_workers
from tuner.tuning.ownership import check_owner
from tuner.tuning.ranking import rank_trials
from tuner.tuning.storage import open_storage
from tuner.tuning.study import Study
from tuner.tuning.study_file import load_study
from tuner.tuning.trained_network import TrainedNetwork
from tuner.tuning.trial_attributes import (
    Failure,
    is_interrupted,
    is_warm_start,
    read_best_epoch,
    read_budget,
    read_epochs,
    read_failure,
    read_figure,
    read_n_parameters,
    read_reason,
    read_search_id,
    read_stopped,
    read_stopped_improbable,
    read_stopped_in_vain,
    refuse_older,
)

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from tuner.preparation.kept_events import KeptEvents
    from tuner.preparation.splits import Splits
    from tuner.trackers.base import Tracker
    from tuner.training.settings import Settings
    from tuner.tuning.call_end import CallEnd

PROVENANCE_ADVICE = (
    "Restore it from a copy; or delete it and rerun `tuner sweep` with the seed and the budget that it had."
)
"""What to do about a `provenance.json` that is damaged."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial, as it stands in the storage."""

    number: int
    state: str
    """complete, pruned, failed, interrupted (goes on in a later trial), running or waiting."""
    params: Mapping[str, Any]
    distributions: Mapping[str, Any]
    """Optuna's distribution of each parameter: range, log or not, choices."""
    value: float | None
    """Best weighted validation AUC so far."""
    figure: float | None
    """The problem's figure of merit on validation, at the best epoch."""
    best_epoch: int | None
    epochs: int
    """Epochs trained."""
    reason: str | None
    """Why it ended."""
    failure: Failure | None = None
    """What went wrong, where it failed or was interrupted; None where nothing did, or nobody knows."""
    n_parameters: int | None
    """Parameters of its network."""
    started: datetime | None
    finished: datetime | None
    warm_start: bool
    """Whether its setting was given by the search space and not sampled."""

    @property
    def seconds(self) -> float | None:
        """Wall time, shared with the other members of its pack."""
        if self.started is None or self.finished is None:
            return None
        return (self.finished - self.started).total_seconds()


@dataclass(frozen=True, repr=False)
class Search:
    """A study, its run folder, and what its storage holds at this moment."""

    study: Study
    folder: RunFolder
    storage_url: str | None = None
    study_file: Path | None = None
    """File that other processes can read the study from; None where there is none."""
    tracker: Tracker | None = None
    """Where the sweep that returned this sent its numbers; None where none was given, or nobody swept here."""
    opened: optuna.Study | None = field(default=None, compare=False)
    """The Optuna study where it is open already: a large journal takes seconds to read."""
    frozen: tuple[TrialRecord, ...] | None = field(default=None, repr=False, compare=False)
    """The trials where they are to stay what they were at a moment; None where they are read anew each time."""
    call_end: CallEnd | None = field(default=None, repr=False, compare=False)
    """When the call of the sweep that returned this is to end, judgement included; None where it has no limit."""

    def __reduce__(self) -> tuple[Callable[..., Search], tuple[Path, Path, str | None]]:
        """Send another process what it opens the search from. Raise `SearchError` where no file holds the study."""
        if self.study_file is None:
            raise SearchError(
                f'For another process, study "{self.study.name}" must be in a file, but it is in none. Write it as '
                "`study` into a module of its own."
            )
        return _open_again, (self.study_file, self.folder.path.parent, self.storage_url)

    def __repr__(self) -> str:
        """Return the study, its trials by state and the best, on one line."""
        from tuner.tuning.search_card import describe_search

        return describe_search(self)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from tuner.tuning.search_card import write_search_card

        return write_search_card(self)

    @cached_property
    def optuna_study(self) -> optuna.Study:
        """The Optuna study. Raise `SearchError` where there is none yet."""
        import optuna

        if self.opened is not None:
            return self.opened
        file = self.storage_url or str(self.folder.journal)
        if "://" not in file and not Path(file).exists():
            raise SearchError(_tell_missing(self))
        storage = open_storage(self.folder.journal, self.storage_url)
        try:
            optuna_study = optuna.load_study(study_name=self.study.name, storage=storage)
        except KeyError as error:
            raise SearchError(_tell_missing(self)) from error
        refuse_older(optuna_study)
        return optuna_study

    @cached_property
    def search_id(self) -> str | None:
        """Random name of this search; None where it was not given one yet."""
        return read_search_id(self.optuna_study)

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """Every trial, by number."""
        if self.frozen is not None:
            return self.frozen
        return tuple(map(self._read_trial, self.optuna_study.get_trials(deepcopy=False)))

    def trials_dataframe(self) -> pd.DataFrame:
        """Return one row per trial, much as Optuna's `Study.trials_dataframe` does.

        Returns:
            number, state (complete, pruned, failed, interrupted, running, waiting), value (best weighted validation
            AUC), figure (the problem's figure of merit on validation), best_epoch, epochs, n_parameters (of the
            network), datetime_start, datetime_complete, duration (shared with the other members of its pack), reason
            (why it ended), failure (its kind: "hang", "out of memory", ...), warm_start, and a column `params_<name>`
            for each parameter. What is not known is missing.
        """
        import pandas as pd

        names = [f.name for f in fields(TrialRecord) if f.name not in ("params", "distributions")]
        trials = self.trials
        table = pd.DataFrame([[getattr(trial, name) for name in names] for trial in trials], columns=names)
        table = table.rename(columns={"started": "datetime_start", "finished": "datetime_complete"})
        types = dict.fromkeys(("value", "figure"), "float64") | dict.fromkeys(("best_epoch", "n_parameters"), "Int64")
        table = table.astype(types | dict.fromkeys(("datetime_start", "datetime_complete"), "datetime64[us]"))
        place = table.columns.get_loc("datetime_complete")
        table.insert(int(place) + 1, "duration", table["datetime_complete"] - table["datetime_start"])  # type: ignore[arg-type]
        for name in dict.fromkeys(name for trial in trials for name in trial.params):
            table[f"params_{name}"] = [trial.params.get(name) for trial in trials]
        return table

    def freeze(self) -> Search:
        """Return the same search with its trials as they are now: they are read once, however many more may end."""
        return replace(self, opened=self.optuna_study, frozen=self.trials)

    def _read_trial(self, trial: optuna.trial.FrozenTrial) -> TrialRecord:
        """Return Optuna's trial as ours; one that has finished does not change any more."""
        known = self._finished.get(trial.number)
        if known is not None:
            return known
        record = _record(trial)
        if trial.state.is_finished():
            self._finished[trial.number] = record
        return record

    @cached_property
    def _finished(self) -> dict[int, TrialRecord]:
        """Trials that have finished, as far as they were read."""
        return {}

    @property
    def best_trial(self) -> TrialRecord | None:
        """The complete trial with the best figure of merit on validation; of equals the first."""
        return next(iter(rank_trials(self.trials)), None)

    @property
    def has_stopped(self) -> bool:
        """Whether the search has ended before its budget is spent, so that what is left of that is not spent."""
        return self.has_reached_target or self.has_stopped_in_vain or self._expects_no_gain or self._is_exhausted

    @property
    def has_reached_target(self) -> bool:
        """Whether a trial is as good as the budget's target, so that no more is begun."""
        target, best = self.study.budget.target, self.best_trial
        return target is not None and best is not None and best.figure is not None and best.figure >= target

    @property
    def _expects_no_gain(self) -> bool:
        """Whether it has ended early as more trials would gain less than the noise; a larger budget lets it go on."""
        found = read_stopped_improbable(self.optuna_study) if self.study.budget.stop_when_improbable else None
        return found is not None and found["trials"] >= self.study.budget.trials

    def describe_early_end(self) -> str:
        """Return why the search ended before its budget was spent, as the end of a sentence; empty where it did not."""
        figure = self.study.problem.figure_of_merit.name
        if sum(trial.state in ("complete", "pruned") for trial in self.trials) >= self.study.budget.trials:
            return ""
        if self.has_reached_target:
            best = self.best_trial
            assert best is not None
            return f"trial {best.number} has {figure} {best.figure:.4f}, the target is {self.study.budget.target:g}."
        if self.has_stopped_in_vain:
            return "no sampled setting is better than the best warm start."
        found = read_stopped_improbable(self.optuna_study) if self._expects_no_gain else None
        if found is None:
            return ""
        return (
            f"the trials that are left are expected to gain {found['gain']:.1g} of {figure} at the most, less than its "
            f"noise of {found['noise']:.1g}."
        )

    @property
    def has_stopped_in_vain(self) -> bool:
        """Whether it has ended early as no setting that it sampled was better than the best warm start.

        A larger budget lets it go on; so does a trial that still ran then and is better.
        """
        if not self.study.budget.stop_in_vain:
            return False
        n_trials = read_stopped_in_vain(self.optuna_study)
        if n_trials is None or n_trials < self.study.budget.trials:
            return False
        best = self.best_trial
        return best is not None and best.warm_start

    @property
    def _is_exhausted(self) -> bool:
        """Whether the study's sampler has nothing more to try."""
        if self.study.sampler is None:
            return False
        from tuner.tuning.samplers import describe_sampler, make_sampler

        stopped = read_stopped(self.optuna_study)
        return stopped is not None and stopped == describe_sampler(make_sampler(self.study, self.study.seed))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the complete trials and their figures: what a judgement rests on."""
        complete = [(t.number, t.figure) for t in self.trials if t.state == "complete"]
        return hashlib.sha256(json.dumps(complete).encode()).hexdigest()

    @property
    def workers(self) -> Mapping[str, bool]:
        """Workers that have not left, and whether each lives."""
        return find_workers(self.optuna_study)

    @cached_property
    def splits(self) -> Splits:
        """The prepared parts, memory-mapped."""
        from tuner.preparation.splits import load_splits

        try:
            return load_splits(self.folder.splits)
        except SplitsError:
            _ = self.optuna_study  # where another version has prepared them, this says so
            raise

    def open_events(self) -> KeptEvents:
        """Return the events as they were read for the sweep, with the variants of the problem's nuisances.

        Raises:
            EventsError: The study now asks for more than was kept, and the events cannot be read again.
        """
        from tuner.tuning.prepared_run import open_kept_events

        return open_kept_events(self.study.problem, self.folder, digest=self.splits.events_digest)

    def settings(self, trial: TrialRecord) -> Settings:
        """Return a trial's settings, by its parameters through the study's search space. Raise `SearchError`."""
        from optuna.trial import FixedTrial

        try:
            return self.study.space(FixedTrial(dict(trial.params)))  # type: ignore[arg-type]
        except Exception as error:
            raise SearchError(
                f"The search space must still give the settings of trial {trial.number}, but raised "
                f"{type(error).__name__}: {error} Has it changed since?"
            ) from error

    def curve(self, trial: int) -> pd.DataFrame:
        """Return a trial's epochs: epoch, train_loss, validation_loss, validation_auc, lr.

        No rows if none are kept, or if their file is damaged, of which a warning tells.
        """
        import pandas as pd

        path = self.curve_path(trial)
        names, advice = ["epoch", "train_loss", "validation_loss", "validation_auc", "lr"], "Figures leave it out."
        try:
            if path.exists():
                table = read_csv(path, advice=advice)
                with expect_form(path, advice=advice):
                    numbers: pd.DataFrame = table[names].apply(pd.to_numeric)
                return numbers
        except DamagedFileError as error:
            warn_once(str(error))
        return pd.DataFrame(columns=names)

    def curve_path(self, trial: int) -> Path:
        """Return where a trial's epochs are kept."""
        return self.folder.curves / f"trial_{trial:05d}.csv"

    def resume_path(self, trial: int) -> Path:
        """Return where an interrupted trial's state is kept."""
        return self.folder.checkpoints / f"trial_{trial:05d}.resume.pt"

    def checkpoint_path(self, network: int | TrainedNetwork) -> Path:
        """Return the path of a network's parameters: in `checkpoints/` those of a trial, in `finalists/` all others.

        Args:
            network: The training; a number stands for the search's own training of that trial.
        """
        trained = TrainedNetwork(network) if isinstance(network, int) else network
        folder = self.folder.checkpoints if trained.training == "search" else self.folder.finalists
        return folder / trained.file_name


def open_search(
    study: Study, folder: str | Path = "runs", storage: str | None = None, *, study_file: Path | None = None
) -> Search:
    """Return the search of a study that was started before.

    Its seed and budget are those of the last call of the sweep, which may have been given others than the study
    file's.

    Args:
        study: The study.
        folder: Where run folders live; this study's is `folder/<its name>`.
        storage: URL of the database in place of the run folder's journal file.
        study_file: File that other processes can read the study from; None where there is none.

    Raises:
        SearchError: There is no such search, or the files in the run folder are another's.
    """
    run_folder = RunFolder(Path(folder) / study.name)
    search = Search(study, run_folder, storage, study_file)
    call = read_budget(search.optuna_study) or _read_last_call(run_folder)
    if call is not None:
        kept = ("trials", "epochs", "target", "stop_when_improbable")
        budget = replace(study.budget, **{name: call[name] for name in kept if name in call})
        limited = replace(study, seed=call["seed"], budget=budget)
        search = Search(limited, run_folder, storage, study_file, opened=search.optuna_study)
    check_owner(run_folder, search.search_id, storage or str(run_folder.journal))
    return search


@cache
def _open_again(study_file: Path, folder: Path, storage: str | None) -> Search:
    """Return the search that another process has sent, once in this process: a large journal takes seconds to read."""
    return open_search(load_study(study_file), folder, storage, study_file=study_file)


def _read_last_call(folder: RunFolder) -> dict[str, Any] | None:
    """Return trials, epochs and seed of the last call by the run folder, where an older version made the search."""
    record = read_json(folder.provenance, advice=PROVENANCE_ADVICE)
    if not record.get("calls"):
        return None
    with expect_form(folder.provenance, advice=PROVENANCE_ADVICE):
        call = record["calls"][-1]
        return {"trials": call["trials"], "epochs": call["epochs"], "seed": record["seed"]}


def _tell_missing(search: Search) -> str:
    storage = search.storage_url or search.folder.journal
    return (
        f'There must be a search of study "{search.study.name}", but "{storage}" holds none. '
        "Start it with `tuner sweep`, or say with --folder or --storage where it is."
    )


def _record(trial: optuna.trial.FrozenTrial) -> TrialRecord:
    """Return Optuna's trial as ours."""
    state = {"FAIL": "failed"}.get(trial.state.name, trial.state.name.lower())
    if state == "failed" and is_interrupted(trial):
        state = "interrupted"
    reported = trial.intermediate_values
    value = trial.value if trial.value is not None else max(reported.values(), default=None)
    return TrialRecord(
        number=trial.number,
        state=state,
        params=trial.params,
        distributions=trial.distributions,
        value=value,
        figure=read_figure(trial),
        best_epoch=read_best_epoch(trial),
        epochs=read_epochs(trial),
        reason=read_reason(trial),
        failure=read_failure(trial),
        n_parameters=read_n_parameters(trial),
        started=trial.datetime_start,
        finished=trial.datetime_complete,
        warm_start=is_warm_start(trial),
    )
