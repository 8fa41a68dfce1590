"""Events in HDF5: a data set with named fields, a group of one data set per column, or a two-dimensional data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage, name_all, suggest_name
from tuner.events.formats.lists import wrap_lists
from tuner.events.formats.pandas_hdf5 import find_pandas_columns, read_values
from tuner.events.listing import Column, Wanted, check_names

_DEEPEST = 32
"""Groups within groups, at most: a damaged file may hold one that holds itself."""


def read_hdf5(path: Path, wanted: Wanted, key: str | None, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """Return the wanted columns of a data set or group of an HDF5 file; None stands for the only one there.

    What is no number or text per event is left out. Frames that pandas wrote are read without PyTables.
    """
    with _open(path) as file:
        listed = _list_columns(file, key, columns, path)
        kept = [column for column in listed if not column.why_not and wanted(column.name)]
        table = pd.DataFrame({column.name: _decode(column.read()) for column in kept})
    table.attrs["left_out"] = {column.name: column.why_not for column in listed if column.why_not}
    return table


def read_arrays(path: Path, names: Sequence[str], key: str | None) -> dict[str, Any]:
    """Return columns of several values per event by name.

    Args:
        path: The file.
        names: Of columns of the data set or group.
        key: Name of the data set or group. None: the only one there.

    Returns:
        Awkward arrays [n, ...].
    """
    with _open(path) as file:
        listed = _list_columns(file, key, None, path)
        return {column.name: wrap_lists(column.read()) for column in listed if column.name in names}


def _open(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingPackage("h5py", "hdf5", f'Reading "{path}"') from error
    return h5py.File(path)


def _list_columns(file: Any, key: str | None, columns: tuple[str, ...] | None, path: Path) -> list[Column]:
    """Return the columns of a data set, a group or a frame that pandas wrote."""
    found = _find_object(file, key, path)
    is_group = hasattr(found, "keys")
    frame = found if is_group else found.parent
    if "pandas_type" in frame.attrs:
        listed = list(find_pandas_columns(frame, path))
    else:
        listed = list(_list_group(found, path) if is_group else _list_dataset(found, columns, path))
    check_names(path, [column.name for column in listed])
    return listed


def _find_object(file: Any, key: str | None, path: Path) -> Any:
    """Return the data set or group that holds the columns."""
    if key is not None:
        if key in file:
            return file[key]
        names: list[str] = []
        file.visit(names.append)
        raise EventsError(f'"{path}" has no "{key}". It has {name_all(names)}.{suggest_name(key, names)}')
    node = file
    for _ in range(_DEEPEST):
        if len(node) != 1 or "pandas_type" in node.attrs:
            break
        inner = node[next(iter(node))]
        if not hasattr(inner, "keys"):
            return inner if inner.dtype.names or inner.ndim == 2 else node
        node = inner
    return node


def _list_group(group: Any, path: Path) -> Iterator[Column]:
    """Yield the data sets of a group as columns, which must be equally long."""
    datasets = {name: item for name, item in group.items() if hasattr(item, "shape")}
    flat = {name: item for name, item in datasets.items() if item.shape is not None and len(item.shape) == 1}
    if not flat:
        raise EventsError(
            f'"{group.name}" of "{path}" must hold one-dimensional data sets, one a column, but holds '
            f"{name_all(group) or 'nothing'}. Name the data set or group: "
            f'"{path}:{next(iter(group), "NAME")}".'
        )
    if len({len(item) for item in flat.values()}) > 1:
        lengths = ", ".join(f"{name} {len(item)}" for name, item in flat.items())
        raise EventsError(f'Columns of "{group.name}" in "{path}" must be equally long, but are: {lengths}.')
    for name, item in datasets.items():
        why_not = _find_why_not(item.dtype) if name in flat else f"has the shape {item.shape}"
        yield Column(name, partial(read_values, item), why_not)


def _list_dataset(dataset: Any, columns: tuple[str, ...] | None, path: Path) -> Iterator[Column]:
    """Yield the fields of a compound data set, or the columns of a two-dimensional one."""
    if dataset.dtype.names and dataset.ndim == 1:
        for name in dataset.dtype.names:
            yield Column(name, partial(read_values, dataset.fields(name)), _find_why_not(dataset.dtype[name]))
        return
    if dataset.ndim != 2 or columns is None or dataset.shape[1] != len(columns):
        raise EventsError(
            f'Data set "{dataset.name}" of "{path}" must have named fields, or two dimensions and as many names in '
            f"File(..., columns=(...)), but has shape {dataset.shape} and {len(columns or ())} names."
        )
    for number, name in enumerate(columns):
        yield Column(name, partial(read_values, dataset, (slice(None), number)), _find_why_not(dataset.dtype))


def _find_why_not(dtype: np.dtype) -> str:
    """Return why a column of this type is no number and no text per event; empty where it is."""
    import h5py

    if dtype.shape:
        return f"holds {int(np.prod(dtype.shape))} values for each event"
    if dtype.kind in "biufSU" or h5py.check_string_dtype(dtype) is not None:
        return ""
    return (
        "holds a list for each event" if h5py.check_vlen_dtype(dtype) is not None else f"holds {dtype} for each event"
    )


def _decode(values: np.ndarray) -> Any:
    """Return text where HDF5 gave bytes, and numbers in this machine's order of bytes."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype.kind == "O":
        return [v.decode() if isinstance(v, bytes) else v for v in values]
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
