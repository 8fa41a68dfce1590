"""Step 3, prepare: split, fill what is undefined, scale, weight for training."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tuner.prepare.preparation import Preparation as Preparation

if TYPE_CHECKING:
    from tuner.prepare.preprocessing import Preprocessing as Preprocessing
    from tuner.prepare.splits import Splits as Splits
    from tuner.prepare.splits import load_splits as load_splits
    from tuner.prepare.splits import prepare_splits as prepare_splits
    from tuner.prepare.splits import save_splits as save_splits

_ROOMS = {
    "Preprocessing": "preprocessing",
    "Splits": "splits",
    "load_splits": "splits",
    "prepare_splits": "splits",
    "save_splits": "splits",
}

__all__ = ["Preparation", *_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: study files stay light."""
    if name in _ROOMS:
        return getattr(import_module(f"tuner.prepare.{_ROOMS[name]}"), name)
    raise AttributeError(f'module "tuner.prepare" has no attribute "{name}"')
