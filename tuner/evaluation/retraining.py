"""Settings trained anew, from scratch, with other seeds: what a setting is worth, not what one lucky training was."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from tuner.checked_files import expect_form, read_archive, read_json, warn_once, write_json
from tuner.errors import DamagedFileError, TrainingError, describe_failure
from tuner.prediction.networks import TrainedNetwork
from tuner.progress.logs import NOTES, open_log, quiet_optuna
from tuner.training.batched.sequential import Randomness
from tuner.training.checkpoints import save_checkpoint, take_checkpoint
from tuner.training.data import TrainingData, load_training_data
from tuner.training.device import find_device, keep_random_state
from tuner.training.loop import Outcome, train_members
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import choose_pack_size
from tuner.training.settings import Settings
from tuner.training.structure import find_structure
from tuner.tuning.contents import describe_contents
from tuner.tuning.limits import limit_slots
from tuner.tuning.samplers import derive_seed
from tuner.tuning.search import Search, TrialRecord

logger = logging.getLogger("tuner")

PURPOSE = 100
"""Purpose of the first seed of a retraining, in `derive_seed`: the search itself uses smaller ones."""

RANDOMNESS: Randomness = "different"
"""Members are to be independent trainings: with the same dropout their spread would be far too small."""


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
    jobs = [_Job(w.trial, w.seed, search.settings(w.trial)) for w in wanted if _read(search, w.trial, w.seed) is None]
    if not jobs:
        return ()
    data = load_training_data(search.splits, find_device(device))
    trainer = _Trainer(search, data, on_trained)
    with open_log(search.folder.log, "retrain"), quiet_optuna(), keep_random_state(data.device):
        trainer.train(jobs)
    return tuple(trainer.left_out)


@dataclass(frozen=True)
class Wanted:
    """A training that is to be done."""

    trial: TrialRecord
    seed: int


@dataclass(frozen=True)
class _Job(Wanted):
    """A training with its settings."""

    settings: Settings


@dataclass
class _Trainer:
    """Trains jobs of one structure."""

    search: Search
    data: TrainingData
    on_trained: Callable[[], object]
    left_out: list[str] = field(default_factory=list)
    """What was told of trainings that failed."""

    def train(self, jobs: Sequence[_Job]) -> None:
        """Train jobs of one structure as one pack; where that fails, what is left of them in smaller ones."""
        most = min(len(jobs), limit_slots(self.data.device))
        try:
            pack = Pack(jobs[0].settings, self.data, n_epochs=1, randomness=RANDOMNESS)
            slots = choose_pack_size(pack, jobs[0].settings, most=most).slots
        except Exception:  # the training itself fails with this error, and tells it
            slots = 1
        left = dict(enumerate(jobs))
        while left:
            try:
                self._train(left, slots)
            except Exception as error:  # a network's own code may raise anything
                if slots == 1 and left:  # else it happened after the last of them had ended
                    self._leave_out(left.pop(next(iter(left))), describe_failure(error))
                slots = max(1, slots // 2)

    def _train(self, left: dict[int, _Job], slots: int) -> None:
        """Train what is left in a pack of so many slots; take out of `left` what is done."""
        first = next(iter(left.values()))
        n_epochs = self.search.study.budget.epochs
        pack = Pack(first.settings, self.data, n_epochs=n_epochs, randomness=RANDOMNESS)
        queue = iter([Member(name, job.settings, self._derive(job)) for name, job in left.items()])

        def draw() -> Member | None:
            return next(queue, None)

        def end(member: Member, row: int, outcome: Outcome) -> None:
            if outcome.state == "failed":
                self._leave_out(left[member.number], outcome.reason)
            else:
                self._keep(pack, member, row, left[member.number])
            del left[member.number]

        pack.admit(*itertools.islice(iter(draw, None), slots))
        torch.manual_seed(self._derive(first))
        train_members(pack, on_epoch=lambda _: "go on", on_end=end, refill=draw)

    def _derive(self, job: _Job) -> int:
        return derive_seed(self.search.study.seed, job.trial.number, purpose=PURPOSE + job.seed)

    def _keep(self, pack: Pack, member: Member, row: int, job: _Job) -> None:
        try:
            checkpoint = take_checkpoint(pack, row)
        except TrainingError as error:
            self._leave_out(job, str(error))
            return
        found = Retraining(
            trial=job.trial.number,
            seed=job.seed,
            value=member.best,
            best_epoch=member.best_epoch,
            epochs=member.age,
            n_parameters=pack.n_parameters,
        )
        save_checkpoint(checkpoint, self.search.checkpoint_path(found.network))
        path = self.search.checkpoint_path(found.network).with_suffix(".json")
        write_json(path, {"key": _key(self.search, job.trial), "training": asdict(found)})
        NOTES.info("Trained trial %d anew with seed %d: validation AUC %.4f", job.trial.number, job.seed, member.best)
        self.on_trained()

    def _leave_out(self, job: _Job, reason: str) -> None:
        told = f"Trial {job.trial.number} trained anew with seed {job.seed} failed and is left out: {reason}"
        self.left_out.append(told)
        logger.warning("%s", told)


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
