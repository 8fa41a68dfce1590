"""A multilayer perceptron, with numerical embeddings if wanted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from torch import nn

from tuner.fields import check_keywords
from tuner.models.embeddings import EmbeddingSettings, build_embedding
from tuner.models.layers import Dropout
from tuner.models.settings import KNOB, check_settings, is_count

ActivationKind = Literal["relu", "silu", "gelu", "selu", "mish"]
NormalisationKind = Literal["none", "layer", "batch"]

ACTIVATIONS: dict[ActivationKind, type[nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "selu": nn.SELU,
    "mish": nn.Mish,
}
NORMALISATIONS: dict[NormalisationKind, type[nn.Module]] = {
    "none": nn.Identity,
    "layer": nn.LayerNorm,
    "batch": nn.BatchNorm1d,
}


@check_keywords
@dataclass(frozen=True, kw_only=True)
class MLPSettings:
    """Settings of an `MLP`."""

    widths: tuple[int, ...] = (256, 256)
    """Units of each hidden layer, first to last."""
    activation: ActivationKind = "relu"
    """What follows each hidden layer."""
    normalisation: NormalisationKind = "none"
    """What stands between a hidden layer and its activation."""
    dropout: float = field(default=0.0, metadata=KNOB)
    """Share of each hidden layer's outputs that a training step drops."""
    embedding: EmbeddingSettings | None = None
    """How features become vectors; None for the bare features."""

    def __post_init__(self) -> None:
        checks = {
            "`widths` must be whole numbers of at least 1": bool(self.widths) and all(map(is_count, self.widths)),
            f"`activation` must be one of {', '.join(ACTIVATIONS)}": self.activation in ACTIVATIONS,
            f"`normalisation` must be one of {', '.join(NORMALISATIONS)}": self.normalisation in NORMALISATIONS,
            "`dropout` must be in [0, 1)": 0 <= self.dropout < 1,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> MLP:
        """Return the network for d_in features."""
        return MLP(self, d_in)


class MLP(nn.Sequential):
    """Linear, normalisation, activation, dropout, again and again; a linear layer to one logit.

    Gives logits [n] of prepared features [n, d_in].
    """

    def __init__(self, settings: MLPSettings, d_in: int) -> None:
        embedding, d_first = build_embedding(settings.embedding, d_in)
        widths = (d_first, *settings.widths)
        layers = nn.Sequential(*(make_layer(settings, a, b) for a, b in pairwise(widths)))
        output = nn.Linear(widths[-1], 1)
        parts = {"embedding": embedding, "layers": layers, "output": output, "flatten": nn.Flatten(0)}
        super().__init__(OrderedDict(parts))


def make_layer(settings: MLPSettings, d_in: int, d_out: int) -> nn.Module:
    """Return one hidden layer."""
    return nn.Sequential(
        nn.Linear(d_in, d_out, bias=settings.normalisation != "batch"),  # its shift would be subtracted again
        NORMALISATIONS[settings.normalisation](d_out),
        ACTIVATIONS[settings.activation](),
        Dropout(settings.dropout),
    )
