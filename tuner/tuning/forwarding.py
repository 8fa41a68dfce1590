"""A storage that passes calls on to another one."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from optuna.storages import BaseStorage


class Forwarding(BaseStorage):
    """Passes each call on that a subclass does not answer itself; subclasses are decorated with `forward_all`."""

    def __init__(self, inner: BaseStorage) -> None:
        self.inner = inner

    def forward(self, method: str, arguments: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        """Return what the storage behind this one answers to a call."""
        return getattr(self.inner, method)(*arguments, **options)


F = TypeVar("F", bound=Forwarding)


def forward_all(kind: type[F]) -> type[F]:
    """Give a class each public method of a storage that it has not itself."""

    def make(name: str) -> Callable[..., Any]:
        def call(self: Forwarding, *arguments: Any, **options: Any) -> Any:
            return self.forward(name, arguments, options)

        call.__name__ = name
        return call

    for name, value in vars(BaseStorage).items():
        if callable(value) and not name.startswith("_") and name not in vars(kind):
            setattr(kind, name, make(name))
    return abc.update_abstractmethods(kind)
