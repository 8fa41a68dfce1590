"""TabM (arXiv:2410.24210), from `tabm`: k perceptrons that share most parameters, trained as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from tuner.errors import MissingPackage
from tuner.fields import check_keywords
from tuner.models.embeddings import EmbeddingSettings
from tuner.models.layers import exchange_dropout
from tuner.models.settings import KNOB, check_settings, is_count


@check_keywords
@dataclass(frozen=True, kw_only=True)
class TabMSettings:
    """Settings of a `TabM`; defaults as in the paper."""

    n_blocks: int = 3
    """Hidden layers; the paper takes 2 with embeddings."""
    d_block: int = 512
    """Units of each hidden layer."""
    k: int = 32
    """Perceptrons in the ensemble."""
    dropout: float = field(default=0.1, metadata=KNOB)
    """Share of each hidden layer's outputs that a training step drops, for each of the k anew."""
    embedding: EmbeddingSettings | None = None
    """How features become vectors; None for the bare features."""

    def __post_init__(self) -> None:
        checks = {
            "`n_blocks` must be at least 1": is_count(self.n_blocks),
            "`d_block` must be at least 1": is_count(self.d_block),
            "`k` must be at least 1": is_count(self.k),
            "`dropout` must be in [0, 1)": 0 <= self.dropout < 1,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> TabM:
        """Return the network for d_in features. Raises `MissingPackage` without the extra "networks"."""
        return TabM(self, d_in)


class TabM(nn.Module):
    """The authors' network with dropout that trains in packs.

    In training each of the k perceptrons has its own loss; judged is the mean of their probabilities.
    """

    def __init__(self, settings: TabMSettings, d_in: int) -> None:
        super().__init__()
        try:
            import tabm
        except ImportError as error:
            raise MissingPackage("tabm", "networks", "TabM") from error
        network = tabm.TabM.make(
            n_num_features=d_in,
            num_embeddings=None if settings.embedding is None else settings.embedding.build(d_in),
            d_out=1,
            n_blocks=settings.n_blocks,
            d_block=settings.d_block,
            dropout=settings.dropout,
            k=settings.k,
        )
        self.network = exchange_dropout(network)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of prepared features [n, d_in]: [n, k] in training, [n] in evaluation."""
        # The authors' `forward` puts kinds of features side by side by `column_stack`, which `torch.vmap` cannot batch.
        # There is one kind here: its parts, called one by one, are the same.
        network: Any = self.network
        if network.num_module is not None:
            x = network.num_module(x).flatten(-2)
        logits: Tensor = network.output(network.backbone(network.ensemble_view(x))).squeeze(-1)
        return logits if self.training else average_probabilities(logits)


def average_probabilities(logits: Tensor) -> Tensor:
    """Return the logit of the mean probability over the last axis, without leaving the scale of logarithms."""
    signal, background = F.logsigmoid(logits), F.logsigmoid(-logits)
    return torch.logsumexp(signal, -1) - torch.logsumexp(background, -1)
