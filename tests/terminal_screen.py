"""A terminal's screen with all that has scrolled out of it: what a program's output looks like in the end."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07|([^\x1b])", re.DOTALL)


def show(written: str, columns: int, *, styled: bool = False) -> list[str]:
    """Return the lines that a terminal of so many columns shows after a program wrote this, `styled` with colours."""
    lines: list[list[str]] = [[]]
    row, column, style = 0, 0, ""
    for match in _TOKEN.finditer(written):
        numbers, code, character = match.groups()
        if code == "A":
            row = max(0, row - int(numbers or 1))
        elif code == "K" and numbers == "2":
            lines[row] = []
        elif code == "m":
            style = "" if numbers in ("", "0") else style + match[0]
        elif code is not None:
            assert code in "hl", f"the screen does not know {match[0]!r}"
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        elif character is not None:
            if column == columns:
                row, column = row + 1, 0
            lines += [[] for _ in range(row + 1 - len(lines))]
            lines[row] += [" "] * (column - len(lines[row]))
            lines[row][column : column + 1] = [f"{style}{character}\x1b[0m" if styled and style else character]
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    return ["".join(line) for line in lines]
