"""One damaged input: what comes of it."""

from __future__ import annotations

import logging
import shutil
import signal
import traceback
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.fuzz import event_files, run_folders
from benchmarks.fuzz.damage import damage_file
from tuner.checked_files import warn_once
from tuner.errors import TunerError

SECONDS = {"events": 20.0, "runs": 60.0}
"""Time for an input, by what it is."""
EVENTS_SHARE = 0.8
"""Share of the inputs that are files of events."""

FAILURES = ("changed without a word", "traceback", "no sentence", "time-out", "crash")
"""Outcomes that must not be."""


@dataclass(frozen=True)
class Outcome:
    """What came of one input."""

    number: int
    what: str
    """"events.csv, bits flipped, read"."""
    outcome: str
    """"same", "refused", "told" (something else, and a warning said so), "other events", or one of `FAILURES`."""
    detail: str = ""


class OutOfTime(BaseException):
    """Raised in an operation by the alarm."""


def write_inputs(folder: Path) -> None:
    """Write whole files of all kinds."""
    event_files.write_event_files(folder / "events")
    run_folders.write_run_folder(folder / "runs")


def measure_references(
    folder: Path, scratch: Path, operations: Collection[str] = tuple(run_folders.OPERATIONS)
) -> dict[str, Any]:
    """Return what each operation gives on whole files, by name; of those on a run folder, what these give."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "events").iterdir()):
        for name, operation in event_files.OPERATIONS.items():
            found[f"{path.name} {name}"] = _try_reference(operation, path)
    for name in operations:
        copy = _copy(folder / "runs", scratch / "runs")
        found[name] = run_folders.run(name, copy)
    return found


def _try_reference(operation: Any, path: Path) -> Any:
    try:
        return operation(path)
    except TunerError:
        return None


def try_input(
    seed: int,
    number: int,
    folder: Path,
    scratch: Path,
    references: dict[str, Any],
    *,
    kind: str | None = None,
    alarm: bool = True,
) -> Outcome:
    """Damage one file and read it.

    kind: "events" or "runs", None for a draw. alarm: stop it after `SECONDS` (main thread only).
    """
    draw = Random(f"{seed} {number}")
    drawn = "events" if draw.random() < EVENTS_SHARE else "runs"
    kind = kind or drawn
    if kind == "events":
        path, operation, what, reference = _damage_events(draw, folder, scratch, references)
    else:
        path, operation, what, reference = _damage_run(draw, folder, scratch, references)
    told: list[str] = []
    warn_once.cache_clear()  # the damaged file of another input had the same path
    with _collect_warnings(told), _limit(SECONDS[kind] if alarm else None):
        try:
            found = operation()
        except TunerError as error:
            is_sentence = 20 < len(str(error)) < 2000 and "Traceback" not in str(error)
            return Outcome(number, what, "refused" if is_sentence else "no sentence", str(error))
        except OutOfTime:
            return Outcome(number, what, "time-out")
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in frames if "/tuner/" in frame.filename] or frames
            place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
            return Outcome(number, what, "traceback", f"{type(error).__name__} at {place}: {error}"[:300])
    if _same(found, reference):
        return Outcome(number, what, "same")
    if kind == "events" or path.name == "journal.log":
        return Outcome(number, what, "other events")
    return Outcome(number, what, "told" if told else "changed without a word", " ".join(told)[:300])


def _damage_events(draw: Random, folder: Path, scratch: Path, references: dict[str, Any]) -> tuple[Any, ...]:
    others = sorted((folder / "events").iterdir())
    whole = draw.choice(others)
    path = scratch / "events" / whole.name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(whole, path)
    how = damage_file(path, others, draw)
    name = draw.choice(list(event_files.OPERATIONS))
    operation = event_files.OPERATIONS[name]
    return path, lambda: operation(path), f"{whole.name}, {how}, {name}", references[f"{whole.name} {name}"]


def _damage_run(draw: Random, folder: Path, scratch: Path, references: dict[str, Any]) -> tuple[Any, ...]:
    copy = _copy(folder / "runs", scratch / "runs")
    names = [name for name in run_folders.OPERATIONS if name in references]
    (name,) = draw.choices(names, [run_folders.SHARES.get(name, 5) for name in names])
    files = run_folders.find_files(copy, name)
    path = draw.choice(files)
    how = damage_file(path, files, draw, may_go=name != "status")
    what = f"{path.relative_to(copy / 'fuzzed')}, {how}, {name}"
    return path, lambda: run_folders.run(name, copy), what, references[name]


def _copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(source, target))


def _same(found: Any, reference: Any) -> bool:
    if isinstance(found, np.ndarray):
        return isinstance(reference, np.ndarray) and np.array_equal(found, reference, equal_nan=True)
    return bool(found == reference)


@contextmanager
def _collect_warnings(told: list[str]) -> Iterator[None]:
    """Collect what is logged, and keep it off the terminal."""
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tuner")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.propagate = propagates
        logger.removeHandler(handler)


@contextmanager
def _limit(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in what runs longer."""
    if seconds is None:
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
