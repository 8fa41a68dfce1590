"""Events in HDF5: a data set with named fields, a group of one data set per column, or a two-dimensional data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage, name_all, suggest_name
from tuner.events.formats.hdf5_values import StoredColumn, make_labels, read_stored, read_whole
from tuner.events.formats.lists import wrap_lists
from tuner.events.formats.pandas_hdf5 import find_pandas_columns
from tuner.events.listing import ALL_ROWS, ListedColumn, Lists, Reason, Wanted, check_names
from tuner.progress.wording import write_count

_DEEPEST = 32
"""Groups within groups, at most: a damaged file may hold one that holds itself."""
_OF_EVENTS = ("jets", "events")
"""Data sets that are taken where there are others: flavour tagging writes `jets` beside `tracks` and `eventwise`."""
_NAMES = ("columns", "column_names", "feature_names", "names")
"""Attributes of a two-dimensional data set that may name its columns."""
_FILTERS = {
    305: "LZO", 307: "bzip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP",
    32015: "Zstandard", 32017: "SZ", 32024: "SZ3", 32026: "Blosc2",
}  # fmt: skip
"""Compressions by their numbers, which the HDF Group registers."""


def read_hdf5(
    path: Path, wanted: Wanted, key: str | None, columns: tuple[str, ...] | None, rows: slice = ALL_ROWS
) -> pd.DataFrame:
    """Return the wanted columns of a data set or group of an HDF5 file; None stands for the only one there.

    What is no number or text per event is left out. Frames that pandas wrote are read without PyTables.
    """
    with _open(path) as file:
        listed = _list_stored(file, path, key, columns)
        check_names(path, [column.name for column in listed])
        kept = [column for column in listed if not column.why_not and wanted(column.name)]
        for column in kept:
            _check_filters(column.dataset, path)
        n = len(range(_count_rows(listed))[rows])
        table = pd.DataFrame(read_stored(kept, rows), index=pd.RangeIndex(n) if not kept else None, copy=False)
    table.attrs["left_out"] = {column.name: column.why_not for column in listed if column.why_not}
    return table


def list_columns(path: Path, key: str | None, columns: tuple[str, ...] | None = None) -> list[ListedColumn]:
    """Return the columns of an HDF5 file: their names, their types, and which are one number or text per event."""
    with _open(path) as file:
        listed = _list_stored(file, path, key, columns)
        return [ListedColumn(column.name, str(column.dataset.dtype), not column.why_not) for column in listed]


def list_stretches(path: Path, key: str | None, columns: tuple[str, ...] | None, at_most: int) -> list[slice]:
    """Return the events of a data set or group cut into stretches of `at_most`."""
    with _open(path) as file:
        n_events = _count_rows(_list_stored(file, path, key, columns))
    return [slice(start, min(start + at_most, n_events)) for start in range(0, n_events, at_most)]


def find_keys(path: Path, keys: Sequence[str]) -> list[str]:
    """Return those of some names of data sets and groups that an HDF5 file has."""
    with _open(path) as file:
        return [key for key in keys if key in file]


def read_arrays(path: Path, names: Sequence[str], key: str | None, rows: slice = ALL_ROWS) -> dict[str, Any]:
    """Return columns of several values per event by name.

    Args:
        path: The file.
        names: Of columns of the data set or group.
        key: Name of the data set or group. None: the only one there.
        rows: Which of the events.

    Returns:
        Awkward arrays [n, ...].
    """
    with _open(path) as file:
        stored = [column for column in _list_stored(file, path, key, None) if column.name in names]
        for column in stored:
            _check_filters(column.dataset, path)
        return {column.name: wrap_lists(read_whole(column, rows)) for column in stored}


def _open(path: Path) -> Any:
    """Open an HDF5 file. Raise `MissingPackage`."""
    try:
        import h5py
    except ImportError as error:
        raise MissingPackage("h5py", "hdf5", f'Reading "{path}"') from error
    return h5py.File(path)


def _count_rows(listed: list[StoredColumn]) -> int:
    """Return how many events there are, where no column of them is read."""
    first = next((column for column in listed if not column.why_not), None)
    if first is None:
        return 0
    return int(first.dataset.shape[1 if first.is_turned else 0])


def _list_stored(file: Any, path: Path, key: str | None, columns: tuple[str, ...] | None) -> list[StoredColumn]:
    """Return the columns of the data set or group that holds the events, and what lies beside it as left out."""
    start = _find_key(file, key, path)
    found = _find_table(start, path) if hasattr(start, "keys") else start
    frame = found if hasattr(found, "keys") else found.parent
    if "pandas_type" in frame.attrs:
        return list(find_pandas_columns(frame, path))
    if hasattr(found, "keys"):
        return list(_list_group(found, columns, path))
    listed = list(_list_dataset(found, columns, path))
    known = {column.name for column in listed}
    beside = {name: item for name, item in frame.items() if item != found and hasattr(item, "shape")}
    if found is start:  # it was named: of what is beside it, only what belongs to the same events
        beside = {name: item for name, item in beside.items() if _is_several(item, len(found))}
    return listed + [
        column
        for name, item in beside.items()
        for column in _list_beside(name, item, len(found))
        if column.name not in known
    ]


def _is_several(item: Any, n: int) -> bool:
    """Return whether a data set holds several values or records for each of n events."""
    return item.shape is not None and item.ndim == 2 and item.shape[1] > 1 and len(item) == n


def _list_beside(name: str, item: Any, n: int) -> Iterator[StoredColumn]:
    """Yield what lies beside the events, all of it left out; of several records an event each field: `tracks.pt`."""
    if not (_is_several(item, n) and item.dtype.names):
        yield StoredColumn(name, item, _tell_other(item, n))
        return
    fields = item.dtype.names
    valid = next((f"{name}.{field}" for field in fields if field == "valid" and item.dtype[field].kind == "b"), "")
    for field in fields:
        kind = item.dtype[field]
        mask = valid if f"{name}.{field}" != valid else ""
        why_not = _tell_several((*item.shape[1:], *kind.shape), kind.base, mask)
        yield StoredColumn(f"{name}.{field}", item, why_not, (field,))


def _find_key(file: Any, key: str | None, path: Path) -> Any:
    """Return the data set or group of a name, the file itself without one."""
    if key is None:
        return file
    if key in file:
        return file[key]
    names: list[str] = []
    file.visit(names.append)
    raise EventsError(f'"{path}" has no "{key}". It has {name_all(names) or "nothing"}.{suggest_name(key, names)}')


def _find_table(node: Any, path: Path) -> Any:
    """Return the data set or group of columns in a group: the only one there, or the one called as events are."""
    for _ in range(_DEEPEST):
        if "pandas_type" in node.attrs:
            return node
        datasets = {name: item for name, item in node.items() if hasattr(item, "shape") and item.shape}
        tables = [name for name, item in datasets.items() if _is_flat(item) and _get_type(item, path).names]
        preferred = [name for name in tables if name.lower() in _OF_EVENTS]
        for names in (tables, preferred):
            if len(names) == 1:
                return node[names[0]]
        if tables:
            raise _ask_for_name(node, tables, path)
        if any(_is_flat(item) for item in datasets.values()):
            return node
        if len(datasets) == 1:
            return next(iter(datasets.values()))
        groups = [name for name, item in node.items() if hasattr(item, "keys") and len(item)]
        if len(groups) != 1:
            raise _ask_for_name(node, groups or list(datasets), path)
        node = node[groups[0]]
    raise EventsError(f'"{path}" holds groups within groups without end. If it is damaged, copy or make it again.')


def _ask_for_name(group: Any, names: list[str], path: Path) -> EventsError:
    """Return that a group does not tell by itself where the events are."""
    if not names:
        return EventsError(f'"{group.name}" of "{path}" must hold events, but holds no data set. Is it the right file?')
    inner = [f"{group.name.rstrip('/')}/{name}".lstrip("/") for name in names]
    return EventsError(
        f'"{group.name}" of "{path}" must hold one data set with named fields, or one-dimensional data sets, one a '
        f'column, but holds {name_all(names)}. Name one, "{path}:{inner[0]}", or one for each class: '
        f'File(..., trees={{"{inner[0]}": "signal", ...}}).'
    )


def _get_type(dataset: Any, path: Path) -> np.dtype:
    """Return the type of a data set. Raise `EventsError` where NumPy has none such, as for HDF5's times."""
    try:
        dtype: np.dtype = dataset.dtype
    except TypeError as error:
        raise EventsError(
            f'Data set "{dataset.name}" of "{path}" must hold numbers and texts, but has a field that h5py cannot read '
            f"({error}). Write it anew without that field, or with numbers in its place."
        ) from error
    return dtype


