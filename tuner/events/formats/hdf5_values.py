"""Values of HDF5: columns that lie side by side in one data set are read together, in blocks of events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from tuner.events.listing import ALL_ROWS

_BLOCK = 16 << 20
"""Bytes of a data set that are read at once, about: a block of events, of which each column then takes its own."""


@dataclass(frozen=True)
class StoredColumn:
    """A column and where its values are."""

    name: str
    dataset: Any
    why_not: str = ""
    """Why it is no number and no text per event, as "holds a list for each event"; empty where it is."""
    fields: tuple[str, ...] = ()
    """Members of the data set's records that lead to it, from the outside in."""
    number: int | None = None
    """Which of the values beside each other, where an event has several."""
    is_turned: bool = False
    """The data set holds a row for each column, not for each event."""
    decode: Callable[[np.ndarray], Any] | None = None
    """Makes labels of codes."""


def read_stored(columns: Sequence[StoredColumn], rows: slice = ALL_ROWS) -> dict[str, Any]:
    """Return columns of some events by name, each as an array [n] of this machine's order of bytes, or as text."""
    values: dict[str, Any] = {}
    for _, of_dataset in groupby(columns, key=lambda column: column.dataset.id.id):
        values |= _read_dataset(list(of_dataset), rows)
    return {column.name: (column.decode or _simplify)(values[column.name]) for column in columns}


def read_whole(column: StoredColumn, rows: slice = ALL_ROWS) -> np.ndarray:
    """Return all values of a column for some events, whatever their shape, [n, ...]."""
    source = column.dataset.fields(column.fields[0]) if column.fields else column.dataset
    values: np.ndarray = source[rows]
    for name in column.fields[1:]:
        values = values[name]
    return values


def _read_dataset(columns: list[StoredColumn], rows: slice) -> dict[str, np.ndarray]:
    """Return columns of one data set, which is read once."""
    dataset = columns[0].dataset
    if columns[0].is_turned:
        return {column.name: dataset[column.number, rows] for column in columns}
    if not columns[0].fields and dataset.ndim == 1:
        return {column.name: dataset[rows] for column in columns}
    events = range(len(dataset))[rows]
    n = len(events)
    source, values = _choose_fields(dataset, columns), {}
    step = _choose_step(dataset)
    for start in range(0, max(n, 1), step):
        block = source[events.start + start : min(events.start + start + step, events.stop)]
        for column in columns:
            part = _pick(block, column)
            if start == 0:
                values[column.name] = np.empty(n, part.dtype.newbyteorder("="))
            values[column.name][start : start + step] = part
    return values


def _choose_fields(dataset: Any, columns: Sequence[StoredColumn]) -> Any:
    """Return what is to be sliced: whole records, which is fast, or their wanted fields where those are the less."""
    names = list(dict.fromkeys(column.fields[0] for column in columns if column.fields))
    n_bytes = sum(dataset.dtype[name].itemsize for name in names)
    return dataset if not names or 2 * n_bytes > dataset.dtype.itemsize else dataset.fields(names)


def _choose_step(dataset: Any) -> int:
    """Return how many events make a block: whole chunks, as a chunk is decompressed as a whole."""
    n_bytes = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:], dtype=np.int64))
    rows: int = max(1, _BLOCK // max(1, n_bytes))
    chunk: int = dataset.chunks[0] if dataset.chunks else 1
    return max(chunk, rows - rows % chunk)


def _pick(block: np.ndarray, column: StoredColumn) -> np.ndarray:
    for name in column.fields:
        block = block[name]
    if column.number is not None:
        block = block[:, column.number]
    return block.reshape(len(block))


def _simplify(values: np.ndarray) -> Any:
    """Return text where HDF5 gave bytes, numbers in this machine's order of bytes, and no long double."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "O":
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else v for v in values]
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def make_labels(names: dict[str, int]) -> Callable[[np.ndarray], Any]:
    """Return what makes labels of the codes of an enumeration; a code without a name becomes undefined."""

    def decode(codes: np.ndarray) -> Any:
        order = sorted(names, key=lambda name: names[name])
        known = np.array([names[name] for name in order], np.int64)
        places = np.clip(np.searchsorted(known, codes), 0, len(order) - 1)
        return pd.Categorical.from_codes(np.where(known[places] == codes, places, -1), categories=pd.Index(order))

    return decode
