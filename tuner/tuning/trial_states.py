"""Checkpoints inside a trial: what it needs to go on later, here or elsewhere, as if it had not stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from optuna.trial import TrialState

from tuner.checked_files import write_atomically
from tuner.errors import DamagedFileError
from tuner.training.pack import Pack
from tuner.training.state_files import format_state, read_state
from tuner.tuning.search import Search
from tuner.tuning.trial_attributes import find_root

logger = logging.getLogger("tuner")

MAX_SHARE = 0.02
"""Share of a worker's time that checkpoints take at the most: where writing is slow, they are written less often."""

LONG_EPOCH = 5.0
"""Seconds of an epoch that is checkpointed at its end even before `Checkpoints.seconds` are over: a batch system's
signal would not leave the time to end the next one."""

BYTES = 2**30
"""In a GiB."""


class TrialStates:
    """The states of unfinished trials in the run folder, each in a file that is named by the first trial of its kind.

    A state holds a member's parameters, buffers, optimizer and schedule, the parameters of its best epoch, its early
    stopping and its curve. The orders of its events follow from its seed and age, its dropout from the study's seed.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._settings = search.study.checkpoints
        self._ended = time.monotonic()
        """When the last checkpoints were written, or this began."""
        self._took = 0.0
        """Seconds that writing them took."""
        self._round = self._ended
        """When the last epoch ended."""
        self._clocks: WeakKeyDictionary[Pack, tuple[float, float]] = WeakKeyDictionary()
        """The same two times for each pack, where several train at once."""
        self._is_full = False
        """Whether it was said that the budget of disk space is spent."""

    def keep_when_due(self, pack: Pack, roots: Mapping[int, int]) -> bool:
        """Write the states of a pack that has just ended an epoch, where it is time to; return whether it was.

        Args:
            pack: The pack.
            roots: For each of its members' trials the first trial of its setting.
        """
        now = time.monotonic()
        ended, last_round = self._clocks.get(pack, (self._ended, self._round))
        self._clocks[pack] = ended, now
        self._round = now
        pause = 0.0 if now - last_round >= LONG_EPOCH else self._settings.seconds
        if now - ended < max(pause, len(self._clocks) * self._took / MAX_SHARE):
            return False
        for row, member in pack.rows:
            self.keep(roots[member.number], pack.member_state(row))
        self._ended = time.monotonic()
        self._took = self._ended - now
        self._round = self._ended
        self._clocks[pack] = self._ended, self._ended
        return True

    def keep(self, root: int, state: Mapping[str, Any]) -> None:
        """Write a trial's state in place of the one before, unless the budget of disk space is spent."""
        path = self._search.resume_path(root)
        content = format_state({"search": self._search.search_id, "state": state})
        others = sum(_find_size(other) for other in path.parent.glob("*.resume.pt") if other != path)
        if others + len(content) > self._settings.gigabytes * BYTES:
            if not self._is_full:
                self._is_full = True
                logger.warning(
                    'Checkpoints of running trials in "%s" have reached their limit of %g GiB: no more are written '
                    "until others are done with. Where there is space, raise `Study(checkpoints=Checkpoints("
                    "gigabytes=...))`.",
                    path.parent,
                    self._settings.gigabytes,
                )
            return
        write_atomically(path, content)

    def read(self, root: int) -> dict[str, Any] | None:
        """Return the state that a trial goes on from; None where it has none that is whole and of this search."""
        path = self._search.resume_path(root)
        if not path.exists():
            return None
        try:
            kept = read_state(path, advice=f"Trial {root} starts again from its first epoch.")
        except DamagedFileError as error:
            logger.warning("%s", error)
            path.unlink(missing_ok=True)
            return None
        state = kept["state"] if kept.get("search") == self._search.search_id else None
        return state if isinstance(state, dict) else None

    def remove(self, root: int) -> None:
        """Remove the state of a trial that has ended for good."""
        self._search.resume_path(root).unlink(missing_ok=True)

    def remove_left(self) -> None:
        """Remove what workers left that were killed in between: states, whole or half written, of trials that ended."""
        folder = self._search.folder.checkpoints
        found = {path: _find_number(path) for path in (*folder.glob("*.resume.pt"), *folder.glob(".*.resume.pt.*"))}
        if not found:
            return
        # The trials are read after the files were listed: a setting that is given back waits before its trial ends.
        unfinished = (TrialState.RUNNING, TrialState.WAITING)
        alive = {find_root(t) for t in self._search.optuna_study.get_trials(deepcopy=False, states=unfinished)}
        for path, number in found.items():
            if number is not None and number not in alive:
                path.unlink(missing_ok=True)


def _find_number(path: Path) -> int | None:
    """Return the number of the trial whose state a file holds."""
    digits = path.name.removeprefix(".").removeprefix("trial_").partition(".")[0]
    return int(digits) if digits.isdecimal() else None


def _find_size(path: Path) -> int:
    """Return the bytes of a file; none where another worker has just removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
