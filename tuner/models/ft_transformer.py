"""The FT-Transformer of Gorishniy et al. (arXiv:2106.11959), from `rtdl_revisiting_models`."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from tuner.errors import MissingPackage
from tuner.fields import check_keywords
from tuner.models.layers import Dropout, exchange_dropout
from tuner.models.settings import KNOB, check_settings, is_count


@check_keywords
@dataclass(frozen=True, kw_only=True)
class FTTransformerSettings:
    """Settings of an `FTTransformer`; defaults as in the paper."""

    n_blocks: int = 3
    """Blocks of attention and feed-forward layer."""
    d_token: int = 192
    """Length of each feature's token, a multiple of `n_heads`."""
    n_heads: int = 8
    """Attention heads."""
    hidden_factor: float = 4 / 3
    """Width of the feed-forward layers (ReGLU), in units of `d_token`."""
    attention_dropout: float = field(default=0.2, metadata=KNOB)
    """Dropout of attention probabilities."""
    hidden_dropout: float = field(default=0.1, metadata=KNOB)
    """Dropout inside the feed-forward layers."""
    residual_dropout: float = field(default=0.0, metadata=KNOB)
    """Dropout of what a layer adds."""

    def __post_init__(self) -> None:
        checks = {
            "`n_blocks` must be at least 1": is_count(self.n_blocks),
            "`n_heads` must be at least 1": is_count(self.n_heads),
            "`d_token` must be a multiple of `n_heads`": is_count(self.d_token) and self.d_token % self.n_heads == 0,
            "`hidden_factor` must leave at least one unit": self.d_token * self.hidden_factor >= 1,
            "`attention_dropout` must be in [0, 1)": 0 <= self.attention_dropout < 1,
            "`hidden_dropout` must be in [0, 1)": 0 <= self.hidden_dropout < 1,
            "`residual_dropout` must be in [0, 1)": 0 <= self.residual_dropout < 1,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> FTTransformer:
        """Return the network for d_in features. Raises `MissingPackage` without the extra "networks"."""
        return FTTransformer(self, d_in)


class FTTransformer(nn.Module):
    """The authors' network with dropout that trains in packs, and one logit."""

    def __init__(self, settings: FTTransformerSettings, d_in: int) -> None:
        super().__init__()
        try:
            import rtdl_revisiting_models as rtdl
        except ImportError as error:
            raise MissingPackage("rtdl_revisiting_models", "networks", "An FT-Transformer") from error
        network = rtdl.FTTransformer(
            n_cont_features=d_in,
            cat_cardinalities=[],
            d_out=1,
            n_blocks=settings.n_blocks,
            d_block=settings.d_token,
            attention_n_heads=settings.n_heads,
            attention_dropout=0.0,
            ffn_d_hidden_multiplier=settings.hidden_factor,
            ffn_dropout=settings.hidden_dropout,
            residual_dropout=settings.residual_dropout,
        )
        # The authors leave attention dropout out where its rate is zero: then a pack's members would differ in shape.
        for block in network.backbone.blocks:
            block["attention"].dropout = Dropout(settings.attention_dropout)
        self.network = exchange_dropout(network)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n] of prepared features [n, d_in]."""
        logits: Tensor = self.network(x, None)
        return logits.squeeze(-1)
