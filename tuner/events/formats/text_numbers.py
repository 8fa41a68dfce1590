"""Numbers as people write them: with a decimal point or comma, with marks between thousands."""

from __future__ import annotations

import re

from tuner.events.columns import UNDEFINED_TEXTS

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?")
"""A number with a decimal point."""
COMMA_NUMBER = re.compile(r"[+-]?(\d+,?\d*|,\d+)([eEdD][+-]?\d+)?")
"""A number with a decimal comma."""
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_COMMA_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?")
_INFINITE = ("inf", "infinity")


def judge_cell(cell: str, decimal: str = ".") -> str:
    """Return what a cell is: "number", "text", or "none" where it stands for "not defined"."""
    bare = cell.strip("\"' ")
    if write_plainly(bare, decimal) is not None:
        return "number"
    word = bare.lower()
    return "none" if word in UNDEFINED_TEXTS or word.lstrip("+-") in _INFINITE else "text"


def may_be_number(cell: str) -> bool:
    """Return whether a cell is a number with one decimal mark or the other, or stands for "not defined"."""
    return {judge_cell(cell), judge_cell(cell, ",")} != {"text"}


def write_plainly(text: str, decimal: str) -> str | None:
    """Return a number as Python reads it, without marks between thousands; None where a text is no number."""
    bare = text.strip()
    mark = "." if decimal == "," else ","
    if is_grouped(bare, decimal):
        bare = bare.replace(mark, "")
    elif not (COMMA_NUMBER if decimal == "," else NUMBER).fullmatch(bare):
        return None
    return bare.replace(",", ".").replace("D", "E").replace("d", "e")


def is_grouped(text: str, decimal: str) -> bool:
    """Return whether a number has marks between groups of three digits."""
    return bool((_COMMA_GROUPED if decimal == "," else _GROUPED).fullmatch(text.strip()))


def is_doubtful(text: str) -> bool:
    """Return whether a number may have a decimal comma as well as a mark between thousands: 42,383."""
    bare = text.strip()
    return bare.count(",") == 1 and "." not in bare and is_grouped(bare, ".")


def tells_point(text: str) -> bool:
    """Return whether a number can only be read with a decimal point: 1.5; 1,234.5; 1,234,567."""
    bare = text.strip()
    if bare.count(",") > 1 and is_grouped(bare, "."):
        return True
    return "." in bare and bool(NUMBER.fullmatch(bare) or is_grouped(bare, ".")) and not is_grouped(bare, ",")


def tells_comma(text: str) -> bool:
    """Return whether a number can only be read with a decimal comma: 1,5; 1.234,5; 1.234.567."""
    bare = text.strip()
    if bare.count(".") > 1 and is_grouped(bare, ","):
        return True
    return "," in bare and bool(COMMA_NUMBER.fullmatch(bare) or is_grouped(bare, ",")) and not is_grouped(bare, ".")


def is_written_otherwise(text: str, decimal: str) -> bool:
    """Return whether a text is a number only with the other decimal mark."""
    return tells_point(text) if decimal == "," else tells_comma(text)
