"""A tracker that writes on a thread of its own: JSON lines, TensorBoard and MLflow say only how they write."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from tuner.errors import describe_error
from tuner.trackers.background import CAPACITY, BackgroundThread
from tuner.trackers.base import NO_PICTURES, StudyRecord, is_picture
from tuner.trackers.not_recorded import STUDY, note_loss, note_recovery
from tuner.trackers.plain_values import make_plain, make_strict

logger = logging.getLogger("tuner")


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a trial ended."""

    state: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Path] = field(default_factory=dict)
    reason: str | None = None
    notes: str = ""


@dataclass(eq=False, kw_only=True)
class Subject:
    """What is recorded: a trial, or a study as a whole."""

    folder: Path
    """The run folder."""
    study: str
    what: int | str
    """The number of the trial, or `STUDY`."""
    content: dict[str, Any]
    """What is to be recorded; the epochs of a trial, which its CSV file holds, are left out."""
    is_lost: bool = False
    """Whether it is listed as not recorded."""

    def __str__(self) -> str:
        return "the study as a whole" if self.what == STUDY else f"trial {self.what}"


class BackgroundTracker(ABC):
    """Hands everything on to a thread, where a subclass writes it. What raises there costs only itself.

    The first error is logged as a warning, and the run folder lists what could not be recorded whole.
    """

    title: ClassVar[str]
    """Its name in messages."""

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        """Let at most `capacity` epochs wait to be written; more are dropped and counted."""
        self._capacity = capacity
        self._thread = BackgroundThread(capacity=capacity, on_error=_ignore)
        self._open: dict[tuple[Path, str, int], LoggedTrial] = {}
        self._unwritten: dict[Subject, None] = {}
        """What was begun and is not written to its end, in order."""
        self._awaited: list[tuple[LoggedTrial, str, Path]] = []
        """Pictures that were announced and are not there yet."""
        self._has_warned = False

    @property
    def has_defaults(self) -> bool:
        """Whether it was made without arguments: another one that is made so writes to the same place."""
        return self._capacity == CAPACITY

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
        subject = Subject(folder=Path(folder), study=make_plain(study), what=trial, content={"config": plain})
        log = LoggedTrial(self, subject, number, plain, tuple(make_plain(list(tags))))
        self._submit(subject, partial(self._begin, log))
        return log

    def log_study(self, record: StudyRecord) -> None:
        """Keep the record of a study. Returns at once and never raises."""
        content = {"summary": make_plain(record.summary)}
        subject = Subject(folder=Path(record.folder), study=record.study, what=STUDY, content=content)
        self._submit(subject, partial(self._put_study, subject, record))

    def close(self, timeout: float = 10.0) -> None:
        """Write what is left, for at most `timeout` seconds; trials still open end as interrupted."""
        self._thread.submit(self._wind_up)
        if not self._thread.close(timeout):
            logger.warning("%s was not done within %g s: the last trials may be incomplete.", self.title, timeout)
            for subject in list(self._unwritten):
                why = f"not done within {timeout:g} s"
                note_loss(subject.folder, self.title, subject.what, why, make_strict(subject.content))
        if self._thread.dropped:
            logger.warning("%s was too slow: %d epochs were not logged.", self.title, self._thread.dropped)
            self._thread.dropped = 0

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
    def _write_study(self, subject: Subject, record: StudyRecord) -> bool:
        """Keep a record of a study, of plain values, in place of the one before; return whether all is written."""

    @abstractmethod
    def _add_picture(self, trial: LoggedTrial, name: str, path: Path) -> None:
        """Keep a picture of a trial that has ended."""

    def _flush(self) -> None:
        """Write what is left; nothing is where each of the others writes at once."""
        return

    def _submit(self, subject: Subject, job: Callable[[], None], *, droppable: bool = False) -> None:
        self._unwritten[subject] = None
        self._thread.submit(partial(self._try, subject, job), droppable=droppable)

    def _try(self, subject: Subject, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:
            self._lose(subject, error)

    def _begin(self, log: LoggedTrial) -> None:
        self._open[log.key] = log
        self._open_trial(log)

    def _log(self, log: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        self._reopen(log)
        self._write_epoch(log, epoch, figures)

    def _end(self, log: LoggedTrial, ending: Ending) -> None:
        self._reopen(log)
        del self._open[log.key]
        self._awaited += [(log, name, path) for name, path in ending.pictures.items()]
        if self._end_trial(log, ending):
            self._settle(log.subject)
        self._add_awaited()

    def _put_study(self, subject: Subject, record: StudyRecord) -> None:
        plain = replace(
            record,
            study=make_plain(record.study),
            folder=Path(record.folder),
            config=make_plain(record.config),
            notes=make_plain(record.notes),
            tags=tuple(make_plain(list(record.tags))),
            summary=make_plain(record.summary),
            history=make_plain(list(record.history)),
            tables={name: table.map(make_plain) for name, table in record.tables.items()},
            pictures={name: Path(path) for name, path in record.pictures.items()},
        )
        if self._write_study(subject, plain):
            self._settle(subject)

    def _reopen(self, log: LoggedTrial) -> None:
        """Go on with a trial that `close` has ended."""
        if self._open.get(log.key) is not log:
            self._begin(log)

    def _add_awaited(self) -> None:
        """Keep the announced pictures that are there by now."""
        for awaited in list(self._awaited):
            log, name, path = awaited
            if is_picture(path):
                self._awaited.remove(awaited)
                self._try(log.subject, partial(self._add_picture, log, name, path))

    def _wind_up(self) -> None:
        for log in list(self._open.values()):
            self._try(log.subject, partial(self._end, log, Ending(state="interrupted")))
        self._add_awaited()
        self._awaited.clear()
        self._flush()

    def _settle(self, subject: Subject) -> None:
        """Take something off the list of what is still to be written."""
        self._unwritten.pop(subject, None)
        if not subject.is_lost:
            note_recovery(subject.folder, self.title, subject.what)

    def _lose(self, subject: Subject, error: Exception) -> None:
        """Note that something was not recorded, and say so the first time."""
        reason = describe_error(error)
        self._unwritten.pop(subject, None)
        self._note_loss(subject, reason)
        self._warn(f"could not record {subject} ({reason})")

    def _warn(self, what: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "%s %s. The sweep continues; what is missing is kept in not_recorded.jsonl.", self.title, what
            )

    def _note_loss(self, subject: Subject, reason: str) -> None:
        """List something as not recorded, once."""
        if not subject.is_lost:
            subject.is_lost = True
            note_loss(subject.folder, self.title, subject.what, reason, make_strict(subject.content))


@dataclass(eq=False)
class LoggedTrial:
    """The log of one trial: hands everything on to its tracker's thread."""

    tracker: BackgroundTracker
    subject: Subject
    number: int
    """Number of the first trial of its setting, where it resumes that one."""
    config: Mapping[str, Any]
    tags: tuple[str, ...]
    has_ended: bool = False

    @property
    def study(self) -> str:
        """Name of its study."""
        return self.subject.study

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.subject.folder

    @property
    def trial(self) -> int:
        """Its own number."""
        return int(self.subject.what)

    @property
    def key(self) -> tuple[Path, str, int]:
        """Names its log."""
        return (self.folder, self.study, self.number)

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Take one epoch's figures; none once the trial has ended."""
        if not self.has_ended:
            job = partial(self.tracker._log, self, int(epoch), make_plain(figures))
            self.tracker._submit(self.subject, job, droppable=True)

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
        plain = make_plain({"state": state, "reason": reason, "summary": summary, "notes": notes})
        self.subject.content |= plain
        ending = Ending(**plain, pictures=kept)
        self.tracker._submit(self.subject, partial(self.tracker._end, self, ending))


def _ignore(_error: Exception) -> None:
    """Do nothing: whatever a job raises is caught before."""
