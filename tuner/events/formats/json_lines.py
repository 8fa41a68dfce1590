"""Events in JSON lines: an object for each event, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.events.formats.arrow import find_why_not, make_arrays, make_table
from tuner.events.formats.text_opening import open_bytes
from tuner.events.listing import Wanted


def read_json_lines(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a file of JSON lines; what an event lacks is undefined, lists are left out."""
    read = _read(path)
    schema = read.schema
    return make_table(read.select([f.name for f in schema if not find_why_not(f.type) and wanted(f.name)]), schema)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return columns by name: NumPy arrays [n] of one number or text per event, Awkward arrays [n, ...] of lists."""
    return make_arrays(_read(path).select(list(names)))


def _read(path: Path) -> Any:
    from pyarrow import json

    with open_bytes(path) as file:
        return json.read_json(file)
