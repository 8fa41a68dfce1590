"""How a text file is laid out: what stands between the values, and whether its first line names the columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mode

from tuner.errors import EventsError
from tuner.events.formats.text_numbers import (
    NUMBER,
    is_grouped,
    judge_cell,
    may_be_number,
    tells_comma,
    tells_point,
)
from tuner.events.formats.text_opening import find_encoding, open_bytes, open_text

_BLANKS = r"\s+"
_N_LOOKED_AT = 100
_N_CHARACTERS = 1 << 20
_COMMENTS = ("#", "%")
_ONE_BYTE = ("utf-8", "utf-8-sig", "cp1252", "iso-8859-1")
"""Encodings in which a separator is a byte, and that byte nothing else."""
_WHOLE = re.compile(r"[+-]?\d+")
_SEPARATOR_LINE = re.compile(r'"?sep=(.|\\t)"?', re.IGNORECASE)
"""First line of a file that Excel is to split at a mark of its own."""


@dataclass(frozen=True)
class TextLayout:
    """How a text file is laid out."""

    separator: str
    """What stands between two values; a regular expression where that is blanks."""
    names: tuple[str, ...] | None
    """Names of the columns, "" where one has none; None where the file does not name them."""
    n_columns: int
    """Number of values in a line."""
    n_skipped: int
    """Lines before the first event."""
    comment: str | None
    """Lines that begin with this mark are no events."""
    decimal: str
    """Point or comma."""
    encoding: str
    """How the letters are encoded, as Python calls it."""
    has_blanks: bool
    """Blanks follow a separator."""
    first: tuple[str, ...]
    """The cells of the first line that is no comment."""


def find_layout(path: Path, *, decimal: str | None = None, encoding: str | None = None) -> TextLayout:
    """Return how a text file is laid out. Raise `EventsError` where it is empty or no text.

    A line of names may begin with #, as NumPy writes it. A first line is one of names where none of its cells is a
    number, where it has a word above numbers, or where it counts the columns (0, 1, 2, ...), as pandas writes it. A
    line of units below it is no event.

    Args:
        path: The file.
        decimal: Point or comma, where it is known. None: judged by the first lines, a point where they do not tell.
        encoding: How the letters are encoded. None: judged by the first bytes.
    """
    encoding = encoding or find_encoding(path)
    numbered = _read_lines(path, encoding)
    given = _SEPARATOR_LINE.fullmatch(numbered[0][1])
    if given and len(numbered) > 1:
        numbered = numbered[1:]
    comment = next((mark for mark in _COMMENTS if numbered[0][1].startswith(mark)), None)
    comments = []
    while comment and numbered and numbered[0][1].startswith(comment):
        comments.append(numbered.pop(0))
    if comment is None and any(line.startswith("#") for _, line in numbered):
        comment = "#"
    if comment:
        numbered = [(number, line) for number, line in numbered if not line.startswith(comment)]
    if not numbered:
        numbered, comments = [(comments[-1][0], comments[-1][1].lstrip(f"{comment} "))], []
    separator = given[1].replace("\\t", "\t") if given else _guess_separator([line for _, line in numbered])
    rows = [_split(line, separator) for _, line in numbered]
    mark = decimal or ("," if _has_decimal_comma(rows) else ".")
    names: Sequence[str] | None = None
    first, n_skipped = tuple(rows[0]), numbered[0][0]
    if is_header(rows[0], rows[1:], mark):
        names, n_skipped = _complete_names(rows[0], rows[1:]), numbered[0][0] + 1
        numbered, rows = numbered[1:], rows[1:]
    else:
        names = _find_names_in_comments([line for _, line in comments], separator, rows)
    if names is not None:
        names = tuple(map(clean_name, names))
        if _are_units(rows, mark):
            n_skipped = numbered[0][0] + 1
            numbered, rows = numbered[1:], rows[1:]
    if mark == "." and decimal is None:
        _refuse_doubtful_points(path, rows, [number + 1 for number, _ in numbered], names or ())
    has_blanks = separator == _BLANKS or any(f"{separator} " in line for _, line in numbered)
    return TextLayout(separator, names, len(names or first), n_skipped, comment, mark, encoding, has_blanks, first)


def _are_units(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Return whether the first line below the names tells units: no number in it, and a word above numbers alone."""
    kinds = [judge_cell(cell, decimal) for cell in rows[0]] if len(rows) > 1 else []
    if "number" in kinds:
        return False
    return any(
        kind == "text" and {judge_cell(row[index], decimal) for row in rows[1:] if index < len(row)} == {"number"}
        for index, kind in enumerate(kinds)
    )


def is_header(cells: Sequence[str], rows: Sequence[Sequence[str]], decimal: str = ".") -> bool:
    """Return whether the first line's cells name columns, given the lines of values below it."""
    below = [[row[index] for row in rows if index < len(row)] for index in range(len(cells))]
    kinds = [judge_cell(cell, decimal) for cell in cells]
    are_numbers = [bool(column) and {"number"} <= {judge_cell(c, decimal) for c in column} <= {"number", "none"}
                   for column in below]  # fmt: skip
    has_word_above_numbers = any(kind == "text" and n for kind, n in zip(kinds, are_numbers, strict=True))
    if "number" not in kinds:
        marks = (kind == "none" and cell.lower() not in ("", "na") for kind, cell in zip(kinds, cells, strict=True))
        has_mark_above_numbers = any(is_mark and n for is_mark, n in zip(marks, are_numbers, strict=True))
        return "text" in kinds and (has_word_above_numbers or not has_mark_above_numbers)
    counted = [(cell, column) for cell, kind, column in zip(cells, kinds, below, strict=True) if kind == "number"]
    if not all(_WHOLE.fullmatch(cell) for cell, _ in counted):
        return False
    if has_word_above_numbers:
        return True
    return _counts_columns([int(cell) for cell, _ in counted], [column for _, column in counted], "text" not in kinds)


def _counts_columns(numbers: Sequence[int], below: Sequence[Sequence[str]], are_all: bool) -> bool:
    """Return whether whole numbers are names: 0, 1, 2, ..., or different ones above fractions throughout.

    are_all: there is no word beside them.
    """
    if len(numbers) < 2 or len(set(numbers)) < len(numbers) or not all(below):
        return False
    are_fractions = [not any(_WHOLE.fullmatch(value) for value in column) for column in below]
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] in (0, 1):
        return any(are_fractions) or (are_all and numbers[0] == 0 and len(numbers) > 3)
    return all(are_fractions) and len(below[0]) > 2


def clean_name(name: object) -> str:
    """Return a column's name without quotes, blanks around it and a colon behind it."""
    return str(name).strip().strip("\"'").rstrip(":").strip()


def check_lines(path: Path, layout: TextLayout, n_events: int) -> None:
    """Raise `EventsError` where a line has fewer values than there are columns, as where a file was cut off.

    n_events: that were read, of which none has more.
    """
    if _has_all_separators(path, layout, n_events):
        return
    separator = None if layout.separator == _BLANKS else layout.separator
    for number, line in _list_events(path, layout):
        # Splitting without a look at quotes is quick, and finds too many values, never too few.
        is_quoted = '"' in line
        n_values = len(_split(line.strip(" \r\n"), layout.separator) if is_quoted else line.split(separator))
        if n_values < layout.n_columns:
            raise EventsError(
                f'Each line of "{path}" must have {layout.n_columns} values, but line {number:,} has {n_values}. '
                "Was the file cut off or damaged? Copy or make it again, or remove that line."
            )


def _has_all_separators(path: Path, layout: TextLayout, n_events: int) -> bool:
    """Return whether there are as many separators below the names as whole events have, which takes little time.

    False says nothing: they may be within quotes, or there may be comments.
    """
    if layout.separator == _BLANKS or layout.comment or layout.encoding not in _ONE_BYTE:
        return False
    mark, n_found = layout.separator.encode(), 0
    with open_bytes(path) as file:
        for _ in range(layout.n_skipped):
            file.readline()
        while block := file.read(_N_CHARACTERS):
            n_found += block.count(mark)
            if b'"' in block:
                return False
    return n_found == n_events * (layout.n_columns - 1)


def find_line(path: Path, layout: TextLayout, row: int) -> int:
    """Return the line, counted from 1, of an event, counted from 0."""
    lines = (number for n_events, (number, _) in enumerate(_list_events(path, layout)) if n_events == row)
    return next(lines, layout.n_skipped + row + 1)


def _list_events(path: Path, layout: TextLayout) -> Iterator[tuple[int, str]]:
    """Yield the lines that are events, with their numbers, counted from 1."""
    with open_text(path, layout.encoding) as file:
        for number, line in enumerate(file, 1):
            is_comment = layout.comment is not None and line.lstrip(" ").startswith(layout.comment)
            if number > layout.n_skipped and line.strip() and not is_comment:
                yield number, line


