"""Frozen dataclasses of numbers as JSON and back: what is infinite or not a number is null, as JSON knows neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import inf, isfinite, nan
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from tuner.metrics.measurement import Measurement

T = TypeVar("T")


def tell(content: Any) -> Any:
    """Return what `dataclasses.asdict` gave with null in place of numbers that JSON does not know."""
    if isinstance(content, Mapping):
        return {name: tell(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [tell(value) for value in content]
    return None if isinstance(content, float) and not isfinite(content) else content


def build(kind: type[T], content: Any) -> T:
    """Return a dataclass from its JSON, by the types of its fields; a field that is not there has its default.

    A null is not-a-number, but infinity in a `threshold`, and in a `Measurement` whose lower end is finite.
    """
    hints = get_type_hints(kind)
    known = {field.name: content[field.name] for field in fields(kind) if field.name in content}  # type: ignore[arg-type]
    if kind is Measurement:
        unbounded = inf if content["low"] is not None else nan
        known = {
            name: value if value is not None else nan if name == "low" else unbounded for name, value in known.items()
        }
    elif known.get("threshold", 0.0) is None:
        known["threshold"] = inf
    return kind(**{name: _build_field(hints[name], value) for name, value in known.items()})


def _build_field(kind: Any, value: Any) -> Any:
    """Return a field's value by its type: dataclasses, tuples and mappings of these, optional ones, plain values."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is UnionType:
        if value is None and NoneType in arguments:
            return None
        return _build_field(next(kind for kind in arguments if kind is not NoneType), value)
    if origin is tuple:
        return tuple(_build_field(arguments[0], one) for one in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _build_field(arguments[1], one) for name, one in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        return build(kind, value)
    return nan if kind is float and value is None else value
