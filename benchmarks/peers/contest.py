"""What every contestant of `time_to_quality.py` is given, and where it writes down how far it has come."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from search_spaces import mlp
from tuner.preparation.splits import load_splits
from tuner.training.data import TrainingData, load_training_data
from tuner.tuning.study import Study


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The task and the rules, the same for all; `folder` alone is each contestant's own."""

    study: str
    """Name of a module of `studies/`: its events, preparation and search space, warm starts included."""
    splits: str
    """Folder of the prepared parts."""
    folder: str
    """Where a contestant writes."""
    start: float
    """Unix time at which its first process was started."""
    until: float
    """Unix time at which it has to stop."""
    trials: int
    epochs: int
    cores: int
    seed: int
    device: str = "cpu"
    """Where networks are trained; processes share it."""
    usual: bool = False
    """Whether the space of MLPs has the optimizers of PyTorch only, as a script of one's own would."""

    def to_json(self) -> str:
        """Return the contest for a command line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return a contest from a command line."""
        return cls(**json.loads(text))

    def load_study(self) -> Study:
        """Return the study."""
        study: Study = import_module(f"studies.{self.study}").study
        if not self.usual:
            return study
        mlp.OPTIMIZERS = ("adamw", "sgd")
        starts = tuple(start for start in study.space.warm_starts if start["mlp.optimizer"] in mlp.OPTIMIZERS)
        return dataclasses.replace(study, search_space=dataclasses.replace(study.space, warm_starts=starts))

    def load_data(self) -> TrainingData:
        """Return the prepared train and validation parts on the device; on a CPU mapped from the files."""
        return load_training_data(load_splits(Path(self.splits)), torch.device(self.device))

    @property
    def epochs_file(self) -> Path:
        """One JSON line for each trained epoch: seconds since the start, trial, epoch, best validation AUC so far."""
        return Path(self.folder) / "epochs.jsonl"

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.time() >= self.until

    def write_epoch(self, trial: int | str, epoch: int, auc: float) -> None:
        """Append an epoch; `auc` is the best of its trial so far. Processes may write at once: a line is one write."""
        row = {"seconds": round(time.time() - self.start, 3), "trial": trial, "epoch": epoch, "auc": auc}
        file = os.open(self.epochs_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, (json.dumps(row) + "\n").encode())
        finally:
            os.close(file)

    def read_epochs(self) -> list[dict[str, Any]]:
        """Return the epochs that were written down in time, by time."""
        if not self.epochs_file.exists():
            return []
        rows: list[dict[str, Any]] = [json.loads(line) for line in self.epochs_file.read_text().splitlines()]
        return sorted((r for r in rows if r["seconds"] <= self.until - self.start), key=lambda r: r["seconds"])

    def keep_network(self, auc: float, params: Mapping[str, Any], network: nn.Module) -> None:
        """Keep a network that is better than all kept before; its test figure is measured when the time is up."""
        folder = Path(self.folder)
        if any(float(path.stem.split("_")[1]) >= auc for path in folder.glob("network_*.pt")):
            return
        partial = folder / f"partial_{os.getpid()}.pt"
        torch.save({"auc": auc, "params": dict(params), "state": network.state_dict()}, partial)
        partial.replace(folder / f"network_{auc:.9f}_{os.getpid()}.pt")