def _read_lines(path: Path, encoding: str) -> list[tuple[int, str]]:
    """Return the first lines that are not blank, with their numbers, counted from 0."""
    with open_text(path, encoding) as file:
        text = file.read(_N_CHARACTERS)
    if "\0" in text:
        raise ValueError("it is no text, but holds zero bytes")
    lines = text.split("\n")
    whole = lines[:-1] if len(text) == _N_CHARACTERS and len(lines) > 1 else lines
    numbered = [(number, line.strip(" \r")) for number, line in enumerate(whole) if line.strip()][: _N_LOOKED_AT + 1]
    if not numbered:
        raise EventsError(f'"{path}" must begin with a line of column names or of values, but its first line is empty.')
    return numbered


def _guess_separator(lines: Sequence[str]) -> str:
    """Return what separates the lines into most numbers, or, where there are none, occurs most often."""
    looked_at = lines[1:] or lines

    def rate(separator: str) -> tuple[float, bool, bool, int]:
        cells = [cell for line in looked_at for cell in _split(line, separator)]
        kinds = [{judge_cell(cell), judge_cell(cell, ",")} for cell in cells]
        n_numbers = sum("number" in kind for kind in kinds)
        n_told = sum(kind != {"none"} for kind in kinds)
        fits = len(_split(lines[0], separator)) * len(looked_at) == len(cells)
        return n_numbers / n_told if n_told else 0.0, fits, separator != _BLANKS, len(cells)

    there = [mark for mark in (",", ";", "\t") if any(mark in line for line in lines)]
    return max([*there, _BLANKS], key=rate)


def _split(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without quotes and blanks around them."""
    if separator == _BLANKS:
        line, separator = re.sub(_BLANKS, " ", line.strip()), " "
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [cell.strip() for cell in cells]


def _has_decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether numbers have decimal commas; points between groups of three digits do not speak against it."""
    cells = [cell for row in rows for cell in row]
    return any(map(tells_comma, cells)) and not any(map(tells_point, cells))


def _refuse_doubtful_points(
    path: Path, rows: Sequence[Sequence[str]], lines: Sequence[int], names: Sequence[str]
) -> None:
    """Raise `EventsError` where points may be decimal or part thousands: other columns have commas and points both."""
    columns = [[(row[n], line) for row, line in zip(rows, lines, strict=True) if n < len(row)]
               for n in range(len(rows[-1]) if rows else 0)]  # fmt: skip
    commas = [cell for column in columns for cell in column
              if tells_comma(cell[0]) and all(may_be_number(text) for text, _ in column)]  # fmt: skip
    with_comma = min(commas, key=lambda cell: cell[1], default=None)
    if with_comma is None:
        return
    for index, column in enumerate(columns):
        numbers = [(cell, line) for cell, line in column if NUMBER.fullmatch(cell)]
        grouped = [(cell, line) for cell, line in numbers if is_grouped(cell, ",")]
        if grouped and not any(tells_point(cell) for cell, _ in numbers):
            name = f'"{names[index]}"' if index < len(names) else f"{index + 1}"
            raise EventsError(
                f'Numbers of "{path}" must all have a decimal point or all a decimal comma, but line {with_comma[1]:,} '
                f'has "{with_comma[0]}", and column {name} has "{grouped[0][0]}" in line {grouped[0][1]:,}, which may '
                "be either. Write all numbers with a decimal point, and without a mark between thousands."
            )


def _complete_names(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Sequence[str]:
    """Return names, with an empty one for a column more that the lines have: R's row names, or a closing separator."""
    n_values = mode(map(len, rows)) if rows else len(names)
    if n_values == len(names) - 1 and not names[-1]:
        return names[:-1]
    if n_values != len(names) + 1:
        return names
    return [*names, ""] if not any(row[-1] for row in rows if len(row) > len(names)) else ["", *names]


def _find_names_in_comments(
    comments: Sequence[str], separator: str, rows: Sequence[Sequence[str]]
) -> Sequence[str] | None:
    """Return the names in the last comment that has as many as a line has values; None where there is no such.

    A comment of words alone comes before one with numbers or marks, which may tell units.
    """
    fitting = []
    for line in reversed(comments):
        for text, mark in product((line.lstrip("#"), line), (separator, _BLANKS, ",")):
            cells = _split(text, mark)
            if len(cells) == len(rows[0]) == len(set(cells)) and all(cells) and is_header(cells, rows):
                fitting.append(cells)
                break
    words = (cells for cells in fitting if all(judge_cell(cell) == "text" for cell in cells))
    return next(words, fitting[0] if fitting else None)
