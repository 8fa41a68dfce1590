"""Events in JSON lines: an object for each event, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.events.formats.arrow import find_why_not, make_arrays, make_table
from tuner.events.formats.text_opening import open_bytes
from tuner.events.listing import Wanted

LARGEST_BLOCK = 2**31 - 1
"""Bytes of a block that Arrow parses at once, at most. A line must fit into one; by default they are of 1 MB."""


def read_json_lines(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a file of JSON lines; what an event lacks is undefined, lists are left out."""
    read = _read(path)
    schema = read.schema
    return make_table(read.select([f.name for f in schema if not find_why_not(f.type) and wanted(f.name)]), schema)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return columns by name: NumPy arrays [n] of one number or text per event, Awkward arrays [n, ...] of lists."""
    return make_arrays(_read(path).select(list(names)))


def _read(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import json

    try:
        with open_bytes(path) as file:
            return json.read_json(file)
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error):
            raise
    with open_bytes(path) as file:
        longest = max(map(len, file))
    with open_bytes(path) as file:
        return json.read_json(file, read_options=json.ReadOptions(block_size=min(longest + 1, LARGEST_BLOCK)))
