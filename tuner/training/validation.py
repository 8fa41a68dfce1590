"""Validation figures of a pack: weighted AUC and weighted loss of every row, each on its own events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from tuner.training.data import TrainingData
from tuner.training.member import Member

RANKED_AT_ONCE = 2**24
"""Events, times members, that are ranked together at the most, to bound the memory that sorting takes."""


@dataclass(frozen=True)
class OwnEvents:
    """The validation events that each row is judged on, where they are not all."""

    index: Tensor
    """Places in the validation part, int64 [K, m] of the longest row; the others end with events that do not count."""
    counts: Tensor
    """1 where an event counts for its row, else 0: float32 [K, m]."""


def find_own_events(members: Sequence[Member | None], data: TrainingData) -> OwnEvents | None:
    """Return each row's own validation events on the device of the data; None where all rows have them all."""
    if all(member is None or member.validation_rows is None for member in members):
        return None
    everything = np.arange(len(data.validation_x))
    own = [
        everything[:0] if member is None else everything if (rows := member.validation_rows) is None else rows
        for member in members
    ]
    index = np.zeros((len(own), max(map(len, own))), dtype=np.int64)
    counts = np.zeros(index.shape, dtype=np.float32)
    for row, rows in enumerate(own):
        index[row, : len(rows)], counts[row, : len(rows)] = rows, 1
    return OwnEvents(torch.from_numpy(index).to(data.device), torch.from_numpy(counts).to(data.device))


def measure_rows(logits: Tensor, data: TrainingData, own: OwnEvents | None = None) -> Tensor:
    """Return each row's weighted AUC and weighted loss, float64 [2, K], for logits [K, m] of its validation events.

    The AUC takes event weights, the loss those that are balanced like the training weights. All is computed on the
    device, and the host does not wait for it.

    Args:
        logits: [K, m], of each row's validation events.
        data: Labels and weights of the validation part.
        own: Which events each row has; None where all rows have the whole part.
    """
    labels, event_weights, weights = (
        (array if own is None else array[own.index]).expand_as(logits)
        for array in (data.validation_labels, data.validation_weights, data.validation_training_weights)
    )
    if own is not None:
        event_weights, weights = event_weights * own.counts, weights * own.counts
    n_rows = max(1, RANKED_AT_ONCE // max(1, logits.shape[1]))
    aucs = torch.cat([rank_auc(*some) for some in zip(*(
        torch.split(array, n_rows) for array in (logits, labels, event_weights)), strict=True)])  # fmt: skip
    losses = weigh_losses(logits, labels, weights).sum(1) / weights.sum(1)
    return torch.stack([aucs, losses.double()])


def rank_auc(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted AUC of each row of scores, float64 [K].

    The weighted Mann-Whitney statistic: signal weight times background weight below plus half of that tied,
    over the product of the sums. Exact with ties and with negative weights (signed, as `tuner.metrics.auc`).

    Args:
        scores: [K, n]; any number, higher is more signal-like.
        labels: 0 or 1; [n], or [K, n] where each row has its own.
        weights: Event weights, likewise. An event of weight zero is not there.

    Returns:
        Not-a-number for a row with a not-a-number score, without signal, or without background.
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
    """Return the weighted cross-entropy of each event, [K, n].

    Args:
        logits: [K, n]; or [K, n, k] of an ensemble in training, whose losses are averaged over its k networks.
        labels: 0 to 1, [K, n].
        weights: Training weights, [K, n].
    """
    if logits.ndim > labels.ndim:
        labels = labels[..., None].expand_as(logits)
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(-1) * weights
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights
