"""A tracker that writes on a thread of its own: JSON lines, TensorBoard and MLflow say only how they write."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from tuner.passwords import hide_passwords
from tuner.trackers.background import BackgroundThread
from tuner.trackers.base import NO_PICTURES, StudyRecord
from tuner.trackers.not_recorded import name_record, name_trial, note_loss
from tuner.trackers.plain_values import describe_error, make_plain

logger = logging.getLogger("tuner")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a trial ended."""

    state: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Path] = field(default_factory=dict)
    reason: str | None = None
    notes: str = ""


class BackgroundTracker(ABC):
    """Hands everything on to a thread, where a subclass writes it. What raises there costs only itself.

    The first error is logged as a warning, and the run folder lists each trial that could not be recorded whole.
    """

    title: ClassVar[str]
    """Its name in messages."""

    def __init__(self, *, capacity: int = 4096) -> None:
        """Let at most `capacity` epochs wait to be written; more are dropped and counted."""
        self._capacity = capacity
        self._thread: BackgroundThread | None = None
        self._lock = threading.Lock()
        self._open: dict[tuple[Path, str, int], LoggedTrial] = {}
        self._unwritten: dict[tuple[Path, str], None] = {}
        """What was begun and is not written to its end, in order: its run folder, and a name for it."""
        self._lost: set[tuple[Path, str]] = set()
        self._awaited: list[tuple[LoggedTrial, str, Path]] = []
        """Pictures that were announced and are not there yet."""
        self._has_warned = False

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> LoggedTrial:
        """Open the log of a trial. Returns at once and never raises."""
        number = trial if resumes is None else resumes
        plain = make_plain(config)
        log = LoggedTrial(self, study, number, Path(folder), plain, tuple(map(str, tags)), trial)
        self._submit(log.title, log.folder, partial(self._begin, log))
        return log

    def log_study(self, record: StudyRecord) -> None:
        """Keep the record of a study. Returns at once and never raises."""
        title = name_record(record.study)

        def write() -> None:
            self._write_study(record)
            self._unwritten.pop((Path(record.folder), title), None)

        self._submit(title, Path(record.folder), write)

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds; trials still open end as interrupted."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.submit(self._wind_up)
        if not thread.close(timeout):
            logger.warning("%s was not done within %g s: the last trials may be incomplete.", self.title, timeout)
            for folder, title in list(self._unwritten):
                self._note_loss(title, folder, f"not done within {timeout:g} s")
        if thread.dropped:
            logger.warning("%s was too slow: %d epochs were not logged.", self.title, thread.dropped)

    @abstractmethod
    def _open_trial(self, trial: LoggedTrial) -> None:
        """Begin what is kept of a trial, or go on with it where there is some of an earlier call."""

    @abstractmethod
    def _write_epoch(self, trial: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        """Keep one epoch's plain figures, in place of what was kept of the same epoch."""

    @abstractmethod
    def _end_trial(self, trial: LoggedTrial, ending: Ending) -> bool:
        """Keep how a trial ended; return whether all of it is written."""

    @abstractmethod
    def _write_study(self, record: StudyRecord) -> None:
        """Keep a record of a study, in place of the one before."""

    @abstractmethod
    def _add_picture(self, trial: LoggedTrial, name: str, path: Path) -> None:
        """Keep a picture of a trial that has ended."""

    def _flush(self) -> None:
        """Write what is left; nothing is where each of the others writes at once."""
        return

    def _submit(self, title: str, folder: Path, job: Callable[[], None], *, droppable: bool = False) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = BackgroundThread(capacity=self._capacity, on_error=_ignore)
            self._unwritten[folder, title] = None
            self._thread.submit(partial(self._try, title, folder, job), droppable=droppable)

    def _try(self, title: str, folder: Path, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:
            self._lose(title, folder, error)

    def _begin(self, log: LoggedTrial) -> None:
        self._open[log.key] = log
        self._open_trial(log)

    def _reopen(self, log: LoggedTrial) -> None:
        """Go on with a trial that `close` has ended."""
        if self._open.get(log.key) is not log:
            self._begin(log)

    def _log(self, log: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        self._reopen(log)
        self._write_epoch(log, epoch, figures)

    def _end(self, log: LoggedTrial, ending: Ending) -> None:
        self._reopen(log)
        del self._open[log.key]
        self._awaited += [(log, name, path) for name, path in ending.pictures.items()]
        if self._end_trial(log, ending):
            self._unwritten.pop((log.folder, log.title), None)
        self._add_awaited()

    def _add_awaited(self) -> None:
        """Keep the announced pictures that are there by now."""
        for awaited in list(self._awaited):
            log, name, path = awaited
            if path.exists() and path.stat().st_size:
                self._awaited.remove(awaited)
                self._try(log.title, log.folder, partial(self._add_picture, log, name, path))

    def _wind_up(self) -> None:
        for log in list(self._open.values()):
            self._try(log.title, log.folder, partial(self._end, log, Ending(state="interrupted")))
        self._add_awaited()
        self._awaited.clear()
        self._flush()

    def _lose(self, title: str, folder: Path, error: Exception) -> None:
        """Note that something was not recorded, and say so the first time."""
        reason = hide_passwords(describe_error(error))
        self._unwritten.pop((folder, title), None)
        self._note_loss(title, folder, reason)
        self._warn(f"could not record {title} ({reason})")

    def _warn(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                '%s %s. The sweep goes on, and what is missing is listed in "not_recorded.jsonl" in the run folder.',
                self.title,
                what,
            )

    def _note_loss(self, title: str, folder: Path, reason: str) -> None:
        """List something as not recorded, once."""
        if (folder, title) in self._lost:
            return
        self._lost.add((folder, title))
        note_loss(folder, self.title, title, reason)


@dataclass(eq=False)
class LoggedTrial:
    """The log of one trial: hands everything on to its tracker's thread."""

    tracker: BackgroundTracker
    study: str
    number: int
    """Number of the first trial of its setting, where it goes on where that one stopped."""
    folder: Path
    config: Mapping[str, Any]
    tags: tuple[str, ...]
    trial: int
    """Its own number."""
    has_ended: bool = False

    @property
    def key(self) -> tuple[Path, str, int]:
        """Names its log."""
        return (self.folder, self.study, self.number)

    @property
    def title(self) -> str:
        """Its name in messages."""
        return name_trial(self.number, self.study)

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Take one epoch's figures; none once the trial has ended."""
        if not self.has_ended:
            job = partial(self.tracker._log, self, int(epoch), make_plain(figures))
            self.tracker._submit(self.title, self.folder, job, droppable=True)

    def finish(
        self,
        state: str,
        *,
        summary: Mapping[str, Any],
        pictures: Mapping[str, Path] = NO_PICTURES,
        reason: str | None = None,
        notes: str = "",
    ) -> None:
        """End the trial."""
        self.has_ended = True
        kept = {str(name): Path(path) for name, path in pictures.items()}
        ending = Ending(
            state=str(state), summary=make_plain(summary), pictures=kept, reason=reason, notes=str(notes or "")
        )
        self.tracker._submit(self.title, self.folder, partial(self.tracker._end, self, ending))


def _ignore(_error: Exception) -> None:
    """Do nothing: whatever a job raises is caught before."""
