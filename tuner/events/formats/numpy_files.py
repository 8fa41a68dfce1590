"""Events in NumPy's files: a structured array, a two-dimensional one, or several arrays of equal length (.npz)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.events.formats.arrays import find_why_not, make_table, settle_values
from tuner.events.listing import Column, Wanted, leave_out

_NAMES = ("feature_names", "columns", "names")


def read_numpy(path: Path, wanted: Wanted, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """Return the wanted columns of a .npy or .npz file. Arrays of Python's objects are not loaded: they are pickles.

    The columns of a two-dimensional array have the names of `columns`, or else x0, x1, ...

    Raises:
        EventsError: Arrays differ in length, or `columns` does not fit.
    """
    if path.suffix.lower() == ".npy":
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        return make_table(path, list_array(path, found, "X", columns), wanted)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return make_table(path, list_arrays(path, arrays, columns), wanted)


def list_arrays(path: Path | str, arrays: Mapping[str, Any], columns: tuple[str, ...] | None = None) -> list[Column]:
    """Return the columns of arrays by name, which must be equally long: see `list_array`.

    Those of an array without any dimension are left out. An array of texts named `feature_names` names the columns of
    the two-dimensional one.
    """
    loaded = {name: _load(arrays, name) for name in arrays}
    tables = [name for name, array in loaded.items() if array is not None and array.ndim == 2]
    named = next(
        (name for name in _NAMES if (array := loaded.get(name)) is not None and array.dtype.kind in "SU"), None
    )
    if columns is None and named and [len(loaded[named])] == [loaded[name].shape[1] for name in tables]:
        columns = tuple(map(str, settle_values(loaded.pop(named))))
    long = {name: len(array) for name, array in loaded.items() if array is not None and array.ndim}
    if len(set(long.values())) > 1:
        told = ", ".join(f"{name} {n:,}" for name, n in long.items())
        raise EventsError(
            f'Arrays of "{path}" must be equally long, one value or row an event, but are: {told}. '
            "Write those that belong together into a file of their own."
        )
    if columns is not None and len(tables) != 1:
        raise EventsError(
            f'"{path}" must hold one two-dimensional array where `columns` names its columns, but holds {len(tables)}: '
            f"{name_all(loaded)}. Leave out `columns`."
        )
    listed: list[Column] = []
    for name, array in loaded.items():
        if array is None:
            listed.append(Column(name, leave_out, "holds objects of Python, which are pickled and never loaded"))
        elif not array.ndim:
            listed.append(Column(name, leave_out, "holds one value for all events"))
        else:
            listed += list_array(path, array, name, columns if array.ndim == 2 else None)
    return listed


def list_array(path: Path | str, array: Any, name: str, columns: tuple[str, ...] | None) -> Iterator[Column]:
    """Yield the columns of an array: its fields, its columns, or itself.

    Columns of a two-dimensional array `X` are called x0, x1, ..., those of any other `name_0`, `name_1`, ...; or as
    `columns` says.
    """
    if array.dtype.names and array.ndim == 1:
        for field in array.dtype.names:
            yield Column(field, partial(array.__getitem__, field), find_why_not(array.dtype[field]))
    elif array.ndim == 2 and not array.dtype.names:
        if columns is not None and len(columns) != array.shape[1]:
            raise EventsError(
                f'Array "{name}" of "{path}" has {array.shape[1]} columns, but `columns` names {len(columns)}. '
                "Name each of them, or none."
            )
        stem = "x" if name == "X" else f"{name}_"
        for number in range(array.shape[1]):
            inner = columns[number] if columns else f"{stem}{number}"
            yield Column(inner, partial(array.__getitem__, (slice(None), number)), find_why_not(array.dtype))
    elif array.ndim == 1:
        yield Column("x0" if name == "X" else name, partial(np.asarray, array), find_why_not(array.dtype))
    elif not array.ndim:
        raise EventsError(f'"{path}" must hold an array of events, but holds one value.')
    else:
        yield Column(name, leave_out, find_why_not(array.dtype, array.shape[1:]))


def _load(arrays: Mapping[str, Any], name: str) -> Any:
    """Return an array; None where it is pickled."""
    try:
        return np.asarray(arrays[name])
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        return None
