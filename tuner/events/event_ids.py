"""Event ids as numbers of 64 bits: whether an event was met before can be told without keeping its id."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_EXACT = 2.0**53
"""Whole numbers below it are exact as float64."""


def hash_ids(ids: Any) -> np.ndarray:
    """Return a hash of each event id, uint64 [n], the same in whatever format and type the id was read.

    Whole numbers are equal as integers, as floating-point numbers and as texts. Two different ids of a billion events
    have one hash with a chance of 3 %.

    Args:
        ids: Numbers or texts [n].
    """
    column = pd.Series(np.asarray(ids))
    if not pd.api.types.is_numeric_dtype(column.dtype):
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.isna().any():
            return np.asarray(pd.util.hash_array(column.astype(str).to_numpy(object)))
        column = numbers
    values = column.to_numpy()
    if values.dtype.kind == "f":
        wide = values.astype(np.float64)
        is_whole = (np.abs(wide) < _EXACT) & (wide == np.floor(wide))
        return np.where(is_whole, _hash(np.where(is_whole, wide, 0).astype(np.int64)), _hash(wide))
    return _hash(values.astype(np.int64))


def _hash(values: np.ndarray) -> np.ndarray:
    return np.asarray(pd.util.hash_array(values))
