"""Events in Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.events.formats.arrow import find_why_not, make_arrays, make_table
from tuner.events.listing import ALL_ROWS, Wanted, check_names, cut_into_stretches


def read_parquet(path: Path, wanted: Wanted, rows: slice = ALL_ROWS) -> pd.DataFrame:
    """Return the wanted columns of a Parquet file; the others are not read from the disk.

    Columns of lists and other nested types are left out. The index that pandas wrote is told as such.
    """
    with _open(path) as file:
        schema = file.schema_arrow
        check_names(path, schema.names)
        columns = [field.name for field in schema if not find_why_not(field.type) and wanted(field.name)]
        # A name stands for all nested columns below it, too: choose again.
        return make_table(_read(file, columns, rows), schema)


def read_arrays(path: Path, names: Sequence[str], rows: slice = ALL_ROWS) -> dict[str, Any]:
    """Return columns of a Parquet file by name, lists for each event among them.

    Args:
        path: The file.
        names: Of columns.
        rows: Which of the events.

    Returns:
        A NumPy array [n] for each column of one number or text per event, an Awkward array [n, ...] for others.
    """
    with _open(path) as file:
        check_names(path, file.schema_arrow.names)
        return make_arrays(_read(file, list(names), rows))


def list_stretches(path: Path, at_most: int) -> list[slice]:
    """Return the events of a file cut into stretches of whole row groups, of `at_most` events where these allow it."""
    with _open(path) as file:
        groups = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    return cut_into_stretches(groups, at_most)


def _read(file: Any, columns: list[str], rows: slice) -> Any:
    """Return some columns as a table of Arrow. Of a stretch of events only the row groups that hold it are read."""
    if rows == ALL_ROWS:
        return file.read(columns=columns).select(columns)
    ends = list(accumulate(file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)))
    starts = [0, *ends[:-1]]
    groups = [n for n, ends_at in enumerate(ends) if starts[n] < rows.stop and ends_at > rows.start]
    read = file.read_row_groups(groups, columns=columns).select(columns)
    return read.slice(rows.start - starts[groups[0]], rows.stop - rows.start)


def _open(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, page_checksum_verification=True)
