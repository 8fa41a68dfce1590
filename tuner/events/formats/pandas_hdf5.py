"""Frames that pandas wrote into HDF5 by `to_hdf`, in both of its layouts."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tuner.errors import EventsError
from tuner.events.formats.hdf5_values import StoredColumn, make_labels

_NUMBERS = ("bool", "int", "uint", "float")


def find_pandas_columns(group: Any, path: Path) -> Iterator[StoredColumn]:
    """Yield the columns of a frame that pandas wrote; its row index is none of them.

    Raise `EventsError` where the group holds something else that pandas writes, such as a series.
    """
    match _get_text(group, "pandas_type"):
        case "frame_table":
            return _list_table(group)
        case "frame":
            return _list_blocks(group, path)
        case kind:
            raise EventsError(
                f'"{group.name}" of "{path}" must be a table, but pandas wrote a {kind} there. '
                "Write a frame: `frame.to_hdf(path, key=...)`."
            )


def _list_table(group: Any) -> Iterator[StoredColumn]:
    """Yield the columns of `format="table"`: fields of a compound data set, several columns of one type in each."""
    table = group["table"]
    for field in table.dtype.names:
        if field == "index" or f"{field}_kind" not in table.attrs:
            continue
        kind = table.dtype[field]
        names = _list_names(table.attrs[f"{field}_kind"])
        meta = _get_text(table, f"{field}_meta")
        why_not = _judge(_get_text(table, f"{field}_dtype") or kind.base.name, meta)
        decode = _find_categories(group, field) if meta == "category" else None
        for number, name in enumerate(names):
            place = number if kind.shape else None
            yield StoredColumn(name, table, "" if decode else why_not, (field,), place, decode=decode)


def _find_categories(group: Any, field: str) -> Callable[[np.ndarray], Any] | None:
    """Return what makes categories of a column's codes; None where they are not beside the table."""
    try:
        values = group[f"meta/{field}/meta/table"]["values"]
    except (KeyError, ValueError):
        return None
    names = [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values.ravel()]
    return make_labels({name: code for code, name in enumerate(names)})


def _list_blocks(group: Any, path: Path) -> Iterator[StoredColumn]:
    """Yield the columns of `format="fixed"`: two-dimensional data sets of one type, with their names beside them."""
    for number in range(int(group.attrs["nblocks"])):
        values = group[f"block{number}_values"]
        items = group[f"block{number}_items"]
        if items.dtype.kind not in "Si":
            raise EventsError(
                f'Columns of "{group.name}" in "{path}" must be named by text, but are by something else as well. '
                'Write the frame with `format="table"`, or rename its columns.'
            )
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in items[...]]
        why_not = _judge(_get_text(values, "value_type") or values.dtype.name, "")
        is_turned = not values.attrs.get("transposed", False)
        for place, name in enumerate(names):
            yield StoredColumn(name, values, why_not, number=place, is_turned=is_turned)


def _judge(dtype: str, meta: str) -> str:
    """Return why a column of a pandas type cannot be read; empty where it can."""
    if meta == "category":
        return "holds a category of pandas"
    if dtype.startswith((*_NUMBERS, "string", "bytes")):
        return ""
    if dtype in ("str", "object"):
        return 'holds text that pandas pickled, which is not read (write the frame with format="table")'
    return f"holds {dtype} for each event"


def _list_names(pickled: bytes) -> list[str]:
    """Return the texts and whole numbers in a pickled list, without running what a pickle may run."""
    told = pickletools.genops(bytes(pickled))
    return [str(value) for code, value, _ in told if "UNICODE" in code.name or code.name in ("INT", "LONG", "BININT1")]


def _get_text(node: Any, name: str) -> str:
    """Return an attribute as text; what is pickled or not there is empty, but for a pickled word."""
    value = node.attrs.get(name, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
