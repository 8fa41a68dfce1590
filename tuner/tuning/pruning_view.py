"""What pruners see at the end of an epoch: others' trials as one reading has them, this worker's as they are now."""

from __future__ import annotations

from collections.abc import Container, Mapping
from copy import copy
from copy import deepcopy as copy_deeply
from functools import cached_property
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tuner.tuning.forwarding import Forwarding, forward_all


class PruningView:
    """A study that its pruner decides by: its trials are read once an epoch, and only where they are needed.

    What a pruner notes of a trial (a rung of Hyperband) is kept in `notes`, by the trial's id, for whoever writes it.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._watched = study
        self._storage: _View = _View(study._storage)  # type: ignore[abstract]  # the decorator gives the rest
        self.notes = self._storage.notes

    @cached_property
    def _study(self) -> optuna.Study:
        return optuna.Study(self._watched.study_name, self._storage, self._watched.sampler, self._watched.pruner)

    def forget_others(self) -> None:
        """Read the trials of other workers again before the next answer that needs them."""
        self._storage.others = None

    def follow(self, trial: FrozenTrial) -> None:
        """Follow a trial of this worker from here on, without reading it again."""
        self._storage.own[trial._trial_id] = copy(trial)

    def is_followed(self, trial_id: int) -> bool:
        """Whether a trial is followed."""
        return trial_id in self._storage.own

    def leave(self, trial_id: int) -> None:
        """Follow a trial no more."""
        self._storage.own.pop(trial_id, None)
        self.notes.pop(trial_id, None)

    def should_prune(
        self, trial_id: int, reported: Mapping[int, float], seen: Mapping[int, float] | None = None
    ) -> bool:
        """Ask the pruner.

        Args:
            trial_id: Of a trial that is followed.
            reported: All values that it has reported, by epoch.
            seen: What the pruner judges by in the place of them.
        """
        own = self._storage.own[trial_id]
        own.intermediate_values = dict(reported)
        trial = copy(own)
        trial.intermediate_values = dict(reported if seen is None else seen)
        return self._watched.pruner.prune(self._study, trial)


@forward_all
class _View(Forwarding):
    """The storage of a `PruningView`."""

    def __init__(self, inner: BaseStorage) -> None:
        super().__init__(inner)
        self.others: list[FrozenTrial] | None = None
        self.own: dict[int, FrozenTrial] = {}
        self.notes: dict[int, dict[str, Any]] = {}
        self._lasting: dict[tuple[str, Any], Any] = {}

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the id of a study, which stays."""
        return int(self._ask_once("get_study_id_from_name", study_name))

    def get_study_directions(self, study_id: int) -> list[optuna.study.StudyDirection]:
        """Return the directions of a study, which stay."""
        return list(self._ask_once("get_study_directions", study_id))

    def _ask_once(self, method: str, argument: Any) -> Any:
        if (method, argument) not in self._lasting:
            self._lasting[method, argument] = self.forward(method, (argument,), {})
        return self._lasting[method, argument]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of the study."""
        if self.others is None:
            self.others = self.inner.get_all_trials(study_id, deepcopy=False)
        trials = [copy(self.own[t._trial_id]) if t._trial_id in self.own else t for t in self.others]
        found = [trial for trial in trials if states is None or trial.state in states]
        return copy_deeply(found) if deepcopy else found

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial."""
        return copy(self.own[trial_id]) if trial_id in self.own else self.inner.get_trial(trial_id)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Note something of a trial of this worker; write it down at once of another."""
        if trial_id not in self.own:
            self.inner.set_trial_system_attr(trial_id, key, value)
            return
        own = self.own[trial_id]
        own.system_attrs = {**own.system_attrs, key: value}
        self.notes.setdefault(trial_id, {})[key] = value
