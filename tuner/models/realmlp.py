"""A perceptron after RealMLP (arXiv:2407.04491): parametrised so that one setting does well on most tables.

Taken over: embeddings of each feature as periodic functions with phases, a linear layer and the feature itself
("PBLD"); a learned scale of each input; the neural-tangent parametrisation; parametric activations; learning rates
that differ between kinds of parameters. A factor f on a learning rate is written as a parameter that is multiplied by
f where it is used, and starts 1/f times as large: for Adam that is the same.

Different: features come as normal scores, not robustly scaled and clipped; weights and biases start from the unit
normal, not fitted to a batch of events, and the last layer from zero (both as in the authors' simpler variant, TD-S);
dropout and weight decay stay constant where theirs follow the schedule, and embeddings do not decay; schedule, label
smoothing and beta_2 are the training's (theirs: "coslog4", 0.1 and 0.95).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from tuner.fields import check_keywords
from tuner.models.layers import Dropout
from tuner.models.mlp import ACTIVATIONS, ActivationKind
from tuner.models.settings import KNOB, check_settings, is_count

SCALE_RATE, BIAS_RATE, ACTIVATION_RATE, EMBEDDING_RATE = 6.0, 0.1, 0.1, 0.1
"""Factors on the learning rate, from the authors' `RealMLP_TD_CLASS`."""


@check_keywords
@dataclass(frozen=True, kw_only=True)
class RealMLPSettings:
    """Settings of a `RealMLP`; defaults as in the paper."""

    widths: tuple[int, ...] = (256, 256, 256)
    """Units of each hidden layer, first to last."""
    activation: ActivationKind = "selu"
    """What follows each hidden layer, mixed with the identity in a learned proportion."""
    dropout: float = field(default=0.15, metadata=KNOB)
    """Share of each hidden layer's outputs that a training step drops."""
    n_frequencies: int = 16
    """Periodic functions of each feature; 0 for no embeddings."""
    d_embedding: int = 4
    """Length of a feature's vector, of which one is the feature itself."""
    scale: float = field(default=0.1, metadata=KNOB)
    """Standard deviation of the first frequencies, per unit of the prepared feature."""

    def __post_init__(self) -> None:
        checks = {
            "`widths` must be whole numbers of at least 1": bool(self.widths) and all(map(is_count, self.widths)),
            f"`activation` must be one of {', '.join(ACTIVATIONS)}": self.activation in ACTIVATIONS,
            "`dropout` must be in [0, 1)": 0 <= self.dropout < 1,
            "`n_frequencies` must not be negative": is_count(self.n_frequencies, 0),
            "`d_embedding` must be at least 2": is_count(self.d_embedding, 2),
            "`scale` must be above 0": self.scale > 0,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> RealMLP:
        """Return the network for d_in features."""
        return RealMLP(self, d_in)


class RealMLP(nn.Module):
    """Embeddings, a scale for each input, hidden layers, one logit."""

    def __init__(self, settings: RealMLPSettings, d_in: int) -> None:
        super().__init__()
        self.embedding: nn.Module = nn.Identity()
        d_first = d_in
        if settings.n_frequencies:
            self.embedding = PBLD(d_in, settings)
            d_first = d_in * settings.d_embedding
        widths = (d_first, *settings.widths)
        hidden = [
            nn.Sequential(NTKLinear(a, b), ParametricActivation(settings.activation, b), Dropout(settings.dropout))
            for a, b in pairwise(widths)
        ]
        self.scale = nn.Parameter(torch.full((d_first,), 1 / SCALE_RATE))
        self.layers = nn.Sequential(*hidden)
        self.output = NTKLinear(widths[-1], 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n] of prepared features [n, d_in]."""
        logits: Tensor = self.output(self.layers(SCALE_RATE * self.scale * self.embedding(x)))
        return logits.squeeze(-1)


class PBLD(nn.Module):
    """cos(2 pi w x + b), a linear layer for each feature, and the feature itself: [n, d_in] to [n, d_in * d]."""

    def __init__(self, d_in: int, settings: RealMLPSettings) -> None:
        super().__init__()
        k, d = settings.n_frequencies, settings.d_embedding - 1
        bound = k**-0.5
        self.frequency = nn.Parameter(torch.randn(d_in, k) * settings.scale / EMBEDDING_RATE)
        self.phase_bias = nn.Parameter(torch.empty(d_in, k).uniform_(-math.pi, math.pi) / EMBEDDING_RATE)
        self.weight = nn.Parameter(torch.empty(d_in, k, d).uniform_(-bound, bound) / EMBEDDING_RATE)
        self.bias = nn.Parameter(torch.empty(d_in, d).uniform_(-bound, bound) / EMBEDDING_RATE)

    def forward(self, x: Tensor) -> Tensor:
        """Return embeddings [n, d_in * d_embedding]."""
        angle = EMBEDDING_RATE * (2 * math.pi * self.frequency * x[..., None] + self.phase_bias)
        waves = torch.einsum("nik,ikd->nid", torch.cos(angle), self.weight)
        return torch.cat([x[..., None], EMBEDDING_RATE * (waves + self.bias)], -1).flatten(-2)


class NTKLinear(nn.Module):
    """A linear layer whose weights start from the unit normal and are divided by sqrt(d_in) where they are used."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d_out, d_in))
        self.bias = nn.Parameter(torch.randn(d_out) / BIAS_RATE)
        self.factor = d_in**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, d_out] for [n, d_in]."""
        return nn.functional.linear(x, self.factor * self.weight, BIAS_RATE * self.bias)


class ParametricActivation(nn.Module):
    """x + a (f(x) - x) with a learned a for each unit, 1 at first."""

    def __init__(self, kind: ActivationKind, d: int) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[kind]()
        self.weight = nn.Parameter(torch.full((d,), 1 / ACTIVATION_RATE))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation, of x's shape."""
        activated: Tensor = self.activation(x)
        return x + ACTIVATION_RATE * self.weight * (activated - x)
