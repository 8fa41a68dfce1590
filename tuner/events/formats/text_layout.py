"""How a text file is laid out: what stands between the values, and whether its first line names the columns."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import mode
from typing import IO, Any

from tuner.errors import EventsError
from tuner.events.columns import UNDEFINED_TEXTS

_OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_BLANKS = r"\s+"
_N_LOOKED_AT = 100
_N_CHARACTERS = 1 << 20

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_COMMA_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?")
_WHOLE = re.compile(r"[+-]?\d+")
_INFINITE = ("inf", "infinity")


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
    has_comments: bool
    """Lines, and ends of lines, that begin with # are no events."""
    decimal: str
    """Point or comma."""
    first: tuple[str, ...]
    """The cells of the first line that is no comment."""


def find_layout(path: Path) -> TextLayout:
    """Return how a text file is laid out. Raise `EventsError` where it is empty or no text.

    A line of names may begin with #, as NumPy writes it. A first line is one of names where none of its cells is a
    number, where it has a word above numbers, or where it counts the columns (0, 1, 2, ...), as pandas writes it.
    """
    numbered = _read_lines(path)
    comments = []
    while numbered and numbered[0][1].startswith("#"):
        comments.append(numbered.pop(0))
    body = [line for _, line in numbered if not (comments and line.startswith("#"))]
    if not body:
        body, numbered, comments = [comments[-1][1].lstrip("# ")], comments[-1:], []
    separator = _guess_separator(body)
    rows = [_split(line, separator) for line in body]
    decimal = "," if _has_decimal_comma(rows, separator) else "."
    names: Sequence[str] | None = None
    if is_header(rows[0], rows[1:], decimal):
        names, n_skipped = _complete_names(rows[0], rows[1:]), numbered[0][0] + 1
    else:
        names, n_skipped = _find_names_in_comments([line for _, line in comments], separator, rows), numbered[0][0]
    if names is not None:
        names = tuple(map(clean_name, names))
    if decimal == ".":
        lines = [number + 1 for number, line in numbered if not (comments and line.startswith("#"))]
        _refuse_doubtful_points(path, rows, lines, names or ())
    return TextLayout(separator, names, len(names or rows[0]), n_skipped, bool(comments), decimal, tuple(rows[0]))


def is_header(cells: Sequence[str], rows: Sequence[Sequence[str]], decimal: str = ".") -> bool:
    """Return whether the first line's cells name columns, given the lines of values below it."""
    below = [[row[index] for row in rows if index < len(row)] for index in range(len(cells))]
    kinds = [_judge(cell, decimal) for cell in cells]
    are_numbers = [bool(column) and {"number"} <= {_judge(c, decimal) for c in column} <= {"number", "none"}
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


def check_lines(path: Path, layout: TextLayout) -> None:
    """Raise `EventsError` where a line has fewer values than there are columns, as where a file was cut off."""
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if number <= layout.n_skipped or not line.strip() or (layout.has_comments and line.startswith("#")):
                continue
            n_values = len(_split(line.strip(" \r\n"), layout.separator))
            if n_values < layout.n_columns:
                raise EventsError(
                    f'Each line of "{path}" must have {layout.n_columns} values, but line {number:,} has {n_values}. '
                    "Was the file cut off or damaged? Copy or make it again, or remove that line."
                )


def _open(path: Path) -> IO[str]:
    file: IO[str] = _OPENERS.get(path.suffix.lower(), open)(path, "rt", encoding="utf-8-sig")
    return file


def _read_lines(path: Path) -> list[tuple[int, str]]:
    """Return the first lines that are not blank, with their numbers, counted from 0."""
    with _open(path) as file:
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
        kinds = [{_judge(cell), _judge(cell, ",")} for cell in cells]
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


def _has_decimal_comma(rows: Sequence[Sequence[str]], separator: str) -> bool:
    """Return whether numbers have decimal commas; points between groups of three digits do not speak against it."""
    cells = [cell for row in rows for cell in row]
    if any(_tells_point(cell) for cell in cells):
        return False
    if any(_tells_comma(cell) for cell in cells):
        return True
    has_point = any("." in cell and _NUMBER.fullmatch(cell) for cell in cells)
    return separator != "," and not has_point and any("," in cell and _COMMA_NUMBER.fullmatch(cell) for cell in cells)


def _tells_point(cell: str) -> bool:
    """Return whether a number can only be read with a decimal point."""
    is_number = "." in cell and bool(_NUMBER.fullmatch(cell) or _GROUPED.fullmatch(cell))
    return is_number and not _COMMA_GROUPED.fullmatch(cell)


def _tells_comma(cell: str) -> bool:
    """Return whether a number can only be read with a decimal comma."""
    is_number = "," in cell and bool(_COMMA_NUMBER.fullmatch(cell) or _COMMA_GROUPED.fullmatch(cell))
    return is_number and not _GROUPED.fullmatch(cell)


def _may_be_number(cell: str) -> bool:
    """Return whether a cell is a number with one decimal mark or the other, or stands for "not defined"."""
    return {_judge(cell), _judge(cell, ",")} != {"text"}


def _refuse_doubtful_points(
    path: Path, rows: Sequence[Sequence[str]], lines: Sequence[int], names: Sequence[str]
) -> None:
    """Raise `EventsError` where points may be decimal or part thousands: other columns have commas and points both."""
    columns = [[(row[n], line) for row, line in zip(rows, lines, strict=True) if n < len(row)]
               for n in range(len(rows[-1]))]  # fmt: skip
    below = [column[1:] if names else column for column in columns]
    commas = [cell for column in below for cell in column
              if _tells_comma(cell[0]) and all(_may_be_number(text) for text, _ in column)]  # fmt: skip
    with_comma = min(commas, key=lambda cell: cell[1], default=None)
    if with_comma is None:
        return
    for index, column in enumerate(columns):
        numbers = [(cell, line) for cell, line in column if _NUMBER.fullmatch(cell)]
        grouped = [(cell, line) for cell, line in numbers if _COMMA_GROUPED.fullmatch(cell)]
        if grouped and not any(_tells_point(cell) for cell, _ in numbers):
            name = f'"{names[index]}"' if index < len(names) else f"{index + 1}"
            raise EventsError(
                f'Numbers of "{path}" must all have a decimal point or all a decimal comma, but line {with_comma[1]:,} '
                f'has "{with_comma[0]}", and column {name} has "{grouped[0][0]}" in line {grouped[0][1]:,}, which may '
                "be either. Write all numbers with a decimal point, and without a mark between thousands."
            )


def write_plainly(text: str, decimal: str) -> str | None:
    """Return a number with a decimal point and without marks between thousands; None where a text is no number."""
    bare = text.strip()
    mark = "." if decimal == "," else ","
    if is_grouped(bare, decimal):
        bare = bare.replace(mark, "")
    elif not (_COMMA_NUMBER if decimal == "," else _NUMBER).fullmatch(bare):
        return None
    return bare.replace(",", ".")


def is_grouped(text: str, decimal: str) -> bool:
    """Return whether a number has marks between groups of three digits."""
    return bool((_COMMA_GROUPED if decimal == "," else _GROUPED).fullmatch(text.strip()))


def is_written_otherwise(text: str, decimal: str) -> bool:
    """Return whether a text is a number only with the other decimal mark."""
    return _tells_point(text.strip()) if decimal == "," else _tells_comma(text.strip())


def find_line(path: Path, layout: TextLayout, row: int) -> int:
    """Return the line, counted from 1, of an event, counted from 0."""
    n_events = -1
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            if number > layout.n_skipped and line.strip() and not (layout.has_comments and line.startswith("#")):
                n_events += 1
                if n_events == row:
                    return number
    return layout.n_skipped + row + 1


def _judge(cell: str, decimal: str = ".") -> str:
    """Return what a cell is: "number", "text", or "none" where it stands for "not defined"."""
    bare = cell.strip("\"' ")
    if write_plainly(bare, decimal) is not None:
        return "number"
    word = bare.lower()
    return "none" if word in UNDEFINED_TEXTS or word.lstrip("+-") in _INFINITE else "text"


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
    words = (cells for cells in fitting if all(_judge(cell) == "text" for cell in cells))
    return next(words, fitting[0] if fitting else None)
