"""Embeddings of numerical features (arXiv:2203.05556): each feature becomes a vector before the first layer."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from rtdl_num_embeddings import PeriodicEmbeddings, PiecewiseLinearEmbeddings
from torch import Tensor, nn

from tuner.fields import check_keywords
from tuner.models.settings import KNOB, check_settings, is_count

OUTERMOST = 4.0
"""Outermost edges of bins: normal scores of 60,000 events reach about this far."""


@check_keywords
@dataclass(frozen=True, kw_only=True)
class PeriodicSettings:
    """Sines and cosines of learned frequencies, a linear layer, ReLU ("PLR")."""

    n_frequencies: int = 16
    """Frequencies of each feature; the paper's default is 48."""
    d_embedding: int = 16
    """Length of a feature's vector."""
    scale: float = field(default=0.1, metadata=KNOB)
    """Standard deviation of the first frequencies, per unit of the prepared feature."""
    lite: bool = False
    """One linear layer for all features (TabR, arXiv:2307.14338) in place of one for each."""

    def __post_init__(self) -> None:
        checks = {
            "`n_frequencies` must be at least 1": is_count(self.n_frequencies),
            "`d_embedding` must be at least 1": is_count(self.d_embedding),
            "`scale` must be above 0": self.scale > 0,
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> nn.Module:
        """Return a module from [n, d_in] to [n, d_in, d_embedding]."""
        embeddings: nn.Module = PeriodicEmbeddings(
            d_in,
            self.d_embedding,
            n_frequencies=self.n_frequencies,
            frequency_init_scale=self.scale,
            lite=self.lite,
        )
        return embeddings


@check_keywords
@dataclass(frozen=True, kw_only=True)
class PiecewiseLinearSettings:
    """A linear function of the feature with a learned change of slope in each bin (TabM's version "B")."""

    n_bins: int = 16
    """Bins of each feature, equally filled where the prepared feature is a normal score."""
    d_embedding: int = 16
    """Length of a feature's vector."""

    def __post_init__(self) -> None:
        checks = {
            "`n_bins` must be at least 2": is_count(self.n_bins, 2),
            "`d_embedding` must be at least 1": is_count(self.d_embedding),
        }
        check_settings(self, checks)

    def build(self, d_in: int) -> nn.Module:
        """Return a module from [n, d_in] to [n, d_in, d_embedding]."""
        edges = normal_quantiles(self.n_bins)
        embeddings: nn.Module = PiecewiseLinearEmbeddings(
            [edges] * d_in, self.d_embedding, activation=False, version="B"
        )
        return embeddings


EmbeddingSettings = PeriodicSettings | PiecewiseLinearSettings


def build_embedding(settings: EmbeddingSettings | None, d_in: int) -> tuple[nn.Module, int]:
    """Return a module from features [n, d_in] to [n, d], and d; it passes features on where there are no settings."""
    if settings is None:
        return nn.Identity(), d_in
    return nn.Sequential(settings.build(d_in), nn.Flatten(-2)), d_in * settings.d_embedding


def normal_quantiles(n_bins: int) -> Tensor:
    """Return edges [n_bins + 1] between which the standard normal has equal shares; the outermost are at +-4."""
    shares = torch.linspace(0, 1, n_bins + 1, dtype=torch.float64)
    edges: Tensor = torch.special.ndtri(shares).clamp(-OUTERMOST, OUTERMOST).float()
    return edges
