"""Events in Feather and other files of Arrow, in its file format or its stream format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import EventsError
from tuner.events.formats.arrow import find_why_not, make_arrays, make_table
from tuner.events.listing import Wanted, check_names

_FIRST_VERSION = b"FEA1"
_FILE = b"ARROW1"


def read_feather(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a file of Arrow; the others are not made into a table.

    Columns of lists and other nested types are left out. The index that pandas wrote is told as such.
    """
    schema = _read_schema(path)
    check_names(path, schema.names)
    names = [field.name for field in schema if not find_why_not(field.type) and wanted(field.name)]
    return make_table(_read(path, schema, names), schema)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return columns of a file of Arrow by name, lists for each event among them.

    Args:
        path: The file.
        names: Of columns.

    Returns:
        A NumPy array [n] for each column of one number or text per event, an Awkward array [n, ...] for others.
    """
    schema = _read_schema(path)
    check_names(path, schema.names)
    return make_arrays(_read(path, schema, list(names)))


def _read_schema(path: Path) -> Any:
    with _open(path) as reader:
        return reader.schema


def _read(path: Path, schema: Any, names: list[str]) -> Any:
    """Return columns in the order of the names; their values are checked, as a file of Arrow has no checksums."""
    # Without any column Arrow would forget how many events there are, and an empty choice stands for all.
    chosen = sorted(schema.get_field_index(name) for name in names) or [0]
    with _open(path, chosen) as reader:
        table = reader.read_all()
    table.validate(full=True)
    return table.select(names)


def _open(path: Path, fields: list[int] | None = None) -> Any:
    import pyarrow as pa

    with path.open("rb") as file:
        beginning = file.read(len(_FILE))
    if beginning.startswith(_FIRST_VERSION):
        raise EventsError(
            f'"{path}" is of the first version of Feather, which is no longer read. Write it as Parquet: '
            "pandas.read_feather(PATH).to_parquet(...)."
        )
    options = pa.ipc.IpcReadOptions(included_fields=fields or [])
    opener = pa.ipc.open_file if beginning == _FILE else pa.ipc.open_stream
    return opener(pa.memory_map(str(path)), options=options)
