"""Tables of Arrow, which Parquet, Feather and JSON lines are read into: which of their columns can be features."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage
from tuner.events.formats.arrays import SECONDS
from tuner.events.listing import Lists, Reason


def find_why_not(kind: Any) -> str:
    """Return why a column of an Arrow type is no number and no text per event; empty where it is."""
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) else kind
    simple = (
        pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal, pa.types.is_temporal,
        pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null,
        pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary,
    )  # fmt: skip
    if any(check(inner) for check in simple) and not pa.types.is_interval(inner):
        return ""
    return Reason(f"holds {kind} for each event", lists=_find_lists(kind))


def _find_lists(kind: Any) -> Lists | None:
    """Return which lists of numbers a type holds; None where it holds something else."""
    import pyarrow as pa

    if not any(check(kind) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)):
        return None
    inner = kind.value_type
    if not any(check(inner) for check in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)):
        return None
    return Lists(kind.list_size if pa.types.is_fixed_size_list(kind) else None, pa.types.is_boolean(inner))


def make_table(read: Any, schema: Any) -> pd.DataFrame:
    """Return a table of Arrow as pandas has it, with what else its file holds as attributes.

    Decimal numbers become float64, times the seconds since 1970 (of the day, for a time of day), bytes text. A column
    of bytes that are no text is left out.

    Args:
        read: The columns that are wanted, of types that `find_why_not` has nothing against.
        schema: Of all columns that are there.
    """
    left_out = {field.name: why for field in schema if (why := find_why_not(field.type))}
    for number, field in enumerate(read.schema):
        column = _simplify(read.column(number))
        if column is None:
            left_out[field.name] = "holds bytes that are no text for each event"
        else:
            read = read.set_column(number, field.name, column)
    read = read.select([name for name in read.schema.names if name not in left_out])
    table = cast("pd.DataFrame", read.to_pandas(ignore_metadata=True))
    for name, kind in zip(read.schema.names, read.schema.types, strict=True):
        if str(kind) == "bool" and table[name].dtype == object:
            table[name] = pd.to_numeric(table[name], errors="coerce").astype(np.float64)
    table.attrs |= {"left_out": left_out, "index": find_index(schema)}
    return table


def find_index(schema: Any) -> tuple[str, ...]:
    """Return the columns that were the index of the frame that pandas wrote."""
    try:
        index = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(name for name in index if isinstance(name, str) and name in schema.names)


def make_arrays(read: Any) -> dict[str, Any]:
    """Return the columns of an Arrow table: NumPy [n] where they are one number or text each, else Awkward [n, ...]."""
    flat = [field.name for field in read.schema if not find_why_not(field.type)]
    table = make_table(read.select(flat), read.select(flat).schema)
    arrays: dict[str, Any] = {name: table[name].to_numpy() for name in table.columns}
    for name in read.schema.names:
        if name not in flat:
            arrays[name] = _make_awkward(name, read.column(name))
    return {name: arrays[name] for name in read.schema.names if name in arrays}


def _make_awkward(name: str, column: Any) -> Any:
    try:
        import awkward as ak
    except ImportError as error:
        raise MissingPackage("awkward", "root", f'Reading the lists of column "{name}"') from error

    try:
        return ak.from_arrow(column.combine_chunks())
    except Exception as error:
        raise EventsError(f'Column "{name}" cannot be read as lists, as it holds {column.type}.') from error


def _simplify(column: Any) -> Any:
    """Return a column with decimals and times as float64 and bytes as text; None where these are no text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_run_end_encoded(column.type):
        column = pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], column.type.value_type)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column if pa.types.is_string(kind.value_type) else _simplify(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_temporal(kind):
        return _count_seconds(column)
    if pa.types.is_fixed_size_binary(kind):
        column, kind = column.cast(pa.binary()), pa.binary()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        try:
            return column.cast(pa.large_string())
        except pa.ArrowInvalid:
            return None
    return column


def _count_seconds(column: Any) -> Any:
    """Return times, dates and durations as seconds, float64; undefined ones stay so."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
        kind = column.type
    whole = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    return pc.multiply(whole.cast(pa.float64(), safe=False), SECONDS[kind.unit])
