"""Members of packs: a setting in training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.errors import TrainingError
from tuner.training.settings import Settings


@dataclass
class Member:
    """A setting in training: who it is and how far it has come."""

    number: int
    """Number that the caller knows it by (the trial's)."""
    settings: Settings
    seed: int
    """Seed of its first parameters and of its order of events."""
    age: int = 0
    """Epochs trained."""
    best: float = -np.inf
    """Best validation AUC."""
    best_epoch: int = 0
    """Epochs trained when it was reached."""
    curve: list[dict[str, float]] = field(default_factory=list)
    """A row an epoch: epoch, train_loss, validation_loss, validation_auc, lr (the mean of the epoch's steps)."""
    state: dict[str, Any] | None = None
    """What `Pack.member_state` gave when it was interrupted; it goes on from there."""
    train_rows: np.ndarray | None = None
    """Events that it trains on: places in the train part, int64 (a fold's, say). None: all."""
    validation_rows: np.ndarray | None = None
    """Events that its validation figures are taken on: places in the validation part, int64. None: all."""

    n_epochs: int | None = None
    """Epochs that it trains, whatever its validation figures; it keeps the parameters of the last. None: it keeps
    those of its best epoch, and stops early."""

    def check_rows(self, n_train: int, n_validation: int, *, n_events: int) -> None:
        """Raise `TrainingError` where its own events are too few or not there.

        n_train, n_validation: events of the two parts; n_events: how many it trains on in an epoch.
        """
        for what, rows, least, n, advice in (
            ("train_rows", self.train_rows, max(1, n_events), n_train, "Give the pack the `n_events` of the smallest."),
            ("validation_rows", self.validation_rows, 1, n_validation, "Give it some to be judged on."),
        ):
            n_rows = n if rows is None else len(rows)
            if n_rows < least:
                raise TrainingError(
                    f"`{what}` of a member must name at least {least:,} events, but trial {self.number} has "
                    f"{n_rows:,}. {advice}"
                )
            if rows is not None and not (rows.min() >= 0 and rows.max() < n):
                raise TrainingError(
                    f"`{what}` must be places among {n:,} events, 0 to {n - 1:,}, but those of trial {self.number} "
                    f"go from {rows.min():,} to {rows.max():,}."
                )
