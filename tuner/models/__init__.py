"""Networks and their settings. Names are loaded when first used: search spaces import this package without torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.models.embeddings import PeriodicSettings, PiecewiseLinearSettings
    from tuner.models.ft_transformer import FTTransformerSettings
    from tuner.models.mlp import MLPSettings
    from tuner.models.realmlp import RealMLPSettings
    from tuner.models.resnet import ResNetSettings
    from tuner.models.snn import SNNSettings
    from tuner.models.tabm import TabMSettings

__all__ = [
    "FTTransformerSettings",
    "MLPSettings",
    "PeriodicSettings",
    "PiecewiseLinearSettings",
    "RealMLPSettings",
    "ResNetSettings",
    "SNNSettings",
    "TabMSettings",
]

_HOMES = {
    "FTTransformerSettings": "ft_transformer",
    "MLPSettings": "mlp",
    "PeriodicSettings": "embeddings",
    "PiecewiseLinearSettings": "embeddings",
    "RealMLPSettings": "realmlp",
    "ResNetSettings": "resnet",
    "SNNSettings": "snn",
    "TabMSettings": "tabm",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
