"""A file that cannot be read is told in one sentence, whatever the library behind the format raises."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pandas.errors import ParserWarning

from tuner.errors import EventsError, TunerError

_BEGINNINGS = {
    b"PAR1": ("Parquet", ".parquet"),
    b"\x89HDF\r\n\x1a\n": ("HDF5", ".h5"),
    b"root": ("ROOT", ".root"),
    b"\x1f\x8b": ("gzip", ".csv.gz"),
    b"BZh": ("bzip2", ".csv.bz2"),
    b"\xfd7zXZ": ("xz", ".csv.xz"),
    b"\x28\xb5\x2f\xfd": ("zstandard", ".csv.zst"),
    b"ARROW1": ("Arrow", ".arrow"),
    b"FEA1": ("Feather", ".feather"),
    b"\x93NUMPY": ("NumPy", ".npy"),
    b"SIMPLE  =": ("FITS", ".fits"),
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
        raise EventsError(f'"{path}" could not be read as {kind}: {_shorten(error)}. {_advise(path, error)}') from error


def _shorten(error: Exception) -> str:
    """Return the first line of what a library said, without its full stop; the exception's name where it was silent."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ParserWarning):
        return "its first event has more values than there are columns"
    if isinstance(error, UnicodeDecodeError):
        return f"it is no text in {error.encoding.upper()}"
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = said.removeprefix("Error tokenizing data. C error: ")
    text = said if len(said) <= 160 else f"{said[:157]}..."
    return text.rstrip(".:") or type(error).__name__


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
    if isinstance(error, UnicodeDecodeError):
        return 'Name its encoding: File(..., encoding="..."), such as "utf-16" or "latin-1".'
    return "If it is damaged, copy or make it again; if it is another format, correct its ending."
