"""Weighted AUC of many score rows at once, on the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor


def rank_auc(scores: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted AUC of each row of scores, float64 [K].

    The weighted Mann-Whitney statistic: signal weight times background weight below plus half of that tied,
    over the product of the sums. Exact with ties and with negative weights (signed, as `tuner.metrics.auc`).

    scores: [K, n]; labels: [n] in {0, 1}; weights: [n]. A row with a not-a-number score gives not-a-number.
    """
    is_signal = labels > 0.5
    signal_weights, background_weights = weights[is_signal].double(), weights[~is_signal].double()
    background, order = scores[:, ~is_signal].sort(dim=1)
    below = background_weights[order].cumsum(dim=1)
    below = torch.cat([torch.zeros_like(below[:, :1]), below], dim=1)
    signal = scores[:, is_signal].contiguous()
    lower = below.gather(1, torch.searchsorted(background, signal, side="left"))
    upper = below.gather(1, torch.searchsorted(background, signal, side="right"))
    area = ((lower + upper) * 0.5) @ signal_weights / (signal_weights.sum() * background_weights.sum())
    return torch.where(scores.isfinite().all(dim=1), area, torch.nan)
