"""Networks and their settings. Names are loaded when first used: search spaces import this package without torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.models.embeddings import PeriodicSettings, PiecewiseLinearSettings
    from tuner.models.mlp import MLPSettings

_HOMES = {
    "MLPSettings": "mlp",
    "PeriodicSettings": "embeddings",
    "PiecewiseLinearSettings": "embeddings",
}

__all__ = ["MLPSettings", "PeriodicSettings", "PiecewiseLinearSettings"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
