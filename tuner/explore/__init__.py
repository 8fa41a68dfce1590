"""Step 2, visualize: look at the events before any network does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.explore.exploration import Exploration as Exploration
    from tuner.explore.step import explore_events as explore_events

_ROOMS = {"Exploration": "exploration", "explore_events": "step"}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _ROOMS:
        return getattr(import_module(f"tuner.explore.{_ROOMS[name]}"), name)
    raise AttributeError(f'module "tuner.explore" has no attribute "{name}"')
