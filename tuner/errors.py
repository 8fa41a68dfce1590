"""Exceptions that a user may meet.

TunerError
├── StudyError        a study file, its problem, its settings or its search space does not hold
├── EventsError       events cannot be read, or are not what the problem says they are
├── SplitsError       events cannot be split or prepared
├── SearchError       a search cannot be started, resumed or opened
│   └── TrainingError     one trial cannot go on (not-a-number loss, out of memory); the sweep does
├── DeviceError       a device that is not there
├── FolderError       a folder or a file that cannot be written
│   └── DamagedFileError  a file of a run folder that is not as it was written
└── MissingPackage    an optional package that is not installed

KeyboardInterrupt
└── SweepInterrupted      a signal ended a sweep in order; no error, so `except Exception` lets it pass

A message says what must hold, what came, and what to do.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from tuner.passwords import hide_passwords

if TYPE_CHECKING:
    from tuner.tuning.search import Search

T = TypeVar("T")


class TunerError(Exception):
    """Root of every error that tuner raises on purpose. No message tells the password of a database."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(hide_passwords(arg) if isinstance(arg, str) else arg for arg in args))


class StudyError(TunerError):
    """A study file, its problem, its settings or its search space does not hold."""


class EventsError(TunerError):
    """Events cannot be read, or are not what the problem says they are."""


class SplitsError(TunerError):
    """Events cannot be split or prepared."""


class SearchError(TunerError):
    """A search cannot be started, resumed or opened."""


class TrainingError(SearchError):
    """One trial cannot go on; the sweep does."""


class DeviceError(TunerError):
    """A device that is not there."""


class FolderError(TunerError):
    """A folder or a file that cannot be written."""


class DamagedFileError(FolderError):
    """A file of a run folder that is not as it was written."""


class MissingPackage(TunerError):  # noqa: N818 - the design's name for it
    """An optional package that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f'{purpose} needs the package "{package}", which is not installed. '
            f'Install it with: pip install "signal-tuner[{extra}]"'
        )


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C or a batch system's signal ended a sweep in order: its trials were told, and `search` has them."""

    def __init__(self, search: Search, number: signal.Signals = signal.SIGINT) -> None:
        super().__init__(f"{search.study.name} was interrupted; make the same call again to resume.")
        self.search = search
        self.signal = number
        """SIGINT, SIGTERM, SIGUSR1 or SIGHUP: after all but the first, there are seconds left."""


def describe_error(error: BaseException) -> str:
    """Return an error in one short line, without passwords."""
    return (hide_passwords(f"{type(error).__name__}: {error}").splitlines() or [""])[0][:200]


def describe_failure(error: BaseException) -> str:
    """Return an error as the reason of a failed trial: our own in its words, others with the end of their trace."""
    if isinstance(error, TunerError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    calls = " < ".join(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames))
    return hide_passwords(f"{type(error).__name__}: {error} ({calls})")[:1500]


def suggest_name(name: object, known: Iterable[object]) -> str:
    """Return `` Did you mean "..."?`` for the nearest known name, or an empty string."""
    near = get_close_matches(str(name), [str(k) for k in known], n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def name_all(names: Iterable[object], *, most: int = 12) -> str:
    """Return names quoted and joined by commas, the first `most` of them."""
    listed = list(names)
    text = ", ".join(f'"{name}"' for name in listed[:most])
    return text + (f" and {len(listed) - most} more" if len(listed) > most else "")


def raise_together(problems: Sequence[str], error: type[TunerError], subject: str) -> None:
    """Raise one `error` that tells all `problems` of a subject at once; nothing where there are none."""
    if len(problems) == 1:
        raise error(f"{subject}: {problems[0]}")
    if problems:
        lines = "\n".join(f"  {number}. {text}" for number, text in enumerate(problems, 1))
        raise error(f"{subject} has {len(problems)} problems:\n{lines}")


@contextmanager
def refuse_exit(code: str) -> Iterator[None]:
    """Raise `StudyError` where a user's own code calls `sys.exit`, which would end a process that has more to do."""
    try:
        yield
    except SystemExit as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = f"{frames[-1].filename}:{frames[-1].lineno}"
        raise StudyError(
            f"{code} must not end the program, but called `sys.exit({error.code!r})` ({line}). Raise an exception "
            "instead."
        ) from error


def gather(problems: list[TunerError], attempt: Callable[[], T]) -> T | None:
    """Return what an attempt gives; where it raises a `TunerError`, add that to the problems."""
    try:
        return attempt()
    except TunerError as error:
        problems.append(error)
        return None


def raise_gathered(subject: str, problems: list[TunerError]) -> None:
    """Raise the one problem as it is, or several, each once, as one `StudyError`; nothing where there are none."""
    told = {str(problem): problem for problem in problems}
    if len(told) == 1:
        raise problems[0]
    raise_together(list(told), StudyError, subject)
