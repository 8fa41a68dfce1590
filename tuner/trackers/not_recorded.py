"""What trackers could not record: one line each in a file of the run folder, which the report speaks of."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from tuner.checked_files import append_line, read_more_lines
from tuner.errors import FolderError
from tuner.run_folder import RunFolder

logger = logging.getLogger("tuner")

STUDY = "study"
"""What stands for the record of the study as a whole; a trial's is its number."""


def note_loss(folder: Path, tracker: str, what: int | str, why: str, content: Mapping[str, Any]) -> bool:
    """Write down what a tracker could not record. Return whether that could be written.

    tracker: its name, such as "Weights & Biases". what: the number of a trial, or `STUDY`. content: what was to be
    recorded.
    """
    line = {"tracker": tracker, "what": what, "why": why, "at": datetime.now().astimezone().isoformat(), **content}
    try:
        append_line(RunFolder(folder).not_recorded, line)
    except FolderError as error:
        logger.debug("%s", error)
        return False
    return True


def note_recovery(folder: Path, tracker: str, what: int | str) -> None:
    """Write down that what was missing has been recorded after all; nothing where it was not missing."""
    if (tracker, what) in _find_losses(folder):
        note_loss(folder, tracker, what, "", {"recorded": True})


def describe_losses(folder: Path) -> list[str]:
    """Return a sentence for each tracker that could not record everything."""
    losses: dict[str, dict[int | str, str]] = {}
    for (tracker, what), why in _find_losses(folder).items():
        losses.setdefault(tracker, {})[what] = why
    return [_describe(tracker, missing) for tracker, missing in losses.items()]


def _find_losses(folder: Path) -> dict[tuple[str, int | str], str]:
    """Return why something is missing, by tracker and what it is of."""
    return _open_list(RunFolder(folder).not_recorded.absolute()).read()


class _List:
    """The list of one run folder, of which only what is new is read: each trial that is recorded asks for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._inode: int | None = None
        self._end = 0
        """Bytes that were read."""
        self._missing: dict[tuple[str, int | str], str] = {}

    def read(self) -> dict[tuple[str, int | str], str]:
        """Return why something is missing, by tracker and what it is of."""
        with self._lock:
            state = self._path.stat() if self._path.exists() else None
            if state is None or state.st_ino != self._inode or state.st_size < self._end:
                self._inode, self._end = state and state.st_ino, 0
                self._missing.clear()
            if state is not None and state.st_size > self._end:
                lines, self._end = read_more_lines(self._path, self._end)
                for line in lines.whole:
                    self._take(line)
            return dict(self._missing)

    def _take(self, line: Mapping[str, Any]) -> None:
        key = (line["tracker"], line["what"])
        if line.get("recorded"):
            self._missing.pop(key, None)
        else:
            self._missing[key] = line["why"]


@cache
def _open_list(path: Path) -> _List:
    return _List(path)


def _describe(tracker: str, missing: Mapping[int | str, str]) -> str:
    trials = sorted(what for what in missing if isinstance(what, int))
    parts = [f"{len(trials)} trial{'s' if len(trials) != 1 else ''}"] if trials else []
    parts += ["the study as a whole"] if STUDY in missing else []
    (most_often, _), *others = Counter(missing.values()).most_common()
    more = f"; {len(others)} other reason{'s' if len(others) != 1 else ''}" if others else ""
    return (
        f"{tracker} could not record {' and '.join(parts)} ({most_often}{more}). "
        "What is missing there is kept in not_recorded.jsonl."
    )
