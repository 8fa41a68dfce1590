"""One small setting of every network, without dropout, for tests that every network must pass."""

from __future__ import annotations

import pytest

from tuner import models
from tuner.training.settings import NetworkSettings

PERIODIC = models.PeriodicSettings(n_frequencies=4, d_embedding=3)
PIECEWISE = models.PiecewiseLinearSettings(n_bins=5, d_embedding=3)

NETWORKS: dict[str, NetworkSettings] = {
    "mlp": models.MLPSettings(widths=(16, 8)),
    "mlp layer": models.MLPSettings(widths=(16, 8), normalisation="layer", activation="silu"),
    "mlp batch": models.MLPSettings(widths=(16, 8), normalisation="batch", activation="gelu"),
    "mlp periodic": models.MLPSettings(widths=(16,), embedding=PERIODIC, activation="mish"),
    "mlp piecewise": models.MLPSettings(widths=(16,), embedding=PIECEWISE, activation="selu"),
    "snn": models.SNNSettings(widths=(16, 8)),
    "realmlp": models.RealMLPSettings(widths=(16, 8), dropout=0.0),
    "realmlp bare": models.RealMLPSettings(widths=(16, 8), dropout=0.0, n_frequencies=0),
    "resnet": models.ResNetSettings(d_block=8, hidden_dropout=0.0),
    "ft_transformer": models.FTTransformerSettings(
        n_blocks=2, d_token=8, n_heads=2, attention_dropout=0.0, hidden_dropout=0.0
    ),
    "tabm": models.TabMSettings(n_blocks=2, d_block=8, k=4, dropout=0.0),
    "tabm periodic": models.TabMSettings(n_blocks=1, d_block=8, k=4, dropout=0.0, embedding=PERIODIC),
    "tabm piecewise": models.TabMSettings(n_blocks=1, d_block=8, k=4, dropout=0.0, embedding=PIECEWISE),
}

PACKAGES = {"resnet": "rtdl_revisiting_models", "ft_transformer": "rtdl_revisiting_models", "tabm": "tabm"}


@pytest.fixture(params=NETWORKS)
def settings(request: pytest.FixtureRequest) -> NetworkSettings:
    """A setting of each network; skipped where its package is not installed."""
    if package := PACKAGES.get(request.param.split()[0]):
        pytest.importorskip(package)
    return NETWORKS[request.param]
