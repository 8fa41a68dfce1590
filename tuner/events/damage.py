"""A file that cannot be read is told in one sentence, whatever the library behind the format raises."""

from __future__ import annotations

import codecs
import errno
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pandas.errors import ParserWarning

from tuner.errors import EventsError, TunerError

_N_LOOKED_AT = 1 << 20
_BEGINNINGS = {
    b"PAR1": ("Parquet", ".parquet"),
    b"\x89HDF\r\n\x1a\n": ("HDF5", ".h5"),
    b"root": ("ROOT", ".root"),
    b"\x1f\x8b": ("gzip", ".csv.gz"),
    b"BZh": ("bzip2", ".csv.bz2"),
    b"\xfd7zXZ": ("xz", ".csv.xz"),
    b"PK\x03\x04": ("zip", ".zip"),
}


@contextmanager
def tell_damage(path: Path, kind: str) -> Iterator[None]:
    """Raise `EventsError` that names the file, what is wrong and what to do, for any other exception."""
    try:
        yield
    except TunerError:
        raise
    except Exception as error:
        raise EventsError(
            f'"{path}" could not be read as {kind}: {_shorten(path, error)}. {_advise(path, error)}'
        ) from error


def _shorten(path: Path, error: Exception) -> str:
    """Return the first line of what a library said, without its full stop; the exception's name where it was silent."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ParserWarning):
        return "its first event has more values than there are columns"
    if isinstance(error, UnicodeError):
        encoding = _guess_encoding(path)
        return "it is no text in UTF-8" + (f", but seems to be in {encoding}" if encoding else "")
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = said.removeprefix("Error tokenizing data. C error: ")
    text = said if len(said) <= 160 else f"{said[:157]}..."
    return text.rstrip(".:") or type(error).__name__


def _guess_encoding(path: Path) -> str:
    """Return the encoding of a text that is not in UTF-8, as iconv calls it; "" where the file is no text."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_N_LOOKED_AT)
    except OSError:
        return ""
    if any(beginning.startswith(start) for start in _BEGINNINGS):
        return ""
    if beginning.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in beginning):
        return ""
    return "WINDOWS-1252" if any(128 <= byte < 160 for byte in beginning) else "ISO-8859-1"


def _advise(path: Path, error: Exception) -> str:
    """Return what to do: by the file's first bytes, which tell another format, or as the file is damaged."""
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EISDIR, errno.EIO):
        return "See to it that this file can be read."
    try:
        with path.open("rb") as file:
            beginning = file.read(8)
    except OSError:
        return "See to it that this file can be read."
    if not beginning:
        return "It is empty: copy or make it again."
    for start, (kind, ending) in _BEGINNINGS.items():
        if beginning.startswith(start) and not path.name.endswith(ending):
            return f"It begins like a {kind} file: if it is one, give it that ending ({ending})."
    if isinstance(error, UnicodeError) and (encoding := _guess_encoding(path)):
        return f"Write it anew in UTF-8: iconv -f {encoding} -t UTF-8 {shlex.quote(str(path))} > NEW{path.suffix}"
    return "If it is damaged, copy or make it again; if it is another format, correct its ending."
