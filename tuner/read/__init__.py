"""Step 1, get the data: where events come from, and reading them into columns with roles."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.read.events import Events as Events
    from tuner.read.resonance import Resonance as Resonance
    from tuner.read.sources import File as File
    from tuner.read.sources import OpenML as OpenML
    from tuner.read.step import read_events as read_events
    from tuner.read.step import read_features as read_features
    from tuner.read.variants import read_variant as read_variant

_ROOMS = {
    "Events": "events",
    "File": "sources",
    "OpenML": "sources",
    "Resonance": "resonance",
    "read_events": "step",
    "read_features": "step",
    "read_variant": "variants",
}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: study files stay light."""
    if name in _ROOMS:
        return getattr(import_module(f"tuner.read.{_ROOMS[name]}"), name)
    raise AttributeError(f'module "tuner.read" has no attribute "{name}"')
