"""Files that are read back: written whole or not at all, with a checksum, which is looked at when they are read.

The checksum travels inside a file where its format has a place for it, so that the two cannot come apart: JSON and
Parquet hold their own SHA-256, a line of a log holds that of the line, and a zip archive (.npz, .pt) holds the CRC-32
of each entry. A CSV file has it in a hidden file beside it. Files that were written without one are read as they are.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from tuner.errors import DamagedFileError, FolderError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger("tuner")

T = TypeVar("T")

CHECKSUM = "sha256"
"""Name under which a file holds its own checksum."""
RESTORE = "Restore it from a copy."
"""What can be done about a file that nothing else tells."""

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says of a disk that is full, or of a user who has had his share of it."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds between two looks at a full disk."""

_WAITS: ContextVar[bool] = ContextVar("waits_for_space", default=False)

_OPEN = "0" * 64
_SEAL = re.compile(rb"""sha256["=:\s]{1,6}([0-9a-f]{64})|([0-9a-f]{64})"\n?\}\n\Z""")
"""A checksum in a file; at the end of JSON whatever the entry is called, as its name may be what is damaged."""


def write_atomically(path: Path, content: str | bytes, *, on_disk: bool = False) -> None:
    """Write a file so that a reader, or a crash, never meets half of it. Raise `FolderError` where that cannot be.

    on_disk: see the content on the disk before it takes the old one's place, so that a power cut costs neither.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        retry_when_full(path, lambda: _write_and_replace(path, data, on_disk=on_disk))
    except OSError as error:
        raise _describe_unwritable(path, error) from error


def _write_and_replace(path: Path, data: bytes, *, on_disk: bool) -> None:
    """Write a file under another name and give it its own then; leave nothing behind where that cannot be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(data)
            if on_disk:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def wait_for_space() -> Iterator[None]:
    """Let what this thread writes in this context wait for space, as long as it takes, where the disk is full."""
    token = _WAITS.set(True)
    try:
        yield
    finally:
        _WAITS.reset(token)


def retry_when_full(path: Path, write: Callable[[], T]) -> T:
    """Return what a call returns that writes to a path; within `wait_for_space`, call it again while the disk is full.

    Args:
        path: Where it writes to, for the one warning, and the other once it goes on.
        write: What writes; it must leave nothing half written.
    """
    pause = 0.0
    while True:
        try:
            written = write()
        except OSError as error:
            if error.errno not in FULL or not _WAITS.get():
                raise
            if not pause:
                logger.warning(
                    'The disk of "%s" is full (%s): this pauses until there is space, and then goes on. Free some, or '
                    "end it with Ctrl-C twice.",
                    path,
                    error.strerror,
                )
            pause = min(max(2 * pause, SHORTEST_PAUSE), LONGEST_PAUSE)
            time.sleep(pause)
            continue
        if pause:
            logger.warning('There is space again for "%s": it goes on.', path)
        return written


def read_content(path: Path, *, advice: str = RESTORE) -> bytes:
    """Return a file's bytes. Raise `DamagedFileError`, with this advice, where it is empty or cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise describe_damage(path, f"it cannot be read ({error.strerror or error})", advice) from error
    if not content:
        raise describe_damage(path, "it is empty", advice)
    return content


def describe_damage(path: Path, what: str, advice: str = RESTORE) -> DamagedFileError:
    """Return the error that tells which file is damaged, how that was found, and what to do."""
    return DamagedFileError(f'"{path}" must be as it was written, but {what}. {advice}'.rstrip())


def _describe_unwritable(path: Path, error: OSError) -> FolderError:
    return FolderError(
        f'"{path}" must be writable, but is not ({error.strerror or error}). '
        "Free some space or fix its permissions, then rerun the same command to resume."
    )


@contextmanager
def expect_form(path: Path, *, advice: str = RESTORE) -> Iterator[None]:
    """Raise `DamagedFileError` in the place of what building an object from a file's content raises."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = f"it does not hold what it must ({type(error).__name__}: {error})"
        raise describe_damage(path, what, advice) from error


