"""Weighted AUC of many score rows at once, on the device that trains."""

from __future__ import annotations

import torch
from torch import Tensor


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
    below = torch.nn.functional.pad(background.cumsum(dim=1), (1, 0))
    lower = below.gather(1, torch.searchsorted(ranked, ranked, side="left"))
    upper = below.gather(1, torch.searchsorted(ranked, ranked, side="right"))
    area = (0.5 * (lower + upper) * signal).sum(1) / (signal.sum(1) * background.sum(1))
    return torch.where(scores.isfinite().all(dim=1), area, torch.nan)
