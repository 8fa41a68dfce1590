"""Which training a network comes from, and the name of the file that keeps its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Training = Literal["search", "seed", "fold", "refit"]
"""The search's own training; a finalist's with another seed; a bag's on one fold; one on train and validation."""


@dataclass(frozen=True)
class TrainedNetwork:
    """One training of a trial's configuration; its parameters are at `Search.checkpoint_path(network)`."""

    trial: int
    training: Training = "search"
    number: int = 0
    """Which of the trainings of that kind, from 0: the number of the seed or of the fold."""
    weight: float = 1.0
    """Its share in a mean of scores; all shares add up to 1."""

    @property
    def name(self) -> str:
        """What a person calls it: "trial 12", "trial 12, seed 0", "trial 12, fold 3"."""
        return f"trial {self.trial}" + ("" if self.training == "search" else f", {self.training} {self.number}")

    @property
    def file_name(self) -> str:
        """Name of the file of its parameters: `trial_00012.pt`, `trial_00012-seed_0.pt`."""
        return (
            f"trial_{self.trial:05d}" + ("" if self.training == "search" else f"-{self.training}_{self.number}") + ".pt"
        )
