"""Validation figures of a pack: weighted AUC and weighted loss of every row, each on its own events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from tuner.training.data import TrainingData
from tuner.training.member import Member


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


def rank_auc(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted AUC of each row of scores, float64 [K].

    The weighted Mann-Whitney statistic: signal weight times background weight below plus half of that tied,
    over the product of the sums. Exact with ties and with negative weights (signed, as `tuner.metrics.auc`).

    scores: [K, n]; labels: [n] in {0, 1}; weights: [n], or [K, n] where each row has its own. An event of weight
    zero is not there. A row with a not-a-number score gives not-a-number, as one does without signal or background.
    """
    weights = weights.double().expand(scores.shape)
    scores = scores.masked_fill(weights == 0, 0)
    ranked, order = scores.sort(dim=1)
    is_signal = (labels > 0.5).expand(scores.shape).gather(1, order)
    ordered = weights.gather(1, order)
    signal, background = ordered * is_signal, ordered * ~is_signal
    below = F.pad(background.cumsum(dim=1), (1, 0))
    lower = below.gather(1, torch.searchsorted(ranked, ranked, side="left"))
    upper = below.gather(1, torch.searchsorted(ranked, ranked, side="right"))
    area = (0.5 * (lower + upper) * signal).sum(1) / (signal.sum(1) * background.sum(1))
    return torch.where(scores.isfinite().all(dim=1), area, torch.nan)


def weigh_losses(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return weighted cross-entropies [K, n]; an ensemble's logits [K, n, k] are averaged over its k."""
    if logits.ndim > labels.ndim:
        labels = labels[..., None].expand_as(logits)
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(-1) * weights
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights
