"""Events in HDF5: a data set with named fields, a group of one data set per column, or a two-dimensional data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage, name_all, suggest_name
from tuner.read.places import Wanted


def read_hdf5(path: Path, wanted: Wanted, place: str | None, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """Return the wanted columns of a data set or group of an HDF5 file; None stands for the only one there."""
    try:
        import h5py
    except ImportError as error:
        raise MissingPackage("h5py", "hdf5", f'Reading "{path}"') from error

    try:
        with h5py.File(path) as file:
            found = _find_columns(file, place, path)
            if isinstance(found, h5py.Group):
                return _read_group(found, wanted, path)
            return _read_dataset(found, wanted, columns, path)
    except OSError as error:
        raise EventsError(f'"{path}" could not be read as HDF5: {error}') from error


def _find_columns(file: Any, place: str | None, path: Path) -> Any:
    """Return the data set or group that holds the columns."""
    if place is not None:
        if place in file:
            return file[place]
        names: list[str] = []
        file.visit(names.append)
        raise EventsError(f'"{path}" has no "{place}". It has {name_all(names)}.{suggest_name(place, names)}')
    node = file
    while len(node) == 1 and hasattr(node, "keys"):
        node = node[next(iter(node))]
        if not hasattr(node, "keys"):
            return node if node.dtype.names or node.ndim == 2 else node.parent
    return node


def _read_group(group: Any, wanted: Wanted, path: Path) -> pd.DataFrame:
    """Return the one-dimensional data sets of a group as columns."""
    datasets = {name: item for name, item in group.items() if hasattr(item, "shape") and len(item.shape) == 1}
    if not datasets:
        raise EventsError(
            f'"{group.name}" of "{path}" must hold one-dimensional data sets, one a column, but holds '
            f"{name_all(group) or 'nothing'}. Name the data set or group: "
            f'"{path}:{next(iter(group), "NAME")}".'
        )
    if len({len(item) for item in datasets.values()}) > 1:
        lengths = ", ".join(f"{name} {len(item)}" for name, item in datasets.items())
        raise EventsError(f'Columns of "{group.name}" in "{path}" must be equally long, but are: {lengths}.')
    return pd.DataFrame({name: _decode(item[...]) for name, item in datasets.items() if wanted(name)})


def _read_dataset(dataset: Any, wanted: Wanted, columns: tuple[str, ...] | None, path: Path) -> pd.DataFrame:
    """Return the fields of a compound data set, or the columns of a two-dimensional one."""
    if dataset.dtype.names:
        names = [name for name in dataset.dtype.names if wanted(name)]
        table = dataset.fields(names)[...]
        return pd.DataFrame({name: _decode(table[name]) for name in names})
    if dataset.ndim != 2 or columns is None or dataset.shape[1] != len(columns):
        raise EventsError(
            f'Data set "{dataset.name}" of "{path}" must have named fields, or two dimensions and as many names in '
            f"File(..., columns=(...)), but has shape {dataset.shape} and {len(columns or ())} names."
        )
    kept = [number for number, name in enumerate(columns) if wanted(name)]
    return pd.DataFrame(dataset[:, kept], columns=[columns[number] for number in kept])


def _decode(values: np.ndarray) -> Any:
    """Return text where HDF5 gave bytes."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype.kind == "O":
        return [v.decode() if isinstance(v, bytes) else v for v in values]
    return values
