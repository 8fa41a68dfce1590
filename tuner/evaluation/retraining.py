"""Settings trained anew, from scratch, with other seeds: what a setting is worth, not what one lucky training was."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuner.checked_files import expect_form, read_archive, read_json, warn_once, write_json
from tuner.errors import DamagedFileError
from tuner.evaluation.pack_training import TrainedMember, train_apart
from tuner.prediction.networks import TrainedNetwork
from tuner.progress.logs import NOTES, open_log, quiet_optuna
from tuner.training.checkpoints import save_checkpoint
from tuner.training.data import load_training_data
from tuner.training.device import find_device
from tuner.training.member import Member
from tuner.training.structure import find_structure
from tuner.tuning.contents import describe_contents
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord

logger = logging.getLogger("tuner")

PURPOSE = 100
"""Purpose of the first seed of a retraining, in `derive_seed`: the search itself uses smaller ones."""


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """One training of a finalist; its parameters are at `Search.checkpoint_path(network)`."""

    trial: int
    seed: int
    """Number of the seed, from 0; the seed itself follows from it, the study's seed and the trial's number."""
    value: float
    """Best weighted validation AUC."""
    best_epoch: int
    epochs: int
    """Epochs trained."""
    n_parameters: int

    @property
    def network(self) -> TrainedNetwork:
        """The name of its parameters."""
        return TrainedNetwork(self.trial, "seed", self.seed)


def find_retrainings(search: Search, trials: Sequence[TrialRecord], seeds: int) -> tuple[Retraining, ...]:
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
    missing = [one for one in wanted if _read(search, one.trial, one.seed) is None]
    if not missing:
        return ()
    left_out: list[str] = []

    def keep(trained: TrainedMember) -> None:
        _keep(search, missing[trained.member.number], trained)
        on_trained()

    def leave_out(member: Member, reason: str) -> None:
        one = missing[member.number]
        left_out.append(f"Trial {one.trial.number} trained anew with seed {one.seed} failed and is left out: {reason}")
        logger.warning("%s", left_out[-1])

    members = [Member(n, search.settings(one.trial), one.derive_seed(search)) for n, one in enumerate(missing)]
    data = load_training_data(search.splits, find_device(device))
    with open_log(search.folder.log, "retrain"), quiet_optuna():
        train_apart(members, data, n_epochs=search.study.budget.epochs, keep=keep, leave_out=leave_out)
    return tuple(left_out)


@dataclass(frozen=True)
class Wanted:
    """A training that is to be done."""

    trial: TrialRecord
    seed: int
    """Number of the seed, from 0."""

    def derive_seed(self, search: Search) -> int:
        """Return the seed itself, which follows from the study's seed, the trial's number and this one's."""
        return derive_seed(search.study.seed, self.trial.number, purpose=PURPOSE + self.seed)


def _keep(search: Search, wanted: Wanted, trained: TrainedMember) -> None:
    """Write a training into the run folder."""
    member = trained.member
    found = Retraining(
        trial=wanted.trial.number,
        seed=wanted.seed,
        value=member.best,
        best_epoch=member.best_epoch,
        epochs=member.age,
        n_parameters=trained.n_parameters,
    )
    save_checkpoint(trained.checkpoint, search.checkpoint_path(found.network))
    path = search.checkpoint_path(found.network).with_suffix(".json")
    write_json(path, {"key": _key(search, wanted.trial), "training": asdict(found)})
    NOTES.info("Trained trial %d anew with seed %d: validation AUC %.4f", found.trial, found.seed, member.best)


def _read(search: Search, trial: TrialRecord, seed: int) -> Retraining | None:
    """Return a training that is in the run folder; None where it is not, or of other events, epochs or settings.

    None also where its files are damaged: it is trained again then, to the same.
    """
    parameters = search.checkpoint_path(TrainedNetwork(trial.number, "seed", seed))
    path = parameters.with_suffix(".json")
    advice = "It is trained anew."
    try:
        record = read_json(path, advice=advice)
        if record.get("key") != _key(search, trial) or not parameters.exists():
            return None
        read_archive(parameters, advice=advice)
        with expect_form(path, advice=advice):
            return Retraining(**record["training"])
    except DamagedFileError as error:
        warn_once(str(error))
        return None


def _key(search: Search, trial: TrialRecord) -> dict[str, Any]:
    """Return what a training follows from, as it comes back from JSON."""
    return {
        "events": search.splits.events_digest,
        "epochs": search.study.budget.epochs,
        "study_seed": search.study.seed,
        "settings": describe_contents(search.settings(trial)),
    }
