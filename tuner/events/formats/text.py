"""Events in text: comma, semicolon, tab or blanks between the values, with a line of names or without."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.events.columns import UNDEFINED_TEXTS, is_number, parse_texts
from tuner.events.formats.text_layout import TextLayout, check_lines, find_layout, find_line
from tuner.events.formats.text_numbers import (
    is_doubtful,
    is_grouped,
    is_written_otherwise,
    tells_comma,
    tells_point,
    write_plainly,
)
from tuner.events.formats.text_opening import UTF_8, WithoutComments, guess_single_byte, open_text
from tuner.events.listing import Wanted, check_names
from tuner.events.reading_notes import Marks

_SILENT = ["", *(f"{sign}{word}" for sign in ("", "-", "+") for word in ("nan", "NaN", "NAN"))]
"""What programs write for not-a-number: undefined, and nothing to tell of."""
_N_LOOKED_AT = 1000
_EXACT = 2.0**53
"""Whole numbers below it are exact as float64."""


def read_text(
    path: Path,
    wanted: Wanted,
    columns: tuple[str, ...] | None,
    *,
    may_have_header: bool = False,
    decimal: str | None = None,
    encoding: str | None = None,
) -> pd.DataFrame:
    """Return the wanted columns of a text file.

    A column without a name is the index that pandas or R wrote, and is told as such. Marks among numbers, such as "?",
    are undefined, and counted in the attribute `marks`.

    Args:
        path: The file.
        wanted: Says which columns.
        columns: Names of the columns of a file without a line of names.
        may_have_header: The file may have a line of names although `columns` is given.
        decimal: "." or ",". None: judged by all numbers of the file.
        encoding: How the letters are encoded. None: judged by the first bytes.

    Raises:
        EventsError: `columns` is missing, is too much or does not fit; a line has too few values; numbers are written
            in more than one way, or in one that may be read in two.
    """
    layout = find_layout(path, decimal=decimal, encoding=encoding)
    given = _choose_names(path, layout, columns, may_have_header=may_have_header)
    names = [name or f"Unnamed: {number}" for number, name in enumerate(given)]
    check_names(path, names)
    try:
        table = _read_values(path, layout, names)
    except UnicodeDecodeError as error:
        if encoding is not None or layout.encoding != UTF_8:
            raise
        layout = replace(layout, encoding=guess_single_byte(error.object[error.start : error.start + 1]))
        table = _read_values(path, layout, names)
    if decimal is None and (mark := _judge_decimal(path, layout, table)) != layout.decimal:
        layout = replace(layout, decimal=mark)
        table = _read_values(path, layout, names)
    if not given[-1] and table[names[-1]].isna().all():  # behind a separator that closes each line
        names, given = names[:-1], given[:-1]
    table = table[[name for name in names if wanted(name)]]
    marks: Marks = {}
    new = {str(n): _take_numbers(path, layout, table[n], marks) for n in table.columns if not is_number(table[n])}
    table = table.assign(**new)
    table.attrs["index"] = tuple(name for name, own in zip(names, given, strict=True) if not own)
    table.attrs["marks"] = marks
    if encoding is None and layout.encoding in ("cp1252", "iso-8859-1"):
        table.attrs["notes"] = [
            f'"{path}" is not in UTF-8 and was read as {layout.encoding}, which may be wrong for letters other than '
            'a to z; numbers are right. Name its encoding where it is another: File(..., encoding="...").'
        ]
    return table


def _read_values(path: Path, layout: TextLayout, names: list[str]) -> pd.DataFrame:
    """Return all columns: where pandas is to choose some, it no longer sees that a line has more values than names.

    Raise `EventsError` where a line has fewer: pandas takes the others for undefined.
    """
    try:
        table = _parse_lines(path, layout, names, in_stretches=True)
    except pd.errors.DtypeWarning:  # a column has texts in some stretches of lines only
        table = _parse_lines(path, layout, names, in_stretches=False)
    if table[names[-1]].isna().any():
        check_lines(path, layout, len(table))
    return table


def _parse_lines(path: Path, layout: TextLayout, names: list[str], *, in_stretches: bool) -> pd.DataFrame:
    """Return all columns as pandas parses them. in_stretches: judge types by stretches of lines, which is quicker."""
    with (
        warnings.catch_warnings(action="error", category=pd.errors.ParserWarning),
        open_text(path, layout.encoding, newline=None if layout.comment else "") as file,
    ):
        warnings.simplefilter("error", pd.errors.DtypeWarning)
        n_skipped = layout.n_skipped
        if layout.comment:
            for _ in range(n_skipped):
                file.readline()
            n_skipped = 0
        return pd.read_csv(
            WithoutComments(file, layout.comment) if layout.comment else file,
            sep=layout.separator,
            skipinitialspace=layout.has_blanks,
            header=None,
            names=names,
            index_col=False,
            skiprows=n_skipped,
            decimal=layout.decimal,
            keep_default_na=False,
            na_values=_SILENT,
            low_memory=in_stretches,
        )


def _judge_decimal(path: Path, layout: TextLayout, table: pd.DataFrame) -> str:
    """Return the decimal mark that the texts among the values tell; that of the layout where they do not.

    Where the layout has the point, a column with commas is text, so that all of its values are here to be looked at.
    Raise `EventsError` where each of them may be read in two ways.
    """
    if layout.decimal == ",":
        return ","
    texts = {name: table[name].dropna().astype(str) for name in table if not is_number(table[name])}
    texts = {name: column[column.str.contains("[.,]")].drop_duplicates() for name, column in texts.items()}
    texts = {name: column for name, column in texts.items() if _are_numbers(column[:_N_LOOKED_AT])}
    if not any(column.str.contains(",", regex=False).any() for column in texts.values()):
        return "."
    if any(map(tells_point, (text for column in texts.values() for text in column))) or any(
        _have_points(table[name]) for name in table if is_number(table[name])
    ):
        return "."
    if any(map(tells_comma, (text for column in texts.values() for text in column))):
        return ","
    name, column = next((name, column) for name, column in texts.items() if column.map(is_doubtful).any())
    row, text = next(
        (int(row), text.strip()) for row, text in zip(column.index, column, strict=True) if is_doubtful(text)
    )
    raise EventsError(
        f'Numbers of "{path}" may be read in two ways: "{text}" in line {find_line(path, layout, row):,}, column '
        f'"{name}", is {text.replace(",", ".")} if the comma is a decimal mark, and {text.replace(",", "")} if it '
        'stands between thousands; no other number of the file tells. Say which: File(..., decimal=",") or '
        'File(..., decimal="."). Or write all numbers with a decimal point, and without a mark between thousands.'
    )


def _are_numbers(texts: pd.Series) -> bool:
    """Return whether most texts are numbers, with one decimal mark or the other."""
    n_numbers = sum(write_plainly(text, ".") is not None or write_plainly(text, ",") is not None for text in texts)
    return 2 * n_numbers > len(texts)


def _have_points(column: pd.Series) -> bool:
    """Return whether numbers that were read with a decimal point cannot have had it between thousands.

    That is where one is below 1 or has a fourth decimal, or where most of those with a fraction lack a third.
    """
    values = np.abs(column.to_numpy(np.float64))
    values = values[np.isfinite(values) & (values != np.floor(values))]
    thousandths, hundredths = (np.abs(values * n - np.round(values * n)) > 1e-3 for n in (1000, 100))
    return len(values) > 0 and bool((values < 1).any() or thousandths.any() or hundredths.mean() < 0.5)


def _take_numbers(path: Path, layout: TextLayout, column: pd.Series, marks: Marks) -> pd.Series:
    """Return a column of texts as numbers where they are numbers, or marks among them; note each mark in `marks`.

    A mark is noted with how often it stands there, and the first event that has it. Whole numbers that are not exact
    as float64 stay texts.
    """
    plain = _write_plainly(path, layout, column)
    if is_number(plain):
        return plain
    numbers, is_mark, is_text = parse_texts(plain)
    is_known = np.isfinite(numbers)
    is_inexact = (np.abs(numbers[is_known]) >= _EXACT).any() and not (numbers[is_known] % 1).any()
    if is_text.any() or not is_known.any() or is_inexact:
        return plain.str.strip() if isinstance(plain.dtype, pd.StringDtype) else plain
    if is_mark.any():
        told = plain.astype(object).to_numpy()[is_mark]
        rows = np.flatnonzero(is_mark)
        counts = Counter(str(text).strip() for text in told)
        marks[str(column.name)] = {
            mark: (n, int(rows[[str(text).strip() == mark for text in told].index(True)])) for mark, n in counts.items()
        }
    return pd.Series(numbers, column.index, name=column.name)


def _write_plainly(path: Path, layout: TextLayout, column: pd.Series) -> pd.Series:
    """Return a column of numbers with marks between thousands, or of decimal commas among other texts, as numbers.

    Texts that are no numbers stay. Raise `EventsError` where it is not certain which of a number's marks is which.
    """
    codes, values = pd.factorize(column)
    texts = [str(value) for value in values]
    decimal, mark = layout.decimal, "." if layout.decimal == "," else ","
    if decimal == "." and not any("," in text or "D" in text.upper() for text in texts):
        return column
    plain = [write_plainly(text, decimal) for text in texts]
    marked = [number for number, text in enumerate(texts) if is_grouped(text, decimal)]
    told = [number for number, text in enumerate(texts) if text.strip().lower() not in UNDEFINED_TEXTS]
    otherwise = [number for number in told if is_written_otherwise(texts[number], decimal)]
    n_numbers = sum(text is not None for text in plain)
    if 2 * (n_numbers + len(otherwise)) <= len(told) or not (n_numbers or otherwise):
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
