"""The prepared events on a device: what a training loop reads, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tuner.training.mapped_inputs import MappedInputs

if TYPE_CHECKING:
    from tuner.preparation.splits import Splits


@dataclass(frozen=True)
class TrainingData:
    """Tensors of the train and validation parts. On a CPU they share the memory of the mapped files."""

    x: Tensor
    """Features of the train part, float32 [n, d_in]."""
    labels: Tensor
    """Float32 [n] in {0, 1}."""
    weights: Tensor
    """Training weights, float32 [n], mean 1."""
    validation_x: Tensor
    """Features of the validation part, float32 [m, d_in]."""
    validation_labels: Tensor
    """Float32 [m] in {0, 1}."""
    validation_weights: Tensor
    """Event weights as they were read, float64 [m]: those of the pruning figure."""
    validation_training_weights: Tensor
    """Weights of the validation loss, float32 [m], balanced like the training weights."""
    mapped: MappedInputs | None = None
    """The file that `x` is mapped from; None where it is in memory, or on a GPU."""

    @property
    def d_in(self) -> int:
        """Number of prepared features."""
        return self.x.shape[1]

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.x.device


def load_training_data(splits: Splits, device: torch.device) -> TrainingData:
    """Put the train and validation parts on a device; events with training weight 0 are left out of training.

    Args:
        splits: The prepared parts.
        device: Where packs will train.
    """
    train, validation = splits.train, splits.validation
    used = np.flatnonzero(np.asarray(train.training_weights) != 0)
    if len(used) < len(train.labels):
        train = replace(train, **{f.name: getattr(train, f.name)[used] for f in fields(train)})

    def put(array: np.ndarray, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.from_numpy(np.asarray(array)).to(device=device, dtype=dtype)

    x = put(train.x)
    return TrainingData(
        x=x,
        labels=put(train.labels),
        weights=put(train.training_weights),
        validation_x=put(validation.x),
        validation_labels=put(validation.labels),
        validation_weights=put(validation.weights, torch.float64),
        validation_training_weights=put(validation.training_weights),
        mapped=MappedInputs(train.x) if x.device.type == "cpu" else None,
    )
