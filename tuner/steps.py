"""Steps that are packages and public functions at once: `tuner.evaluate(search)` calls the package's own step."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableStep(ModuleType):
    """A package whose call is the function of its own name in its module `step`, imported when called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Take the step."""
        verb = self.__name__.rpartition(".")[2]
        return getattr(import_module(f"{self.__name__}.step"), verb)(*args, **kwargs)


def make_callable(package: str) -> None:
    """Make an imported package callable. For the last line of its `__init__.py`."""
    sys.modules[package].__class__ = CallableStep
