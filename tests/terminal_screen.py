"""A terminal's screen with all that has scrolled out of it: what a program's output looks like in the end."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07|([^\x1b])", re.DOTALL)


def show(written: str, columns: int) -> list[str]:
    """Return the lines that a terminal of so many columns shows after a program wrote this."""
    lines, row, column = [""], 0, 0
    for match in _TOKEN.finditer(written):
        numbers, code, character = match.groups()
        if code == "A":
            row = max(0, row - int(numbers or 1))
        elif code == "K" and numbers == "2":
            lines[row] = ""
        elif code is not None:
            assert code in "mhl", f"the screen does not know {match[0]!r}"
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        elif character is not None:
            if column == columns:
                row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
            lines[row] = lines[row].ljust(column)[:column] + character + lines[row][column + 1 :]
            column += 1
        lines += [""] * (row + 1 - len(lines))
    return lines