def _is_flat(dataset: Any) -> bool:
    """Return whether a data set has one entry for each event."""
    return dataset.shape is not None and (
        len(dataset.shape) == 1 or (len(dataset.shape) == 2 and dataset.shape[1] == 1)
    )


def _list_group(group: Any, columns: tuple[str, ...] | None, path: Path) -> Iterator[StoredColumn]:
    """Yield the data sets of a group as columns; those of another length than most are left out."""
    datasets = {name: item for name, item in group.items() if not hasattr(item, "keys")}
    n = _find_length(group, datasets, path)
    for name, item in group.items():
        if not hasattr(item, "shape"):
            if not hasattr(item, "keys"):
                yield StoredColumn(name, None, "is a link to what is not there")
        elif item.shape and len(item) == n and item.ndim == 2 and columns and item.shape[1] == len(columns):
            yield from _list_matrix(item, columns)
        elif _is_flat(item) and len(item) == n:
            why_not, decode = _judge(item.dtype)
            yield StoredColumn(name, item, why_not, decode=decode)
        else:
            yield StoredColumn(name, item, _tell_other(item, n))


def _find_length(group: Any, datasets: Mapping[str, Any], path: Path) -> int:
    """Return the number of events: the length that most data sets have. Raise `EventsError` where none has most."""
    lengths = {name: len(item) for name, item in datasets.items() if hasattr(item, "shape") and item.shape}
    (n, count), *others = Counter(lengths.values()).most_common()
    if others and others[0][1] == count:
        told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise EventsError(
            f'Columns of "{group.name}" in "{path}" must be equally long, but are: {told}. Write them into groups of '
            'their own, and name one: File(..., tree="GROUP").'
        )
    return n


