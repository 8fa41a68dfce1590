"""The journal file: Optuna's format and lock, but a killed writer costs its own line only and holds nobody up."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shlex
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalOperation
from optuna.trial import TrialState

from tuner.checked_files import retry_when_full, see_on_disk
from tuner.errors import SearchError
from tuner.launchers.processes import name_host, read_start
from tuner.tuning.grouped_writes import Gathered

GRACE_SECONDS = 30.0
"""A lock that does not change for so long is taken away from an owner that cannot be seen to be dead."""

NAMELESS_SECONDS = 5.0
"""The same for a lock without an owner's name, as plain Optuna makes it: it is held for milliseconds."""

LONGEST_PAUSE = 0.1
"""Seconds between two looks at a lock that somebody else holds, at the most."""

WRITING_SECONDS = 0.3
"""A line that stays as it is for so long is not being written."""

_CHUNK = 1 << 16

_GROUPED = frozenset(
    {
        JournalOperation.SET_TRIAL_PARAM,
        JournalOperation.SET_TRIAL_STATE_VALUES,
        JournalOperation.SET_TRIAL_INTERMEDIATE_VALUE,
        JournalOperation.SET_TRIAL_USER_ATTR,
        JournalOperation.SET_TRIAL_SYSTEM_ATTR,
    }
)
"""Records that may wait for others; not one that takes a trial out of the queue."""

logger = logging.getLogger("tuner")


class Journal(JournalStorage):
    """Optuna's storage of a journal, to which a thread may append what it writes of trials in one go."""

    def __init__(self, file: JournalFile) -> None:
        self._gathered = Gathered[dict[str, Any]]()
        super().__init__(file)

    def write_together(self) -> AbstractContextManager[None]:
        """Append what this thread writes of trials at the end of the context; see `grouped_writes.write_together`."""
        return self._gathered.gather(self._append)

    def _write_log(self, op_code: int, extra_fields: dict[str, Any]) -> None:
        records = self._gathered.writes
        claims = op_code == JournalOperation.SET_TRIAL_STATE_VALUES and extra_fields["state"] == TrialState.RUNNING
        if records is None or op_code not in _GROUPED or claims:
            super()._write_log(op_code, extra_fields)
        else:
            records.append({"op_code": op_code, "worker_id": self._replay_result.worker_id, **extra_fields})

    def _append(self, records: list[dict[str, Any]]) -> None:
        """Append records and read them; raise the first error of one that does not count once all were read."""
        error: Exception | None = None
        with self._thread_lock:
            self._backend.append_logs(records)
            for _ in (None, *records):
                try:
                    self._sync_with_backend()
                    break
                except (UpdateFinishedTrialError, ValueError) as refused:
                    error = error or refused
        if error is not None:
            raise error


