"""Where log records go: the log file of the run folder, and the display that is open.

What happens in a run is noted in `NOTES`, warnings are logged in the logger `tuner`. Neither changes what a user's own
logging shows: notes pass on to `tuner` only where that takes records of level INFO.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from tuner.passwords import hide_in_record

MAX_BYTES = 10_000_000
"""A log that is larger when a sweep begins is put aside as `tuner.old.log`, in place of the one before."""

WATCHED = ("tuner", "optuna", "py.warnings")
"""Loggers whose warnings are shown by a display and kept in the log file."""

SCREEN_ONLY = {"screen_only": True}
"""`extra` of a record that another process has written to the log file."""


class _ToTuner(logging.Handler):
    """Hands notes on to the logger `tuner` where it takes their level: as if they had been logged there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on."""
        tuner = logging.getLogger("tuner")
        if tuner.isEnabledFor(record.levelno):
            tuner.handle(record)


def _make_notes() -> logging.Logger:
    notes = logging.Logger("tuner.run", logging.INFO)  # not one of `logging.getLogger`: nothing is set for all loggers
    notes.addHandler(_ToTuner())
    return notes


NOTES = _make_notes()
"""What happens in a run, in the order in which it does."""


@contextmanager
def open_log(path: Path, role: str) -> Iterator[None]:
    """Append to a log file what is noted, and warned of by us, Optuna and Python, while the context is open.

    Several processes may write to one file: each line is written at once. role: what this process does, told in each
    line. A file that cannot be written is given up with one warning.
    """
    if any(isinstance(handler, _LogFile) and handler.path == path.absolute() for handler in NOTES.handlers):
        yield
        return
    if role == "sweep":
        _turn_over(path)
    for_notes, for_warnings, last_resort = _LogFile(path, role), _LogFile(path, role), _LastResort(logging.WARNING)
    for_warnings.setLevel(logging.WARNING)
    NOTES.addHandler(for_notes)
    logging.getLogger("tuner").addHandler(last_resort)
    for name in WATCHED:
        logging.getLogger(name).addHandler(for_warnings)
    try:
        with _log_python_warnings(for_warnings):
            yield
    finally:
        NOTES.removeHandler(for_notes)
        logging.getLogger("tuner").removeHandler(last_resort)
        for name in WATCHED:
            logging.getLogger(name).removeHandler(for_warnings)
        for handler in (for_notes, for_warnings):
            handler.close()


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Let Optuna log warnings only while the context is open; a user's own choice comes back afterwards."""
    optuna = logging.getLogger("optuna")
    before = optuna.level
    optuna.setLevel(max(optuna.getEffectiveLevel(), logging.WARNING))
    try:
        yield
    finally:
        optuna.setLevel(before)


@contextmanager
def show_warnings(show: Callable[[str], None]) -> Iterator[None]:
    """Show our and Optuna's warnings by a function while the context is open; Optuna's own output is off."""
    shown, optuna = _Shown(show), logging.getLogger("optuna")
    before = [handler for handler in optuna.handlers if type(handler) is logging.StreamHandler]
    for handler in before:
        optuna.removeHandler(handler)
    for name in ("tuner", "optuna"):
        logging.getLogger(name).addHandler(shown)
    try:
        yield
    finally:
        for name in ("tuner", "optuna"):
            logging.getLogger(name).removeHandler(shown)
        for handler in before:
            optuna.addHandler(handler)


class _LogFile(logging.FileHandler):
    """A log file; one that cannot be written is told of once."""

    def __init__(self, path: Path, role: str) -> None:
        super().__init__(path, mode="a", encoding="utf-8", delay=True)
        self.path = path.absolute()
        self.given_up = False
        process = f"{role} {socket.gethostname()}:{os.getpid()}"
        self.setFormatter(_OneRecord(f"%(asctime)s %(levelname)-7s {process}  %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
        self.addFilter(lambda record: not getattr(record, "screen_only", False))
        self.addFilter(hide_in_record)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if self.given_up:
            return
        try:  # the folder may be gone, or the disk full
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's name
        """Give the file up."""
        if self.given_up:
            return
        self.given_up = True
        error = sys.exc_info()[1]
        logging.getLogger("tuner").warning(
            'The log "%s" cannot be written any more: %s', self.path, error, extra=SCREEN_ONLY
        )


class _OneRecord(logging.Formatter):
    """Indents all lines of a record but the first, so that each line without indentation begins a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        return super().format(record).replace("\n", "\n    ")


class _Shown(logging.Handler):
    """Shows warnings by a function."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self.show = show
        self.addFilter(hide_in_record)

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        self.show(record.getMessage())


class _LastResort(logging.Handler):
    """Writes warnings to standard error where nobody else takes them: as Python does where there is no log file."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record where no other handler takes it."""
        if logging.lastResort is not None and not _is_taken():
            logging.lastResort.handle(record)


def _is_taken() -> bool:
    """Whether a handler that is not one of a log file takes what is logged in `tuner`."""
    logger: logging.Logger | None = logging.getLogger("tuner")
    while logger is not None:
        if any(not isinstance(handler, (_LogFile, _LastResort)) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


@contextmanager
def _log_python_warnings(handler: logging.Handler) -> Iterator[None]:
    """Keep Python's warnings in the log file, too; they are shown as before."""
    before = warnings.showwarning

    def show(  # noqa: PLR0917 - as Python has it
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = f"{filename}:{lineno}: {category.__name__}: {message}"
        handler.handle(logging.LogRecord("py.warnings", logging.WARNING, filename, lineno, text, None, None))
        before(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before


def _turn_over(path: Path) -> None:
    """Put a log aside that has grown too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            path.replace(path.with_suffix(".old.log"))
    except OSError:
        return
