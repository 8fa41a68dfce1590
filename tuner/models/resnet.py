"""The residual network for tables of Gorishniy et al. (arXiv:2106.11959), from `rtdl_revisiting_models`."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from tuner.errors import MissingPackage
from tuner.fields import check_keywords
from tuner.models.layers import exchange_dropout
from tuner.models.settings import KNOB, check_settings, is_count


@check_keywords
@dataclass(frozen=True, kw_only=True)
class ResNetSettings:
    """Settings of a `ResNet`; defaults as in the paper."""

    n_blocks: int = 2
    """Residual blocks: BatchNorm, linear, ReLU, dropout, linear, dropout."""
    d_block: int = 192
    """Width of the residual stream."""
    hidden_factor: float = 2.0
    """Width inside a block, in units of `d_block`."""
    hidden_dropout: float = field(default=0.3, metadata=KNOB)
    """Dropout inside a block."""
    residual_dropout: float = field(default=0.0, metadata=KNOB)
    """Dropout of what a block adds."""

    def __post_init__(self) -> None:
        checks = {
            "`n_blocks` must be at least 1": is_count(self.n_blocks),
            "`d_block` must be at least 1": is_count(self.d_block),
            "`hidden_factor` must leave at least one unit": self.d_block * self.hidden_factor >= 1,
            "`hidden_dropout` must be in [0, 1)": 0 <= self.hidden_dropout < 1,
            "`residual_dropout` must be in [0, 1)": 0 <= self.residual_dropout < 1,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> ResNet:
        """Return the network for d_in features. Raises `MissingPackage` without the extra "networks"."""
        return ResNet(self, d_in)


class ResNet(nn.Module):
    """The authors' network with dropout that trains in packs, and one logit."""

    def __init__(self, settings: ResNetSettings, d_in: int) -> None:
        super().__init__()
        try:
            import rtdl_revisiting_models as rtdl
        except ImportError as error:
            raise MissingPackage("rtdl_revisiting_models", "networks", "A ResNet") from error
        network = rtdl.ResNet(
            d_in=d_in,
            d_out=1,
            n_blocks=settings.n_blocks,
            d_block=settings.d_block,
            d_hidden_multiplier=settings.hidden_factor,
            dropout1=settings.hidden_dropout,
            dropout2=settings.residual_dropout,
        )
        self.network = exchange_dropout(network)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n] of prepared features [n, d_in]."""
        logits: Tensor = self.network(x)
        return logits.squeeze(-1)
