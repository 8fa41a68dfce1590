"""Validation figures of a pack: weighted AUC and weighted loss of every row, each on its own events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tuner.training.data import TrainingData
from tuner.training.losses import weigh_losses
from tuner.training.member import Member
from tuner.training.ranking import rank_auc


def measure_rows(logits: Tensor, data: TrainingData, members: Sequence[Member | None]) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's weighted AUC and weighted loss, float64 [K] each, for logits [K, m] of the validation part.

    The AUC takes event weights, the loss those that are balanced like the training weights. The host waits for the
    device once.
    """
    present = _find_present(members, len(data.validation_x)).to(data.device)
    event_weights = data.validation_weights.expand_as(logits) * present
    weights = data.validation_training_weights.expand_as(logits) * present
    aucs = rank_auc(logits, data.validation_labels, event_weights)
    losses = weigh_losses(logits, data.validation_labels.expand_as(logits), weights).sum(1) / weights.sum(1)
    aucs_and_losses = torch.stack([aucs, losses.double()]).cpu().numpy()
    return aucs_and_losses[0], aucs_and_losses[1]


def _find_present(members: Sequence[Member | None], n_events: int) -> Tensor:
    """Return which validation events count for which row, bool [K, m]; [1, 1] where all count for all."""
    if all(member is None or member.validation_rows is None for member in members):
        return torch.ones(1, 1, dtype=torch.bool)
    present = np.ones((len(members), n_events), dtype=bool)
    for row, member in enumerate(members):
        if member is not None and member.validation_rows is not None:
            present[row] = False
            present[row, member.validation_rows] = True
    return torch.from_numpy(present)