@cache
def warn_once(message: str) -> None:
    """Log a warning, the same one once in a process."""
    logger.warning("%s", message)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object atomically, its own checksum as the last entry."""
    write_atomically(path, _seal(_dump(content, indent=2) + "\n"), on_disk=True)


def read_json(path: Path, *, advice: str = RESTORE) -> dict[str, Any]:
    """Return a JSON object from a file; an empty one where there is no file. Raise `DamagedFileError`."""
    if not path.exists():
        return {}
    text = read_content(path, advice=advice)
    content = _parse(text)
    if content is None:
        raise describe_damage(path, "it is not whole: it holds no JSON object", advice)
    if not _is_sealed_or_old(text):
        raise describe_damage(path, "its checksum is another", advice)
    return content


@dataclass(frozen=True)
class Lines:
    """What a log of JSON lines holds."""

    whole: tuple[dict[str, Any], ...]
    """The objects of its undamaged lines."""
    damaged: tuple[int, ...]
    """Numbers of the other lines, from 1."""


def append_line(path: Path, content: Mapping[str, Any], *, on_disk: bool = True) -> None:
    """Add a JSON object as a line to a log; after a torn line, on one of its own.

    on_disk: see it on the disk before going on, so that a power cut does not cost it. Raise `FolderError` where it
    cannot be written.
    """
    line = _seal(_dump(content) + "\n").encode()
    try:
        retry_when_full(path, lambda: _append(path, line, on_disk=on_disk))
    except OSError as error:
        raise _describe_unwritable(path, error) from error


def _append(path: Path, line: bytes, *, on_disk: bool) -> None:
    """Add a line to a log, on one of its own; take back what of it was written where not all of it could be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+", buffering=0) as log:
        size = log.tell()
        if size:
            log.seek(-1, os.SEEK_END)
            line = line if log.read(1) == b"\n" else b"\n" + line
        written = log.write(line)
        if written < len(line):
            if log.seek(0, os.SEEK_END) == size + written:  # nobody has added another line meanwhile
                log.truncate(size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if on_disk:
            see_on_disk(log, size, line)


def see_on_disk(file: BinaryIO, size: int, added: bytes) -> None:
    """Wait until what was added to a file is on the disk; take it back, unless more follows it, where it cannot be.

    A disk across the network may say only now that it is full: what is written once more would be there twice.

    Args:
        file: The file, without a buffer.
        size: How long it was before.
        added: What was written to its end.

    Raises:
        OSError: The system refuses.
    """
    try:
        os.fsync(file.fileno())
    except OSError:
        if file.seek(0, os.SEEK_END) == size + len(added):
            file.truncate(size)
        raise


def drop_damaged_lines(path: Path) -> None:
    """Rewrite a log of JSON lines without its damaged ones, so that others can read it as well; none is made."""
    damaged = read_lines(path).damaged
    if damaged:
        lines = path.read_bytes().splitlines(keepends=True)
        write_atomically(path, b"".join(line for number, line in enumerate(lines, 1) if number not in damaged))


def read_lines(path: Path) -> Lines:
    """Return the objects of a log of JSON lines; none where there is no file. A damaged line costs itself only."""
    return read_more_lines(path, 0)[0]


def read_more_lines(path: Path, start: int) -> tuple[Lines, int]:
    """Return the objects of a log of JSON lines from a byte on, and the byte after its last whole line."""
    if not path.exists():
        return Lines((), ()), 0
    try:
        with path.open("rb") as log:
            log.seek(start)
            content = log.read()
    except OSError as error:
        raise describe_damage(path, f"it cannot be read ({error.strerror or error})") from error
    whole, damaged = [], []
    for number, line in enumerate(content.splitlines(), 1):
        parsed = _parse(line)
        if parsed is not None and _is_sealed_or_old(line + b"\n"):
            whole.append(parsed)
        elif line.strip():
            damaged.append(number)
    return Lines(tuple(whole), tuple(damaged)), start + content.rfind(b"\n") + 1


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, atomically, its own checksum among the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow, buffer = pa.Table.from_pandas(table, preserve_index=False), io.BytesIO()
    metadata = (arrow.schema.metadata or {}) | {b"tuner": f"{CHECKSUM}={_OPEN}".encode()}
    pq.write_table(arrow.replace_schema_metadata(metadata), buffer)
    write_atomically(path, _seal_bytes(buffer.getvalue()), on_disk=True)


def read_table(path: Path, *, advice: str = RESTORE) -> pd.DataFrame:
    """Return a table from a Parquet file. Raise `DamagedFileError`, also where there is none."""
    import pandas as pd

    content = read_content(path, advice=advice)
    if not _is_sealed_or_old(content):
        raise describe_damage(path, "its checksum is another", advice)
    try:
        return pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # pyarrow raises many kinds
        raise describe_damage(path, f"it cannot be read as Parquet ({error})", advice) from error


def write_csv(path: Path, text: str) -> None:
    """Write a CSV file atomically, its checksum in a hidden file beside it, as `sha256sum -c` reads it.

    One process writes it, once: a file that came from an older call would not fit the newer checksum.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_atomically(_checksum_path(path), f"{digest}  {path.name}\n")
    write_atomically(path, text)


def read_csv(path: Path, *, advice: str = RESTORE) -> pd.DataFrame:
    """Return a table from a CSV file. Raise `DamagedFileError`, also where there is none."""
    import pandas as pd

    content, beside = read_content(path, advice=advice), _checksum_path(path)
    if beside.exists() and read_content(beside, advice=advice)[:64] != hashlib.sha256(content).hexdigest().encode():
        raise describe_damage(path, "its checksum is another", advice)
    try:
        return pd.read_csv(io.BytesIO(content))
    except Exception as error:  # pandas raises many kinds
        raise describe_damage(path, f"it cannot be read as CSV ({error})", advice) from error


def read_archive(path: Path, *, advice: str = RESTORE) -> bytes:
    """Return the bytes of a zip archive (.npz, .pt) whose entries all fit their checksums.

    Raise `DamagedFileError`, also where there is none. PyTorch itself reads archives without looking at checksums.
    """
    content = read_content(path, advice=advice)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises many kinds for what is no archive any more
        raise describe_damage(path, f"it is not whole ({error})", advice) from error
    if damaged is not None:
        raise describe_damage(path, f'the checksum of its entry "{damaged}" is another', advice)
    return content


def check_file(path: Path) -> None:
    """Raise `DamagedFileError` where a file is empty, or does not fit the checksum that its format has a place for."""
    content = read_content(path)
    if path.suffix == ".json":
        read_json(path)
    elif path.suffix == ".jsonl" and (damaged := read_lines(path).damaged):
        numbers = ", ".join(map(str, damaged[:5]))
        raise describe_damage(path, f"line{'' if len(damaged) == 1 else 's'} {numbers} cannot be read")
    elif path.suffix == ".parquet" and not _is_sealed_or_old(content):
        raise describe_damage(path, "its checksum is another")
    elif path.suffix == ".csv":
        read_csv(path)
    elif path.suffix in (".npz", ".pt"):
        read_archive(path)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in a process once for each of its states.

    A million events of 30 features take 0.1 s.
    """
    state = path.stat()
    return _hash_state(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@cache
def _hash_state(path: Path, *_state: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _dump(content: Mapping[str, Any], indent: int | None = None) -> str:
    """Return content as JSON, with a checksum that is still open as its last entry."""
    kept = {name: value for name, value in content.items() if name != CHECKSUM}
    return json.dumps(kept | {CHECKSUM: _OPEN}, indent=indent, default=str)


def _parse(text: bytes) -> dict[str, Any] | None:
    """Return a JSON object without its checksum; None where the text is none."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {name: value for name, value in content.items() if name != CHECKSUM} if isinstance(content, dict) else None


def _seal(text: str) -> str:
    return _seal_bytes(text.encode()).decode()


def _seal_bytes(content: bytes) -> bytes:
    """Return content with its checksum in the last place that is open for one; there it counts as zeros."""
    before, _, after = content.rpartition(_OPEN.encode())
    return before + hashlib.sha256(content).hexdigest().encode() + after


def _is_sealed_or_old(content: bytes) -> bool:
    """Whether content fits the checksum that it holds; True where it holds none."""
    seals = list(_SEAL.finditer(content))
    if not seals:
        return CHECKSUM.encode() not in content
    start, end = seals[-1].span(seals[-1].lastindex or 0)
    opened = content[:start] + _OPEN.encode() + content[end:]
    return hashlib.sha256(opened).hexdigest().encode() == content[start:end]


def _checksum_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{CHECKSUM}")
