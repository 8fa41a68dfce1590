"""The functions that expressions may call: of numbers, and of lists of numbers, one list an event."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

ANY_NUMBER = 64
"""Values that a function takes at most, where it takes several."""


@dataclass(frozen=True)
class Function:
    """A function of the table."""

    compute: Callable[..., Any]
    """Of numbers: element by element, NumPy's or awkward's arrays. Of lists: [n] of lists."""
    least: int = 1
    most: int = 1
    takes: str = "numbers"
    """What its first value is: "numbers", "conditions", "list", or "either" for a list or several numbers."""


def _delta_phi(first: Any, second: Any) -> Any:
    """Return the difference of two azimuths in radians, in [-pi, pi)."""
    return (first - second + math.pi) % (2 * math.pi) - math.pi


def _choose(condition: Any, first: Any, second: Any) -> Any:
    if is_list(condition) or is_list(first) or is_list(second):
        import awkward as ak

        return ak.where(condition, first, second)
    return np.where(condition, first, second)


def is_list(value: Any) -> bool:
    """Return whether a value is an array of lists, one an event."""
    return type(value).__module__.startswith("awkward")


def index(lists: Any, which: Any) -> np.ndarray:
    """Return one element of each list, float64 [n]; not-a-number where there is no such element.

    Args:
        lists: Lists of numbers [n].
        which: Its place, counted from 0, or from the end where it is negative; one for all, or one each [n].
    """
    import awkward as ak

    counts = ak.to_numpy(ak.num(lists, axis=1))
    places = np.broadcast_to(np.asarray(which, np.float64), counts.shape)
    places = np.where(places < 0, places + counts, places)
    is_there = (places >= 0) & (places < counts) & (places == np.floor(places))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    flat = ak.to_numpy(ak.flatten(lists, axis=1))
    found = np.full(len(counts), np.nan)
    found[is_there] = flat[(starts[is_there] + places[is_there]).astype(np.int64)]
    return found


def _count(lists: Any) -> np.ndarray:
    import awkward as ak

    return np.asarray(ak.to_numpy(ak.num(lists, axis=1)), np.float64)


def _reduce(name: str, lists: Any) -> np.ndarray:
    """Return what awkward's reducer makes of each list [n]; not-a-number where a list gives nothing."""
    import awkward as ak

    reduced = ak.fill_none(getattr(ak, name)(lists, axis=1), np.nan)
    return np.asarray(ak.to_numpy(reduced))


def _leave_out_undefined(lists: Any) -> Any:
    return lists[np.isfinite(lists)]


def _sum(lists: Any) -> np.ndarray:
    return _reduce("sum", _leave_out_undefined(lists)).astype(np.float64)


def _mean(lists: Any) -> np.ndarray:
    kept = _leave_out_undefined(lists)
    with np.errstate(invalid="ignore"):
        return np.asarray(_reduce("sum", kept) / _count(kept))


def _smallest(*values: Any) -> Any:
    if len(values) == 1:
        return _reduce("min", _leave_out_undefined(values[0])).astype(np.float64)
    return _fold(np.minimum, values)


def _largest(*values: Any) -> Any:
    if len(values) == 1:
        return _reduce("max", _leave_out_undefined(values[0])).astype(np.float64)
    return _fold(np.maximum, values)


def _fold(function: Callable[[Any, Any], Any], values: tuple[Any, ...]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = function(result, value)
    return result


def _find_extreme(name: str, worst: float, lists: Any) -> np.ndarray:
    """Return the place of the first extreme element [n]; not-a-number where no element is defined."""
    import awkward as ak

    is_defined = np.isfinite(lists)
    places = _reduce(name, ak.where(is_defined, lists, worst)).astype(np.float64)
    places[~_reduce("any", is_defined).astype(bool)] = np.nan
    return places


def _any(lists: Any) -> np.ndarray:
    return _reduce("any", lists).astype(bool)


def _all(lists: Any) -> np.ndarray:
    return _reduce("all", lists).astype(bool)


def _count_nonzero(lists: Any) -> np.ndarray:
    return _reduce("sum", np.isfinite(lists) & (lists != 0)).astype(np.float64)


FUNCTIONS = {
    "abs": Function(np.abs),
    "sqrt": Function(np.sqrt),
    "exp": Function(np.exp),
    "expm1": Function(np.expm1),
    "log": Function(np.log),
    "log10": Function(np.log10),
    "log1p": Function(np.log1p),
    "sin": Function(np.sin),
    "cos": Function(np.cos),
    "tan": Function(np.tan),
    "arcsin": Function(np.arcsin),
    "arccos": Function(np.arccos),
    "arctan": Function(np.arctan),
    "arctan2": Function(np.arctan2, 2, 2),
    "sinh": Function(np.sinh),
    "cosh": Function(np.cosh),
    "tanh": Function(np.tanh),
    "hypot": Function(np.hypot, 2, 2),
    "floor": Function(np.floor),
    "ceil": Function(np.ceil),
    "sign": Function(np.sign),
    "minimum": Function(np.minimum, 2, 2),
    "maximum": Function(np.maximum, 2, 2),
    "delta_phi": Function(_delta_phi, 2, 2),
    "where": Function(_choose, 3, 3, "conditions"),
    "isfinite": Function(np.isfinite),
    "index": Function(index, 2, 2, "list"),
    "len": Function(_count, takes="list"),
    "sum": Function(_sum, takes="list"),
    "mean": Function(_mean, takes="list"),
    "min": Function(_smallest, 1, ANY_NUMBER, "either"),
    "max": Function(_largest, 1, ANY_NUMBER, "either"),
    "argmin": Function(lambda lists: _find_extreme("argmin", np.inf, lists), takes="list"),
    "argmax": Function(lambda lists: _find_extreme("argmax", -np.inf, lists), takes="list"),
    "any": Function(_any, takes="list"),
    "all": Function(_all, takes="list"),
    "count_nonzero": Function(_count_nonzero, takes="list"),
}
"""Functions by name. What has no number as its result, such as the logarithm of -1, the first element of an empty list,
or its mean, is undefined. `sum`, `mean`, `min`, `max`, `argmin`, `argmax` and `count_nonzero` pass over undefined
elements, which `len` counts; `any` and `all` take lists of conditions, `any(jet_pt > 30)`; the sum of an empty list is
0, and `all` of it true."""

FOREIGN = {
    "fabs": "abs",
    "absolute": "abs",
    "pow": "`**`",
    "power": "`**`",
    "ln": "log",
    "atan2": "arctan2",
    "atan": "arctan",
    "asin": "arcsin",
    "acos": "arccos",
    "length": "len",
    "num": "len",
    "count": "len",
    "size": "len",
    "alt": "index(list, 0)",
    "first": "index(list, 0)",
    "firsts": "index(list, 0)",
    "at": "index(list, 0)",
    "deltaphi": "delta_phi",
    "isnan": "~isfinite(x)",
    "isnull": "~isfinite(x)",
    "if": "where(condition, a, b)",
    "average": "mean",
    "pi": "3.141592653589793",
}
"""Names that ROOT, NumPy and others have for the same, and what to write."""
