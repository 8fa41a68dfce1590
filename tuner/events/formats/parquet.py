"""Events in Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.events.formats.arrow import find_why_not, make_arrays, make_table
from tuner.events.listing import Wanted, check_names


def read_parquet(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a Parquet file; the others are not read from the disk.

    Columns of lists and other nested types are left out. The index that pandas wrote is told as such.
    """
    with _open(path) as file:
        schema = file.schema_arrow
        check_names(path, schema.names)
        columns = [field.name for field in schema if not find_why_not(field.type) and wanted(field.name)]
        # A name stands for all nested columns below it, too: choose again.
        return make_table(file.read(columns=columns).select(columns), schema)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return columns of a Parquet file by name, lists for each event among them.

    Args:
        path: The file.
        names: Of columns.

    Returns:
        A NumPy array [n] for each column of one number or text per event, an Awkward array [n, ...] for others.
    """
    with _open(path) as file:
        check_names(path, file.schema_arrow.names)
        return make_arrays(file.read(columns=list(names)).select(list(names)))


def _open(path: Path) -> Any:
    from pyarrow.parquet import ParquetFile

    return ParquetFile(path, page_checksum_verification=True)
