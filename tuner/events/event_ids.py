"""Event ids as numbers of 64 bits: whether an event was met before can be told without keeping its id."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

_LARGEST = 2**63
"""Whole numbers below it in size, and unsigned ones up to twice it, have a form of 64 bits."""
_WHOLE = re.compile(r"\s*([+-]?\d+)(?:\.0*)?\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)


def hash_ids(ids: Any) -> np.ndarray:
    """Return a hash of each event id, uint64 [n], the same in whatever format and type the id was read.

    Each id is taken by itself, whatever stands beside it: 1, 1.0, "1" and b"1" are one. Two different ids of a billion
    events have one hash with a chance of 3 %.

    Args:
        ids: Numbers or texts [n], or both.
    """
    column = pd.Series(np.asarray(ids))
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _hash_numbers(column.to_numpy())
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.dtype.kind in "iu":  # all are whole, and none was rounded
        return _hash_numbers(numbers.to_numpy())
    plain = [_make_plain(each) for each in column]
    hashes = np.empty(len(plain), np.uint64)
    for kind, dtype in ((int, np.int64), (float, np.float64), (str, object)):
        places = [place for place, each in enumerate(plain) if type(each) is kind]
        values = np.array([plain[place] for place in places], dtype)
        hashes[places] = np.asarray(pd.util.hash_array(values)) if kind is str else _hash_numbers(values)
    return hashes


def _make_plain(value: Any) -> int | float | str:
    """Return an id as a whole number in the range of int64, another number, or a text; a missing one is no number."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str) and pd.isna(value):
        return float("nan")
    text = str(value)
    if (whole := _WHOLE.fullmatch(text)) and -_LARGEST <= (number := int(whole[1])) < 2 * _LARGEST:
        return number if number < _LARGEST else number - 2 * _LARGEST
    return float(text) if _DECIMAL.fullmatch(text) else text


def _hash_numbers(values: np.ndarray) -> np.ndarray:
    """Return the hashes of numbers [n], whole ones as integers."""
    if values.dtype.kind != "f":
        return _hash(values.astype(np.int64))
    wide = values.astype(np.float64)
    is_whole = (np.abs(wide) < _LARGEST) & (wide == np.floor(wide))
    return np.where(is_whole, _hash(np.where(is_whole, wide, 0).astype(np.int64)), _hash(wide))


def _hash(values: np.ndarray) -> np.ndarray:
    return np.asarray(pd.util.hash_array(values))
