"""Events given in Python, as a table or as arrays: copied, so that what is changed later changes no study."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import StudyError, name_all

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class GivenEvents:
    """A table of events that a program made. Two with the same contents are equal, in every process."""

    digest: str
    """SHA-256 over names, types and values of the columns."""
    n: int
    """Number of events."""
    columns: tuple[str, ...]
    """Names of the columns."""

    table: pd.DataFrame = field(compare=False, repr=False)
    """The events, one a row. Not to be changed."""

    def __str__(self) -> str:
        """Return how many events of how many columns."""
        n_columns = len(self.columns)
        return (
            f"{self.n:,} {'event' if self.n == 1 else 'events'} given in Python "
            f"({n_columns:,} {'column' if n_columns == 1 else 'columns'})"
        )


def take_given(events: Any) -> Any:
    """Return `GivenEvents` of a table or of arrays; anything else as it is.

    Args:
        events: A DataFrame of pandas, or anything with `to_pandas` (a table of Polars or Arrow); a mapping of names to
            arrays [n]; or a structured array [n] of NumPy. The index of a DataFrame is no column.

    Raises:
        StudyError: Arrays are not equally long, hold several values per event, or two columns have one name.
    """
    if events is None or isinstance(events, GivenEvents | str | Path):
        return events
    # Columns of frames and fields of records are attributes, too, so a column "read" makes no source of them.
    if type(events).__name__ == "DataFrame" and hasattr(events, "iloc"):
        return _keep(events.copy())
    if (numpy := sys.modules.get("numpy")) and isinstance(events, numpy.ndarray):  # there are no arrays without it
        if not events.dtype.names or events.ndim != 1:
            raise StudyError(
                f"An array of events must have named fields and one dimension, but has shape {events.shape} of "
                f'{events.dtype}. Give a mapping: {{"x0": values[:, 0], ..., "label": labels}}.'
            )
        events = {name: events[name] for name in events.dtype.names}
    elif hasattr(events, "read"):
        return events
    elif hasattr(events, "to_pandas"):
        return take_given(events.to_pandas())
    return _keep(_join_arrays(events)) if isinstance(events, Mapping) else events


def _join_arrays(arrays: Mapping[Any, Any]) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    columns = {str(name): np.asarray(values) for name, values in arrays.items()}
    several = [f"{name} {values.shape}" for name, values in columns.items() if values.ndim != 1]
    if several:
        raise StudyError(f"Arrays of events must have one dimension, one value an event, but are: {name_all(several)}.")
    if len({len(values) for values in columns.values()}) != 1:
        told = ", ".join(f"{name} {len(values):,}" for name, values in columns.items())
        raise StudyError(f"Arrays of events must be equally long, one value an event, but are: {told or 'none'}.")
    native = {name: values.astype(values.dtype.newbyteorder("=")) for name, values in columns.items()}
    return pd.DataFrame(native)


def _keep(table: pd.DataFrame) -> GivenEvents:
    """Return a table of one's own as events."""
    table = table.reset_index(drop=True)
    table.columns = [" ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in table.columns]
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()].unique()
        raise StudyError(f"Events given in Python must name each column once, but have twice: {name_all(twice)}.")
    return GivenEvents(_compute_digest(table), len(table), tuple(table.columns), table)


def _compute_digest(table: pd.DataFrame) -> str:
    """Return the SHA-256 of a table's names, types and values, as hexadecimal digits."""
    import numpy as np
    import pandas as pd

    digest = hashlib.sha256()
    for name in table.columns:
        column = table[name]
        digest.update(f"{name}\0{column.dtype}\0".encode())
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufcmM":
            digest.update(np.ascontiguousarray(column).view(np.uint8).data)
            continue
        try:
            digest.update(np.ascontiguousarray(pd.util.hash_pandas_object(column, index=False)).data)
        except TypeError:  # lists and other values without a hash
            for value in column:
                _add_value(digest, value)
    return digest.hexdigest()


def _add_value(digest: Any, value: Any) -> None:
    """Add a value to a digest, with all that it holds: the text of a long array is shortened, and rounded."""
    import numpy as np

    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest.update(f"{value.dtype.str}{value.shape}\0".encode())
        digest.update(value.tobytes())
    elif isinstance(value, list | tuple) or hasattr(value, "tolist"):
        values = value if isinstance(value, list | tuple) else value.tolist()
        if not isinstance(values, list | tuple):
            digest.update(f"{values!r}\0".encode())
            return
        digest.update(f"{type(value).__name__} {len(values)}\0".encode())
        for inner in values:
            _add_value(digest, inner)
    else:
        digest.update(f"{value!r}\0".encode())
