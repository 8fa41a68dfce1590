"""Trainings beside those of the search, as they are kept in the run folder: parameters, and what they follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.checked_files import expect_form, read_archive, read_json, warn_once, write_json
from tuner.errors import DamagedFileError
from tuner.evaluation.pack_training import TrainedMember
from tuner.training.checkpoints import save_checkpoint
from tuner.tuning.contents import describe_contents
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.trained_network import TrainedNetwork

ADVICE = "It is trained again."


@dataclass(frozen=True, kw_only=True)
class KeptTraining:
    """One training of a trial's configuration; its parameters are at `Search.checkpoint_path(network)`."""

    network: TrainedNetwork
    value: float
    """Weighted AUC on the events that it was judged on, at the epoch that is kept."""
    best_epoch: int
    """Epoch that is kept."""
    epochs: int
    """Epochs trained."""
    n_parameters: int


def describe_origin(search: Search, trial: TrialRecord, **more: Any) -> dict[str, Any]:
    """Return what a training follows from, as it comes back from JSON; more: what else it follows from."""
    return {
        "events": search.splits.events_digest,
        "epochs": search.study.budget.epochs,
        "study_seed": search.study.seed,
        "settings": describe_contents(search.settings(trial)),
        **more,
    }


def keep_training(
    search: Search, network: TrainedNetwork, trained: TrainedMember, *, origin: Mapping[str, Any]
) -> KeptTraining:
    """Write a training's parameters, then its record."""
    parameters = search.checkpoint_path(network)
    member = trained.member
    kept = KeptTraining(
        network=network,
        value=member.best,
        best_epoch=member.best_epoch,
        epochs=member.age,
        n_parameters=trained.n_parameters,
    )
    save_checkpoint(trained.checkpoint, parameters)
    numbers = {name: value for name, value in vars(kept).items() if name != "network"}
    write_json(find_record(search, network), {"key": dict(origin), "training": numbers})
    return kept


def read_training(search: Search, network: TrainedNetwork, *, origin: Mapping[str, Any]) -> KeptTraining | None:
    """Return a training that is in the run folder; None where it is not there, or follows from something else.

    None also where its files are damaged, with a warning: it is trained again then.
    """
    parameters = search.checkpoint_path(network)
    record_path = find_record(search, network)
    try:
        record = read_json(record_path, advice=ADVICE)
        if record.get("key") != origin or not parameters.exists():
            return None
        read_archive(parameters, advice=ADVICE)
        with expect_form(record_path, advice=ADVICE):
            return KeptTraining(network=network, **record["training"])
    except DamagedFileError as error:
        warn_once(str(error))
        return None


def find_record(search: Search, network: TrainedNetwork) -> Path:
    """Return the path of a training's record, which is written after its parameters."""
    return search.checkpoint_path(network).with_suffix(".json")
