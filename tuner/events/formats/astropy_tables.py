"""Events of astronomers: tables in FITS, and ECSV, by astropy."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage, name_all, suggest_name
from tuner.events.formats.arrays import find_why_not, make_table, read_lists
from tuner.events.listing import Column, Lists, Reason, Wanted, leave_out

_LIST = re.compile(r"\d*[PQ]")
_BITS = re.compile(r"\d*X")


def read_fits(path: Path, wanted: Wanted, name: str | None) -> pd.DataFrame:
    """Return the wanted columns of a table in FITS. Columns of vectors, lists and bits are left out.

    Whole numbers that are TNULL, and what is masked, are undefined.

    Args:
        path: The file, compressed or not.
        wanted: Says which columns.
        name: Of the table's extension, such as EVENTS, or its number. None: the first table.

    Raises:
        EventsError: There is no such table, or none at all.
        MissingPackage: astropy is not installed.
    """
    with _open_fits(path, name) as listed:
        return make_table(path, listed, wanted)


def read_arrays(path: Path, names: Sequence[str], name: str | None = None) -> dict[str, Any]:
    """Return columns of vectors or lists of a table by name, Awkward arrays [n, ...]; name: as for `read_fits`."""
    if ".ecsv" in path.suffixes:
        return read_lists(_list_ecsv(path), names)
    with _open_fits(path, name) as listed:
        return read_lists(listed, names)


@contextmanager
def _open_fits(path: Path, name: str | None) -> Iterator[Iterable[Column]]:
    """Open a file, and tell the columns that its table has."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise MissingPackage("astropy", "fits", f'Reading "{path}"') from error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*truncated")
        with path.open("rb") as file, fits.open(file) as units:
            yield _list_columns(_find_table(list(units), name, path))


def _find_table(units: list[Any], name: str | None, path: Path) -> Any:
    """Return the extension of a name or number that is a table, or the first one."""
    tables = {str(unit.name or number): unit for number, unit in reversed([*enumerate(units)]) if _is_table(unit)}
    tables = dict(reversed(tables.items()))
    if not tables:
        raise EventsError(
            f'"{path}" must hold a table, but has only {name_all([unit.name or "an image" for unit in units])}.'
        )
    if name is None:
        return next(iter(tables.values()))
    if name in tables:
        return tables[name]
    if name.isdecimal() and int(name) < len(units) and _is_table(units[int(name)]):
        return units[int(name)]
    raise EventsError(f'"{path}" has no table "{name}". It has {name_all(tables)}.{suggest_name(name, tables)}')


def _is_table(unit: Any) -> bool:
    return type(unit).__name__ in ("BinTableHDU", "TableHDU")


def _list_columns(table: Any) -> Iterator[Column]:
    """Yield the columns of a table in FITS."""
    rows = table.data
    dtypes = table.columns.dtype
    for column in table.columns:
        kind, why_not = str(column.format), ""
        if _LIST.match(kind):
            kind = kind.lstrip("0123456789")[1:2]
            lists = Lists(are_conditions=kind == "L") if kind in "LBIJKED" else None
            why_not = Reason("holds a list for each event", lists=lists)
        elif _BITS.match(kind):
            why_not = "holds bits for each event"
        else:
            why_not = find_why_not(np.dtype(dtypes[column.name]))
        yield Column(column.name, partial(_read_column, rows, column), why_not)


def _read_column(rows: Any, column: Any) -> np.ndarray:
    """Return the values of a column [n]; TNULL is told of the number as it is stored, before it is scaled."""
    values = np.asarray(rows.field(column.name))
    if column.null is None or str(column.null) == "":
        return values
    stored = rows.view(np.ndarray)[column.name]
    return np.where(stored == column.null, np.nan, values.astype(np.float64)) if stored.dtype.kind in "iu" else values


def read_ecsv(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Return the wanted columns of a table in ECSV; what is masked is undefined, times are seconds since 1970."""
    return make_table(path, _list_ecsv(path), wanted)


def _list_ecsv(path: Path) -> Iterator[Column]:
    """Return the columns of a table in ECSV."""
    try:
        from astropy.table import Table
    except ImportError as error:
        raise MissingPackage("astropy", "fits", f'Reading "{path}"') from error

    with warnings.catch_warnings(action="ignore"):
        table = Table.read(path, format="ascii.ecsv")
    return map(_wrap_column, table.colnames, table.itercols())


def _wrap_column(name: str, values: Any) -> Column:
    """Return a column of a table of astropy."""
    if hasattr(values, "unix"):
        return Column(name, lambda: np.asarray(values.unix, np.float64))
    if not hasattr(values, "dtype"):
        return Column(name, leave_out, f"holds a {type(values).__name__} for each event")
    mask = getattr(values, "mask", None)
    if mask is None or not np.any(mask) or values.dtype.kind not in "biuf":
        return Column(name, lambda: np.asarray(values), find_why_not(values.dtype, values.shape[1:]))
    filled = np.where(mask, np.nan, np.asarray(values).astype(np.float64)) if values.ndim == 1 else values
    return Column(name, lambda: filled, find_why_not(values.dtype, values.shape[1:]))
