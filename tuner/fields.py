"""Fields of frozen dataclasses: what is meant becomes what is declared, the rest is refused in a sentence each."""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Hashable, Iterable, Mapping
from enum import Enum
from functools import cache, wraps
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

from tuner.errors import StudyError, raise_together, suggest_name

T = TypeVar("T")

_MISFIT = object()

_FORMER = {("Preparation", "balance"): "training_weights"}
"""Keywords of before, by class, and those that have taken their place."""

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    NoneType: "None",
    Path: "a path",
}


def settle_fields(settings: object, subject: str) -> None:
    """Make the fields of a frozen dataclass what their annotations say; raise one `StudyError` of all that are not.

    NumPy's numbers become Python's, a whole float an int, a list or an array a tuple, and a member of an enumeration
    its value, where that is what is declared. Annotations whose names are imported for type checkers only fit anything.
    """
    problems = []
    for name, kind in _resolve(cast("Hashable", type(settings))).items():
        value = getattr(settings, name)
        settled = _settle(value, kind)
        if settled is _MISFIT:
            problems.append(f"`{name}` must be {_describe(kind)}, but is {show_value(value)}.")
        elif settled is not value:
            object.__setattr__(settings, name, settled)
    raise_together(problems, StudyError, subject)


def check_keywords(kind: type[T]) -> type[T]:
    """Have a keyword-only dataclass refuse unknown and missing keywords in a sentence each. A decorator.

    The nearest name is suggested for one that is not known. Raises one `StudyError`, as `settle_fields` does.
    """
    make = kind.__init__
    known = {name: known for name, known in inspect.signature(make).parameters.items() if name != "self"}
    needed = [name for name, parameter in known.items() if parameter.default is parameter.empty]

    @wraps(make)
    def check_and_make(self: T, *values: Any, **named: Any) -> None:
        unknown = [
            f"`{name}` is not one of its keywords.{_suggest_keyword(kind, name, known)}"
            for name in named
            if name not in known
        ]
        missing = [f"`{name}` is missing." for name in needed if name not in named]
        if not values:  # else Python's own error tells that there are only keywords
            raise_together([*unknown, *missing], StudyError, kind.__name__)
        make(self, *values, **named)

    kind.__init__ = check_and_make  # type: ignore[assignment]
    return kind


def _suggest_keyword(kind: type, name: str, known: Iterable[str]) -> str:
    """Return a sentence, after a blank, on the keyword that is meant; an empty text where none is near."""
    now = _FORMER.get((kind.__name__, name))
    return suggest_name(name, known) if now is None else f" `{now}` has taken its place."


def to_plain(value: Any) -> Any:
    """Return a NumPy number as Python's; anything else as it is."""
    is_number = type(value).__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item")
    return value.item() if is_number else value


class _Names(dict[str, Any]):
    """Names of a module; any other stands for anything."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, Any)


@cache
def _resolve(kind: Hashable) -> dict[str, Any]:
    """Return the annotation of each field of a dataclass."""
    names = _Names(vars(sys.modules[kind.__module__]))
    texts = inspect.get_annotations(cast("type", kind))
    return {name: eval(text, {}, names) if isinstance(text, str) else text for name, text in texts.items()}


def _settle(value: Any, kind: Any) -> Any:
    """Return a value as what is declared; `_MISFIT` where it cannot be meant."""
    value = to_plain(value)
    if kind in (Any, object):
        return value
    if kind in (int, float, str):
        return _settle_scalar(value, kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is None:
        return value if isinstance(value, NoneType if kind is None else kind) else _MISFIT
    return _settle_generic(value, origin, arguments)


def _settle_generic(value: Any, origin: Any, arguments: tuple[Any, ...]) -> Any:
    """Return a value as one of several kinds, one of several values, a tuple, a mapping or a function."""
    if origin in (Union, UnionType):
        found = (_settle(value, arm) for arm in arguments)
        return next((settled for settled in found if settled is not _MISFIT), _MISFIT)
    if origin is Literal:
        opened = _open(value)
        return opened if isinstance(opened, str) and opened in arguments else _MISFIT
    if origin is tuple:
        return _settle_tuple(value, arguments)
    return value if isinstance(value, origin) else _MISFIT


def _settle_tuple(value: Any, kinds: tuple[Any, ...]) -> Any:
    """Return a sequence as a tuple of what is declared."""
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__") or isinstance(value, type):
        return _MISFIT
    items = list(value)
    expected = [kinds[0]] * len(items) if kinds[-1] is Ellipsis else list(kinds)
    if len(items) != len(expected):
        return _MISFIT
    settled = tuple(_settle(item, kind) for item, kind in zip(items, expected, strict=True))
    if any(item is _MISFIT for item in settled):
        return _MISFIT
    same = isinstance(value, tuple) and all(a is b for a, b in zip(settled, value, strict=True))
    return value if same else settled


def _settle_scalar(value: Any, kind: type) -> Any:
    """Return a number or a text."""
    value = _open(value)
    if kind is str:
        return value if isinstance(value, str) else _MISFIT
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _MISFIT
    if kind is int and isinstance(value, float):
        return int(value) if value.is_integer() else _MISFIT
    return value


def _open(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _describe(kind: Any) -> str:
    """Return in words what is declared."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_describe, arguments)))
    if origin is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in arguments)
    if origin is tuple:
        inner = _describe(arguments[0])
        return f"a tuple, each {inner}" if arguments[-1] is Ellipsis else f"a tuple of {len(arguments)}, each {inner}"
    if origin is not None:
        return "a mapping" if issubclass(origin, Mapping) else "a function"
    if getattr(kind, "_is_protocol", False):
        return f"`{kind.__name__}` (with {', '.join(name for name in vars(kind) if name[0] != '_')})"
    return _WORDS.get(kind, f"`{getattr(kind, '__name__', kind)}`")


def show_value(value: Any) -> str:
    """Return a value as it is shown in a message: short, and a class as such."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
