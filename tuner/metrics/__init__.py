"""Weighted figures of merit: pure functions of labels, scores and event weights."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.metrics.curves import auc as auc
    from tuner.metrics.curves import roc as roc

_ROOMS = {
    "auc": "curves",
    "roc": "curves",
}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: figures of merit are named in studies, and those must stay light."""
    if name in _ROOMS:
        return getattr(import_module(f"tuner.metrics.{_ROOMS[name]}"), name)
    raise AttributeError(f'module "tuner.metrics" has no attribute "{name}"')
