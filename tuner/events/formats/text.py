"""Events in text: comma, semicolon, tab or blanks between the values, with a line of names or without."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.events.columns import UNDEFINED_TEXTS, is_number
from tuner.events.formats.text_layout import (
    TextLayout,
    check_lines,
    find_layout,
    find_line,
    is_grouped,
    is_written_otherwise,
    write_plainly,
)
from tuner.events.listing import Wanted, check_names


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
    plain = {name: _write_plainly(path, layout, table[name]) for name in table.columns if not is_number(table[name])}
    table = table.assign(**plain)
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


def _write_plainly(path: Path, layout: TextLayout, column: pd.Series) -> pd.Series:
    """Return a column of numbers with marks between thousands, or of decimal commas among other texts, as numbers.

    Texts that are no numbers stay. Raise `EventsError` where it is not certain which of a number's marks is which.
    """
    codes, values = pd.factorize(column)
    texts = [str(value) for value in values]
    decimal, mark = layout.decimal, "." if layout.decimal == "," else ","
    if decimal == "." and not any("," in text for text in texts):
        return column
    plain = [write_plainly(text, decimal) for text in texts]
    marked = [number for number, text in enumerate(texts) if is_grouped(text, decimal)]
    told = [number for number, text in enumerate(texts) if text.strip().lower() not in UNDEFINED_TEXTS]
    otherwise = [number for number in told if is_written_otherwise(texts[number], decimal)]
    n_numbers = sum(text is not None for text in plain)
    if (not marked and decimal == ".") or 2 * (n_numbers + len(otherwise)) <= len(told):
        return column
    if marked and not any(decimal in texts[n] or texts[n].count(mark) > 1 for n in marked):
        otherwise += [n for n in told if n not in marked and re.match(r"[+-]?\d{4}", texts[n].strip())]
    if otherwise and (marked or n_numbers):
        number = min(otherwise, key=lambda n: int((codes == n).argmax()))
        other = (marked or [n for n, text in enumerate(plain) if text is not None])[0]
        lines = [find_line(path, layout, int((codes == n).argmax())) for n in (number, other)]
        raise EventsError(
            f'Column "{column.name}" of "{path}" must write all its numbers in one way, but has "{texts[number]}" in '
            f'line {lines[0]:,} and "{texts[other]}" in line {lines[1]:,}. '
            "Write them with a decimal point, and without a mark between thousands."
        )
    written = [text if new is None else new for text, new in zip(texts, plain, strict=True)]
    result = pd.Series([None if code < 0 else written[code] for code in codes], column.index, dtype=object)
    return pd.to_numeric(result) if n_numbers == len(texts) else result


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