class JournalFile(BaseJournalBackend):
    """A journal as `optuna.storages.journal.JournalFileBackend` writes it, one record a line, shared with it.

    An incomplete last line is no record yet: readers stop before it, and the next writer finishes it or moves it to
    `<journal>.torn`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._lock = JournalLock(path)
        self._place = (0, 0)
        """Number of lines that were read, and the offset at which the next one begins."""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the records from this number on. Raise `SearchError` at a damaged line that is not the last."""
        number, offset = self._place if self._place[0] <= log_number_from else (0, 0)
        damaged = False
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if damaged:
                    raise SearchError(describe_damage(self.path, number + 1))
                if not line.endswith(b"\n"):
                    return
                record = _parse(line)
                if record is None:
                    damaged = True
                    continue
                number, offset = number + 1, offset + len(line)
                self._place = (number, offset)
                if number > log_number_from:
                    yield record

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records, after whole lines only. What cannot be written whole (a full disk) is taken back."""
        content = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        retry_when_full(self.path, lambda: self._append(content))

    def _append(self, content: bytes) -> None:
        with self._lock.hold(), self._open_to_append() as file:
            self._mend_end(file)
            size = file.seek(0, os.SEEK_END)
            _write_whole(file, content)
            see_on_disk(file, size, content)

    def measure_torn(self) -> int:
        """Return how many bytes at the end are no whole record, and are not being written just now."""
        torn = self._find_torn()
        if torn:
            time.sleep(WRITING_SECONDS)
        return len(torn) if torn and torn == self._find_torn() else 0

    def _find_torn(self) -> bytes:
        with self.path.open("rb") as file:
            last = _read_last_line(file)
        return b"" if _parse(last) is not None and last.endswith(b"\n") else last

    def mend(self) -> None:
        """Finish a last line that lacks its line break only; move what is no record aside."""
        with self._lock.hold(), self._open_to_append() as file:
            self._mend_end(file)

    def count_read(self) -> int:
        """Return the number of lines that were read."""
        return self._place[0]

    def _open_to_append(self) -> BinaryIO:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError as error:
            raise SearchError(
                f'The journal "{self.path}" must stay where it is while a search uses it, but is gone. Stop its '
                "workers, put the file back or delete the run folder, and start again."
            ) from error
        return os.fdopen(descriptor, "r+b", buffering=0)

    def _mend_end(self, file: BinaryIO) -> None:
        """Finish a last line that lacks its line break only; move what is no record aside."""
        while last := _read_last_line(file):
            if _parse(last) is not None:
                if not last.endswith(b"\n"):
                    _write_whole(file, b"\n")
                return
            aside = self.path.with_name(self.path.name + ".torn")
            with aside.open("ab") as torn:
                torn.write(last.removesuffix(b"\n") + b"\n")
            file.truncate(file.seek(0, os.SEEK_END) - len(last))
            logger.warning(
                'The last line of "%s" was incomplete, as after a power cut, a full disk or a killed process. It was '
                'moved to "%s"; every line before it counts.',
                self.path,
                aside,
            )


def describe_damage(path: Path, line: int) -> str:
    """Return what is wrong with a line of a journal, and the command that saves what stands before it."""
    name = shlex.quote(str(path))
    copy = shlex.quote(f"{path}.damaged")
    return (
        f'Every line of the journal "{path}" must be a record that Optuna can read, but line {line} is damaged. Put a '
        f"copy of the file back if you have one. Or stop all workers and keep the {line - 1} lines before it, which "
        f"loses what was told later:\n  cp {name} {copy} && head -n {line - 1} {copy} > {name}"
    )


class JournalLock:
    """Optuna's lock of a journal, made to name its owner: one whose owner is dead is taken away at once.

    Its name and its rule (who creates the file `<journal>.lock` holds it) are Optuna's, so that both keep each other
    out. It is a file as in Optuna's `JournalFileOpenLock`: a link, as in `JournalFileSymlinkLock`, dangles where the
    path is relative, and Optuna waits for a dangling one for ever.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.path = journal.with_name(journal.name + ".lock")

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Wait for the lock, and hold it while the context is open."""
        owner = {"host": name_host(), "pid": os.getpid(), "started": read_start(os.getpid()), "id": uuid.uuid4().hex}
        content = json.dumps(owner).encode()
        try:
            self._acquire(content)
            yield
        finally:
            self._release(content)

    def find_stale(self) -> float | None:
        """Return for how many seconds the lock has been nobody's any more; None where there is none, or an owner."""
        mark = self._mark()
        if mark is None:
            return None
        age = max(0.0, time.time() - mark[1] / 1e9)
        return age if self._is_stale(age) else None

    def take_away(self) -> None:
        """Remove the lock where it is nobody's any more."""
        mark = self._mark()
        if mark is not None and self.find_stale() is not None:
            self._take_away(mark)

    def _acquire(self, content: bytes) -> None:
        seen, since, pause = None, time.monotonic(), 0.001
        while not self._create(content):
            mark = self._mark()
            if mark is None or mark != seen:
                seen, since = mark, time.monotonic()
            elif self._is_stale(time.monotonic() - since):
                self._take_away(mark)
                continue
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _create(self, content: bytes) -> bool:
        """Create the lock with its owner's name; return False where there is one."""
        try:
            descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        try:
            os.write(descriptor, content)
        except BaseException:
            self.path.unlink()
            raise
        finally:
            os.close(descriptor)
        return True

    def _release(self, content: bytes) -> None:
        """Remove the lock where it still is ours."""
        with suppress(OSError):
            if self.path.read_bytes() == content:
                self.path.unlink()

    def _mark(self) -> tuple[int, int] | None:
        """Return what tells this lock from the next one of the same name; None where there is none."""
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _is_stale(self, seconds: float) -> bool:
        """Whether a lock that has not changed for so long is nobody's any more."""
        try:
            owner = {} if self.path.is_symlink() else json.loads(self.path.read_bytes())
            host, pid, started = owner["host"], owner["pid"], owner["started"]
        except (OSError, ValueError, TypeError, KeyError):
            return seconds > NAMELESS_SECONDS
        if host == name_host() and read_start(pid) != started:
            return True
        return seconds > GRACE_SECONDS

    def _take_away(self, mark: tuple[int, int]) -> None:
        """Remove the lock with this mark. Of several processes of a host that see it stale one does, and no other."""
        with self.journal.open("rb") as file:
            with suppress(OSError):  # a file system without such locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if self._mark() == mark:
                logger.info('The lock "%s" was left behind by a process that is gone; it is removed.', self.path)
                self.path.unlink(missing_ok=True)


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line; None where it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and "op_code" in record and "worker_id" in record else None


def _read_last_line(file: BinaryIO) -> bytes:
    """Return the last line of a file, with its line break where it has one; nothing where the file is empty."""
    end = file.seek(0, os.SEEK_END)
    tail, start = b"", end
    while start and b"\n" not in tail[:-1]:
        start = max(0, start - _CHUNK)
        file.seek(start)
        tail = file.read(end - start)
    return tail[tail[:-1].rfind(b"\n") + 1 :]


def _write_whole(file: BinaryIO, content: bytes) -> None:
    """Append all of a content, or nothing: readers may have seen what is whole."""
    size, written = file.seek(0, os.SEEK_END), 0
    try:
        while written < len(content):
            written += file.write(content[written:])
    except BaseException:
        if written < len(content):
            file.truncate(size)
        raise
