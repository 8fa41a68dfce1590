"""Columns that are arrays of NumPy: which of them can be features, and the table that they make."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.events.formats.lists import wrap_lists
from tuner.events.listing import Column, Lists, Reason, Wanted, check_names

SECONDS = {"D": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""In each unit of time."""


def make_table(path: Path | str, listed: Iterable[Column], wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns as a table, and why others are left out as its attribute `left_out`.

    Numbers come in this machine's order of bytes, bytes as text, times as seconds since 1970.
    """
    columns = list(listed)
    check_names(path, [column.name for column in columns])
    kept = [column for column in columns if not column.why_not and wanted(column.name)]
    table = pd.DataFrame({column.name: settle_values(column.read()) for column in kept}, copy=False)
    table.attrs["left_out"] = {column.name: column.why_not for column in columns if column.why_not}
    return table


def read_lists(listed: Iterable[Column], names: Collection[str]) -> dict[str, Any]:
    """Return columns of lists by name, Awkward arrays [n, ...]. Raise `MissingPackage`."""
    return {column.name: wrap_lists(column.read()) for column in listed if column.name in names}


def find_why_not(dtype: np.dtype, shape: tuple[int, ...] = ()) -> str:
    """Return why a column is no number and no text per event; empty where it is. shape: of an event's value."""
    shape = dtype.shape or shape
    if shape:
        n = int(np.prod(shape))
        lists = Lists(shape[0], dtype.base.kind == "b") if len(shape) == 1 and dtype.base.kind in "biuf" else None
        return Reason(f"holds {n} {'value' if n == 1 else 'values'} for each event", lists=lists)
    if dtype.kind == "O":
        return "holds objects of Python, which are pickled and never loaded"
    return "" if dtype.kind in "biufSUMm" else f"holds {dtype} for each event"


def settle_values(values: np.ndarray) -> np.ndarray | pd.Series:
    """Return values [n] of their own as text where they are bytes, else as numbers in this machine's order of bytes."""
    values = np.asarray(values)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind in "Mm":
        seconds = values.astype(values.dtype.newbyteorder("=")).astype(np.int64) * _count_seconds(values.dtype)
        return np.where(np.isnat(values), np.nan, seconds)
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return np.array(values, values.dtype.newbyteorder("="), copy=True)


def _count_seconds(dtype: np.dtype) -> float:
    unit, n = np.datetime_data(dtype)
    return n * SECONDS.get(unit, np.nan)
