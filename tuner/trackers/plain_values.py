"""Values of any kind as what a tracker can store: numbers, text, lists and mappings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.trackers.base import Artifact

DEEPEST = 20
"""Levels of nested values; what lies deeper is written as text."""


def make_plain(value: Any, *, depth: int = 0) -> Any:
    """Return a value as Python's own numbers, text, lists and dicts with names as keys. It never raises."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return _make_builtin(value)
    if depth < DEEPEST:
        try:
            if isinstance(value, Mapping):
                return {_show(name): make_plain(item, depth=depth + 1) for name, item in value.items()}
            if isinstance(value, (list, tuple, Set)):
                return [make_plain(item, depth=depth + 1) for item in value]
            if hasattr(value, "tolist"):  # NumPy's and PyTorch's numbers and arrays
                return make_plain(value.tolist(), depth=depth + 1)
        except Exception:
            return _show(value)
    return _show(value)


def flatten(values: Mapping[str, Any], *, before: str = "") -> dict[str, Any]:
    """Return plain values without nested mappings: `{"a": {"b": 1}}` as `{"a/b": 1}`; lists and `None` as text."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, before=f"{before}{name}/")
        else:
            flat[f"{before}{name}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return flat


def split_numbers(values: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Return flattened plain values as those that are numbers and those that are not."""
    flat = flatten(values)
    numbers = {name: to_float(value) for name, value in flat.items() if is_number(value)}
    return numbers, {name: str(value) for name, value in flat.items() if name not in numbers}


def is_number(value: Any) -> bool:
    """Return whether a plain value is a number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def to_float(value: float) -> float:
    """Return a number as a float; one that is too large for that as infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def name_odd_number(value: float) -> str:
    """Return not-a-number or an infinity as text, as in `evaluation.json`."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def make_strict(value: Any, replace: Callable[[float], Any] = name_odd_number) -> Any:
    """Return a value for strict JSON, which has neither NaN nor infinities: `replace` gives what stands for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return replace(value)
    if isinstance(value, Mapping):
        return {str(name): make_strict(item, replace) for name, item in value.items()}
    return [make_strict(item, replace) for item in value] if isinstance(value, (list, tuple)) else value


def describe_artifact(artifact: Artifact, files: Sequence[Any]) -> dict[str, Any]:
    """Return an artifact for strict JSON; `files` are what its files are described by."""
    described: dict[str, Any] = make_strict(
        make_plain(
            {
                "name": artifact.name,
                "kind": artifact.kind,
                "files": files,
                "metadata": artifact.metadata,
                "aliases": artifact.aliases,
                "made_from": artifact.made_from,
            }
        )
    )
    return described


def _make_builtin(value: Any) -> Any:
    """Return NumPy's float64, which is a float, and members of enumerations as the plain values that they are."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value) if not isinstance(value, str) else _make_encodable(str.__str__(value))
    return value


def _show(value: Any) -> str:
    try:
        return _make_encodable(str(value))
    except Exception:
        return f"<{type(value).__name__}>"


def _make_encodable(text: str) -> str:
    """Return text that UTF-8 can hold: a file's name may have half a character in it."""
    return text.encode("utf-8", "backslashreplace").decode()
