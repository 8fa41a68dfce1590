"""Events in JSON lines: an object for each event, a line each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tuner.events.formats.arrow import find_why_not, make_table
from tuner.events.formats.text_opening import open_bytes
from tuner.events.listing import Wanted


def read_json_lines(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a file of JSON lines; what an event lacks is undefined, lists are left out."""
    from pyarrow import json

    with open_bytes(path) as file:
        read = json.read_json(file)
    schema = read.schema
    return make_table(read.select([f.name for f in schema if not find_why_not(f.type) and wanted(f.name)]), schema)
