"""Configurations trained anew with other seeds: what one is worth, not how lucky one training was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.evaluation.kept_trainings import KeptTraining, describe_origin, keep_training, read_training
from tuner.evaluation.pack_training import TrainedMember, train_apart
from tuner.progress.logs import NOTES, open_log, quiet_optuna
from tuner.training.data import load_training_data
from tuner.training.device import find_device
from tuner.training.member import Member
from tuner.training.structure import find_structure
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.trained_network import TrainedNetwork

logger = logging.getLogger("tuner")

PURPOSE = 100
"""Purpose of the first seed of a retraining, in `derive_seed`: the search itself uses smaller ones."""


def find_retrainings(search: Search, trials: Sequence[TrialRecord], seeds: int) -> tuple[KeptTraining, ...]:
    """Return the trainings of these settings that are in the run folder, of the present events, budget and settings."""
    wanted = [(trial, seed) for trial in trials for seed in range(seeds)]
    return tuple(found for trial, seed in wanted if (found := _read(search, trial, seed)) is not None)


def group_missing(search: Search, trials: Sequence[TrialRecord], seeds: int) -> list[list[Wanted]]:
    """Return the trainings that are not in the run folder yet, those of one structure together, as a pack takes them.

    Raises:
        SearchError: The search space no longer gives a trial's settings.
    """
    groups: dict[Any, list[Wanted]] = {}
    for trial in trials:
        structure = find_structure(search.settings(trial))
        for seed in range(seeds):
            if _read(search, trial, seed) is None:
                groups.setdefault(structure, []).append(Wanted(trial, seed))
    return list(groups.values())


def retrain(
    search: Search,
    wanted: Sequence[Wanted],
    device: str | None = None,
    on_trained: Callable[[], object] = lambda: None,
) -> tuple[str, ...]:
    """Train configurations of one structure from scratch, as one pack, in this process; keep them in the run folder.

    Events, budget of epochs and early stopping are the search's own. What was trained before is not trained again.

    Args:
        search: The search that the trials are of.
        wanted: Trials and numbers of seeds; their settings have one structure.
        device: "cpu", "cuda", ...; None for a GPU where there is one.
        on_trained: Is called after each training.

    Returns:
        A sentence for each training that failed and is left out; it was logged as a warning, too.
    """
    missing = [each for each in wanted if _read(search, each.trial, each.seed) is None]
    if not missing:
        return ()
    data, left_out = load_training_data(search.splits, find_device(device)), []

    def keep(trained: TrainedMember) -> None:
        each = missing[trained.member.number]
        found = keep_training(search, each.network, trained, origin=describe_origin(search, each.trial))
        NOTES.info("Trained trial %d anew with seed %d: validation AUC %.4f", each.trial.number, each.seed, found.value)
        on_trained()

    def leave_out(member: Member, reason: str) -> None:
        each = missing[member.number]
        told = f"Trial {each.trial.number} trained anew with seed {each.seed} failed and is left out: {reason}"
        left_out.append(told)
        logger.warning("%s", left_out[-1])

    members = [
        Member(
            number,
            search.settings(each.trial),
            derive_seed(search.study.seed, each.trial.number, purpose=PURPOSE + each.seed),
        )
        for number, each in enumerate(missing)
    ]
    with open_log(search.folder.log, "retrain"), quiet_optuna():
        train_apart(members, data, n_epochs=search.study.budget.epochs, keep=keep, leave_out=leave_out)
    return tuple(left_out)


@dataclass(frozen=True)
class Wanted:
    """A training that is to be done."""

    trial: TrialRecord
    seed: int

    @property
    def network(self) -> TrainedNetwork:
        """The name of its parameters."""
        return TrainedNetwork(self.trial.number, "seed", self.seed)


def _read(search: Search, trial: TrialRecord, seed: int) -> KeptTraining | None:
    """Return a training that is in the run folder; None where it is not, or of other events, epochs or settings."""
    return read_training(search, Wanted(trial, seed).network, origin=describe_origin(search, trial))
