"""A self-normalizing network (arXiv:1706.02515): SELU, alpha dropout, LeCun's initialisation."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from tuner.fields import check_keywords
from tuner.models.layers import AlphaDropout
from tuner.models.settings import KNOB, check_settings, is_count


@check_keywords
@dataclass(frozen=True, kw_only=True)
class SNNSettings:
    """Settings of an `SNN`."""

    widths: tuple[int, ...] = (256, 256, 256, 256)
    """Units of each hidden layer, first to last."""
    dropout: float = field(default=0.0, metadata=KNOB)
    """Share of each hidden layer's outputs that alpha dropout puts to SELU's lowest value."""

    def __post_init__(self) -> None:
        checks = {
            "`widths` must be whole numbers of at least 1": bool(self.widths) and all(map(is_count, self.widths)),
            "`dropout` must be in [0, 1)": 0 <= self.dropout < 1,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> SNN:
        """Return the network for d_in features."""
        return SNN(self, d_in)


class SNN(nn.Sequential):
    """Linear, SELU, alpha dropout, again and again; a linear layer to one logit.

    Gives logits [n] of prepared features [n, d_in].
    """

    def __init__(self, settings: SNNSettings, d_in: int) -> None:
        widths = (d_in, *settings.widths)
        layers = [
            nn.Sequential(make_linear(a, b), nn.SELU(), AlphaDropout(settings.dropout)) for a, b in pairwise(widths)
        ]
        parts = {"layers": nn.Sequential(*layers), "output": make_linear(widths[-1], 1), "flatten": nn.Flatten(0)}
        super().__init__(OrderedDict(parts))


def make_linear(d_in: int, d_out: int) -> nn.Linear:
    """Return a linear layer with weights of variance 1/d_in and no bias at first."""
    linear = nn.Linear(d_in, d_out)
    nn.init.kaiming_normal_(linear.weight, nonlinearity="linear")
    nn.init.zeros_(linear.bias)
    return linear
