"""The loss that members train on."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def weigh_losses(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return weighted cross-entropies [K, n]; an ensemble's logits [K, n, k] are averaged over its k."""
    if logits.ndim > labels.ndim:
        labels = labels[..., None].expand_as(logits)
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(-1) * weights
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * weights
