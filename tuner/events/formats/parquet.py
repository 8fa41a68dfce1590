"""Events in Parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pandas as pd

from tuner.events.listing import Wanted, check_names


def read_parquet(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a Parquet file; the others are not read from the disk.

    Columns of lists and other nested types are left out. The index that pandas wrote is told as such.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        check_names(path, schema.names)
        nested = {
            field.name: f"holds {field.type} for each event" for field in schema if pa.types.is_nested(field.type)
        }
        columns = [name for name in schema.names if name not in nested and wanted(name)]
        # A name stands for all nested columns below it, too: choose again.
        read = file.read(columns=columns).select(columns)
    for number, field in enumerate(read.schema):
        if pa.types.is_decimal(field.type):
            read = read.set_column(number, field.name, read.column(number).cast(pa.float64()))
    table = cast("pd.DataFrame", read.to_pandas(ignore_metadata=True))
    table.attrs |= {"left_out": nested, "index": _find_index(schema)}
    return table


def _find_index(schema: Any) -> tuple[str, ...]:
    """Return the columns that were the index of the frame that pandas wrote."""
    try:
        index = json.loads((schema.metadata or {})[b"pandas"])["index_columns"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(name for name in index if isinstance(name, str) and name in schema.names)
