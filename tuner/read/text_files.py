"""Events in text: comma, semicolon, tab or blanks between the values, with a header line or without."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pandas as pd

from tuner.errors import EventsError
from tuner.read.places import Wanted

_OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def read_text(path: Path, wanted: Wanted, columns: tuple[str, ...] | None) -> pd.DataFrame:
    """Return the wanted columns of a text file. `columns` names those of a file without a header line.

    A first line without any number is a header line. Raise `EventsError`.
    """
    line = _read_first_line(path)
    separator = _guess_separator(line)
    cells = [clean_name(cell) for cell in (line.split() if separator == r"\s+" else line.split(separator))]
    has_header = not any(_is_number(cell) for cell in cells)
    if not has_header:
        columns = _check_columns(path, cells, columns)
    names = cells if has_header else list(columns or ())
    try:
        return pd.read_csv(
            path,
            sep=separator,
            skipinitialspace=True,
            header=0 if has_header else None,
            names=names,
            usecols=[name for name in names if wanted(name)],
            low_memory=False,
        )
    except (ValueError, OSError, EOFError) as error:
        raise EventsError(f'"{path}" could not be read as text with columns: {error}') from error


def clean_name(name: object) -> str:
    """Return a column's name without quotes, blanks around it and a colon behind it."""
    return str(name).strip().strip("\"'").rstrip(":").strip()


def _read_first_line(path: Path) -> str:
    """Return the first line. Raise `EventsError` where there is none."""
    try:
        with _OPENERS.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8-sig") as file:
            line = file.readline().strip()
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError) as error:
        raise EventsError(f'"{path}" could not be read as text: {error}') from error
    if not line:
        raise EventsError(f'"{path}" must begin with a line of column names or of values, but its first line is empty.')
    return str(line)


def _guess_separator(line: str) -> str:
    """Return the separator that occurs most often in a line; blanks where no other does."""
    most = max((",", ";", "\t"), key=line.count)
    return most if most in line else r"\s+"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_columns(path: Path, cells: list[str], columns: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the names of the columns of a file without a header line. Raise `EventsError` where they do not fit."""
    if columns is None:
        value = next(filter(_is_number, cells))
        raise EventsError(
            f'The first line of "{path}" must name the columns, but holds the value "{value}". '
            "Write a header line, or name the columns in the study: File(..., columns=(...))."
        )
    if len(columns) != len(cells):
        raise EventsError(
            f'"{path}" has {len(cells)} values in its first line, but `columns` names {len(columns)} columns. '
            "Name each of them, or write a header line."
        )
    return columns
