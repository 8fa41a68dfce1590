"""Events in text: comma, semicolon, tab or blanks between the values, with a line of names or without."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.read.listing import Wanted, check_names
from tuner.read.text_layout import TextLayout, check_lines, find_layout


def read_text(
    path: Path, wanted: Wanted, columns: tuple[str, ...] | None, *, may_have_header: bool = False
) -> pd.DataFrame:
    """Return the wanted columns of a text file. `columns` names those of a file without a line of names.

    A column without a name is the index that pandas or R wrote, and is told as such. Raise `EventsError` where
    `columns` is missing, is too much (unless the file `may_have_header`), or does not fit.
    """
    layout = find_layout(path)
    given = _choose_names(path, layout, columns, may_have_header=may_have_header)
    names = [name or f"Unnamed: {number}" for number, name in enumerate(given)]
    check_names(path, names)
    table = _read_values(path, layout, names)[[name for name in names if wanted(name)]]
    table.attrs["index"] = tuple(name for name, own in zip(names, given, strict=True) if not own)
    return table


def _read_values(path: Path, layout: TextLayout, names: list[str]) -> pd.DataFrame:
    """Return all columns: where pandas is to choose some, it no longer sees that a line has more values than names.

    Raise `EventsError` where a line has fewer: pandas takes the others for undefined.
    """
    with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
        table = pd.read_csv(
            path,
            sep=layout.separator,
            skipinitialspace=True,
            header=None,
            names=names,
            index_col=False,
            skiprows=layout.n_skipped,
            comment="#" if layout.has_comments else None,
            decimal=layout.decimal,
            encoding="utf-8-sig",
            low_memory=False,
        )
    if table[names[-1]].isna().any():
        check_lines(path, layout)
    return table


def _choose_names(
    path: Path, layout: TextLayout, columns: tuple[str, ...] | None, *, may_have_header: bool
) -> tuple[str, ...]:
    """Return the names of the columns, "" where one has none. Raise `EventsError` where they are not told."""
    if layout.names is not None:
        if columns is not None and not may_have_header:
            raise EventsError(
                f'"{path}" must have no line of names where `columns` gives them, but its names are '
                f"{name_all(layout.names)}. Leave out `columns`, or that line of the file."
            )
        return layout.names
    if columns is None:
        raise EventsError(
            f'The first line of "{path}" must name the columns, but holds the values {name_all(layout.first, most=3)}. '
            "Write a header line, or name the columns in the study: File(..., columns=(...))."
        )
    if len(columns) != layout.n_columns:
        raise EventsError(
            f'"{path}" has {layout.n_columns} values in its first line, but `columns` names {len(columns)} columns. '
            "Name each of them, or write a header line."
        )
    return columns
