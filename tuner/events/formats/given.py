"""Events that a program gave as a table of pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tuner.events.formats.arrays import settle_values
from tuner.events.listing import Lists, Reason, Wanted


def read_given(table: pd.DataFrame, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a table, in memory of their own; times are seconds since 1970.

    Columns of lists, arrays and complex numbers are left out, with the reason in the attribute `left_out`.
    """
    left_out = {name: why for name in table.columns if (why := _find_why_not(table[name]))}
    kept = {name: _settle(table[name]) for name in table.columns if name not in left_out and wanted(name)}
    read = pd.DataFrame(kept, index=table.index, copy=True)
    read.attrs["left_out"] = left_out
    return read


def _find_why_not(column: pd.Series) -> str:
    if pd.api.types.is_complex_dtype(column.dtype):
        return f"holds {column.dtype} for each event"
    first = next((value for value in column if value is not None), None) if column.dtype == object else None
    if not _is_list(first):
        return ""
    values = np.asarray(list(first) if isinstance(first, (set, frozenset)) else first)
    lists = Lists(are_conditions=values.dtype == bool) if values.ndim == 1 and values.dtype.kind in "biuf" else None
    return Reason("holds a list or an array for each event", lists=lists)


def _is_list(value: Any) -> bool:
    return bool(pd.api.types.is_list_like(value))


def _settle(column: pd.Series) -> Any:
    """Return a column with times as seconds, float64."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return settle_values(column.to_numpy(f"datetime64[{column.dt.unit}]"))
    is_duration = pd.api.types.is_timedelta64_dtype(column.dtype)
    return settle_values(column.to_numpy(f"timedelta64[{column.dt.unit}]")) if is_duration else column