def _tell_other(item: Any, n: int) -> str | Reason:
    """Return why a data set that lies beside those of one entry an event is none of them."""
    if item.shape is None:
        return "is empty"
    if item.shape == ():
        return "is one value for all events"
    if len(item) != n:
        return f"has {write_count(len(item), 'row')}, where there are {n:,} events"
    return _tell_several(item.shape[1:], item.dtype)


def _tell_several(shape: tuple[int, ...], dtype: np.dtype, valid: str = "") -> Reason:
    """Return that an event has several values of a type; valid: column that tells which of them are no padding."""
    kind = "record" if dtype.names else "value"
    lists = Lists(shape[0], dtype.kind == "b", valid) if len(shape) == 1 and dtype.kind in "biuf" else None
    return Reason(f"holds {write_count(int(np.prod(shape)), kind)} for each event", lists=lists)


def _list_dataset(dataset: Any, columns: tuple[str, ...] | None, path: Path) -> Iterator[StoredColumn]:
    """Yield the fields of a compound data set, or the columns of a two-dimensional one."""
    if dataset.dtype.names and _is_flat(dataset):
        yield from _list_fields(dataset, dataset.dtype)
        return
    names = columns or _find_names(dataset)
    if dataset.ndim != 2 or dataset.dtype.names or dataset.shape[1] != len(names):
        raise EventsError(
            f'Data set "{dataset.name}" of "{path}" must have named fields, or two dimensions and as many names in '
            f"File(..., columns=(...)), but has shape {dataset.shape} and {len(names)} names."
        )
    yield from _list_matrix(dataset, names)


def _list_matrix(dataset: Any, names: tuple[str, ...]) -> Iterator[StoredColumn]:
    why_not, decode = _judge(dataset.dtype)
    for number, name in enumerate(names):
        yield StoredColumn(name, dataset, why_not, number=number, decode=decode)


def _find_names(dataset: Any) -> tuple[str, ...]:
    """Return the names of columns that a two-dimensional data set carries as an attribute; none where it has none."""
    for attribute in _NAMES:
        value = dataset.attrs.get(attribute)
        if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "SO":
            return tuple(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in value)
    return ()


def _list_fields(dataset: Any, dtype: np.dtype, path: tuple[str, ...] = ()) -> Iterator[StoredColumn]:
    """Yield the fields of records; those of a record within as `outer.inner`."""
    for name in dtype.names or ():
        kind, inner = dtype[name], (*path, name)
        if kind.names:
            yield from _list_fields(dataset, kind, inner)
        else:
            why_not, decode = _judge(kind)
            yield StoredColumn(".".join(inner), dataset, why_not, inner, decode=decode)


def _judge(dtype: np.dtype) -> tuple[str, Any]:
    """Return why a column of this type is no number and no text per event, empty where it is, and how it is decoded."""
    import h5py

    why_not, decode = "", None
    if dtype.shape:
        why_not = _tell_several(dtype.shape, dtype.base)
    elif (names := h5py.check_enum_dtype(dtype)) is not None:
        decode = make_labels(names)
    elif h5py.check_string_dtype(dtype) is not None:
        pass
    elif h5py.check_vlen_dtype(dtype) is not None:
        inner = np.dtype(h5py.check_vlen_dtype(dtype))
        lists = Lists(are_conditions=inner.kind == "b") if inner.kind in "biuf" else None
        why_not = Reason("holds a list for each event", lists=lists)
    elif h5py.check_ref_dtype(dtype) is not None:
        why_not = "holds a reference for each event"
    elif dtype.kind == "c":
        why_not = "holds a complex number for each event"
    elif dtype.kind not in "biuf":
        why_not = "holds raw bytes for each event"
    return why_not, decode


def _check_filters(dataset: Any, path: Path) -> None:
    """Raise `EventsError` that names the compression of a data set, and the plugin, where it cannot be undone here."""
    made = dataset.id.get_create_plist()
    filters = [made.get_filter(number) for number in range(made.get_nfilters())]
    if all(_is_known(code) for code, *_ in filters):
        return
    try:
        import hdf5plugin  # noqa: F401 - makes its compressions known
    except ImportError:
        advice = "The package hdf5plugin can: pip install hdf5plugin"
    else:
        advice = "Write it anew with gzip, which every HDF5 can."
    for code, _, _, told in filters:
        if not _is_known(code):
            name = _FILTERS.get(code) or told.decode("utf-8", "replace") or "an unknown method"
            raise EventsError(
                f'"{dataset.name}" of "{path}" is compressed by {name} (filter {code}), which h5py cannot read by '
                f"itself. {advice}"
            )


def _is_known(code: int) -> bool:
    import h5py

    return bool(h5py.h5z.filter_avail(code))
