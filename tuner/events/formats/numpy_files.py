"""Events in NumPy's files: a structured array, a two-dimensional one, or several arrays of equal length (.npz)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.events.formats.arrays import find_why_not, make_table, read_lists, settle_values
from tuner.events.listing import Column, Wanted, leave_out

_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_NAMES = ("feature_names", "columns", "names")


def read_numpy(path: Path, wanted: Wanted, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """Return the wanted columns of a .npy or .npz file. Arrays of Python's objects are not loaded: they are pickles.

    The columns of a two-dimensional array have the names of `columns`, or else x0, x1, ...

    Raises:
        EventsError: Arrays differ in length, or `columns` does not fit.
    """
    with _open(path, columns) as listed:
        return make_table(path, listed, wanted)


def read_arrays(path: Path, names: Sequence[str], columns: tuple[str, ...] | None) -> dict[str, Any]:
    """Return columns of several values per event by name, Awkward arrays [n, ...]."""
    with _open(path, columns) as listed:
        return read_lists(listed, names)


@contextmanager
def _open(path: Path, columns: tuple[str, ...] | None) -> Iterator[Iterable[Column]]:
    """Open a file, and tell the columns that it has."""
    if path.suffix.lower() == ".npy":
        yield _list_array(path, np.load(path, mmap_mode="r", allow_pickle=False), "X", columns)
        return
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        stored = {name: _StoredArray(arrays, name) for name in arrays if f"{name}.npy" in arrays.zip.namelist()}
        yield _list_arrays(path, stored, columns)


class _StoredArray:
    """An array of a .npz file, of which only shape and type are read before its values are asked for."""

    def __init__(self, arrays: Any, name: str) -> None:
        self._read = partial(arrays.__getitem__, name)
        with arrays.zip.open(f"{name}.npy") as file:
            read_header = _HEADERS.get(np.lib.format.read_magic(file))
            header = read_header(file) if read_header else None
        about = (header[0], header[2]) if header else (self.values.shape, self.values.dtype)
        self.shape: tuple[int, ...] = about[0]
        self.dtype: np.dtype = about[1]
        self.ndim = len(self.shape)

    @cached_property
    def values(self) -> np.ndarray:
        """The array itself."""
        return np.asarray(self._read())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(self.values[key])


def _list_arrays(path: Path, arrays: dict[str, _StoredArray], columns: tuple[str, ...] | None) -> list[Column]:
    """Return the columns of arrays by name, which must be equally long: see `_list_array`.

    Those of an array without any dimension are left out. An array of texts named `feature_names` names the columns of
    the two-dimensional one.
    """
    tables = [name for name, array in arrays.items() if array.ndim == 2]
    named = next((name for name in _NAMES if name in arrays and arrays[name].dtype.kind in "SU"), None)
    if columns is None and named and [arrays[named].shape] == [arrays[name].shape[1:] for name in tables]:
        columns = tuple(map(str, settle_values(arrays.pop(named).values)))
    long = {name: len(array) for name, array in arrays.items() if array.ndim}
    if len(set(long.values())) > 1:
        told = ", ".join(f"{name} {n:,}" for name, n in long.items())
        raise EventsError(
            f'Arrays of "{path}" must be equally long, one value or row an event, but are: {told}. '
            "Write those that belong together into a file of their own."
        )
    if columns is not None and len(tables) != 1:
        raise EventsError(
            f'"{path}" must hold one two-dimensional array where `columns` names its columns, but holds {len(tables)}: '
            f"{name_all(arrays)}. Leave out `columns`."
        )
    listed: list[Column] = []
    for name, array in arrays.items():
        if array.ndim:
            listed += _list_array(path, array, name, columns if array.ndim == 2 else None)
        else:
            listed.append(Column(name, leave_out, "holds one value for all events"))
    return listed


def _list_array(path: Path, array: Any, name: str, columns: tuple[str, ...] | None) -> Iterator[Column]:
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
        yield Column("x0" if name == "X" else name, partial(array.__getitem__, ...), find_why_not(array.dtype))
    elif not array.ndim:
        raise EventsError(f'"{path}" must hold an array of events, but holds one value.')
    else:
        yield Column(name, partial(array.__getitem__, ...), find_why_not(array.dtype, array.shape[1:]))
