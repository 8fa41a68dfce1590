"""Events in Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd

from tuner.errors import EventsError
from tuner.read.places import Wanted


def read_parquet(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a Parquet file; the others are not read from the disk."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if wanted(name)]
            return cast("pd.DataFrame", file.read(columns=columns).to_pandas(ignore_metadata=True))
    except (ArrowException, OSError) as error:
        raise EventsError(f'"{path}" could not be read as Parquet: {error}') from error
