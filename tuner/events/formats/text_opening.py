"""Opening a text file: how it is compressed, and how its letters are encoded."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_N_LOOKED_AT = 1 << 20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before that of UTF-16, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
UTF_8 = "utf-8"


def open_text(path: Path, encoding: str, *, newline: str | None = None) -> IO[str]:
    """Open a text file, decompressed as its ending says (.gz, .bz2, .xz, .zst).

    newline: "" leaves the ends of lines as they are, as `open` does.
    """
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline=newline)


class WithoutComments(io.TextIOBase):
    """A text without the lines that begin with a mark, blanks before it or not; the mark within a line stays.

    `pandas.read_csv(comment=...)` would cut off what follows a mark in a value, such as "C#1".
    """

    def __init__(self, file: IO[str], mark: str) -> None:
        """file: opened with universal ends of lines, and at the beginning of a line."""
        self._file, self._mark = file, mark
        self._line = re.compile(rf"^ *{re.escape(mark)}.*\n?", re.MULTILINE)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, size: int | None = -1, /) -> str:
        """Return about so many characters, whole lines; empty at the end."""
        while block := self._file.read(-1 if size is None else size):
            block += self._file.readline()
            if left := self._line.sub("", block) if self._mark in block else block:
                return left
        return ""


def find_encoding(path: Path) -> str:
    """Return how a text file is encoded: as its byte order mark says, else UTF-8 where it can be.

    Else Windows-1252 or ISO-8859-1 (Latin-1): by these each byte is a letter, so that numbers are right in any case.
    """
    with open_bytes(path) as file:
        beginning = file.read(_N_LOOKED_AT)
    for mark, encoding in _MARKS.items():
        if beginning.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return guess_single_byte(beginning)
    return UTF_8


def guess_single_byte(text: bytes) -> str:
    """Return the encoding of a text that is not in UTF-8: Windows-1252 where it has what Latin-1 has not."""
    return "cp1252" if any(128 <= byte < 160 for byte in text) else "iso-8859-1"


def open_bytes(path: Path) -> Any:
    """Open a file, decompressed as its ending says (.gz, .bz2, .xz, .zst)."""
    if path.suffix.lower() == ".zst":
        import pyarrow as pa

        return io.BufferedReader(pa.input_stream(str(path), compression="zstd"))
    return _OPENERS.get(path.suffix.lower(), open)(path, "rb")
