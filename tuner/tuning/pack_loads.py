"""Asking for loads: trials of one structure, for one pack. Trials that fit no pack of the moment wait for their own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from tuner.errors import SearchError
from tuner.training.structure import name_differences
from tuner.tuning.prefetch import Ahead, take_short_turns
from tuner.tuning.trial_queue import Asked, Asker

logger = logging.getLogger("tuner")

MAX_WAITING = 8
"""Trials of other structures that may wait for a pack of their own."""


@dataclass(frozen=True)
class Load:
    """A trial, and those that train with it."""

    first: Asked
    mates: Iterator[Asked]
    """Trials of its structure, each taken once."""
    has_all: bool
    """Whether the mates have all been asked for; else each is when it is taken."""

    @property
    def is_alone(self) -> bool:
        """Whether nothing is to train beside it: workers died of it, or it did not fit into the memory."""
        return _is_alone(self.first)

    def list_left(self) -> list[Asked]:
        """Return the mates that were asked for and not taken."""
        return list(self.mates) if self.has_all else []


class LoadSupply:
    """Loads for one round of a worker; see `PackLoads.open`."""

    def __init__(self, loads: Iterator[Load], is_ready: Callable[[], bool]) -> None:
        self._loads = loads
        self._is_ready = is_ready
        self.held: list[Load] = []
        """Put back, to be taken first."""
        self.is_empty = False
        """Whether there are no more."""

    @property
    def is_ready(self) -> bool:
        """Whether the next one is there without waiting, or it is known that there is none."""
        return bool(self.held) or self._is_ready()

    def put_back(self, load: Load) -> None:
        """Put a load back that cannot be trained now."""
        self.held.append(load)

    def take(self) -> Load | None:
        """Return the next load; None where there are no more."""
        if self.held:
            return self.held.pop(0)
        load = next(self._loads, None)
        self.is_empty = load is None
        return load


class PackLoads:
    """Asks for the trials of one worker."""

    def __init__(
        self,
        asker: Asker,
        *,
        per_structure: int,
        is_over: Callable[[], bool],
        on_ask: Callable[[Asked], None],
        rest: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Begin with nobody waiting.

        per_structure: trials of a structure before another is drawn; is_over: whether the worker is to end; on_ask:
        takes each trial as soon as it was asked for; rest: gives a context in which the storage may be waited for.
        """
        self.asker = asker
        self.per_structure = per_structure
        self.waiting: list[Asked] = []
        """Asked for, and in no pack."""
        self.stop: SearchError | None = None
        """Why the search is to stop, where too many trials fail."""
        self._is_over = is_over
        self._on_ask = on_ask
        self._rest = rest
        self._apart: set[int] = set()
        """Numbers of trials that were drawn as mates of others and do not fit together with them."""
        self._warned_apart = False
        """Whether it was said that trials of one structure do not fit together."""

    @contextmanager
    def open(self, *, ahead: bool) -> Iterator[LoadSupply]:
        """Supply loads until the budget is spent, the worker is to end, or so many trials fail that the search is.

        ahead: whether whole loads are asked for on a thread, one ahead; else each trial is when it is wanted. One that
        was asked for and not taken waits for the next call.
        """
        if not ahead:
            supply = LoadSupply(self._ask_loads(whole=False), lambda: True)
            yield supply
            self._put_back(supply.held)
            return
        with take_short_turns():
            loads = Ahead(self._ask_loads(whole=True))
            supply = LoadSupply(loads, lambda: loads.is_ready)
            try:
                yield supply
            finally:
                with self._rest(), loads:  # at its end it waits for the load that is being asked for
                    pass
                self._put_back([*supply.held, *loads.left])

    def _put_back(self, loads: Sequence[Load]) -> None:
        """Let the trials of loads wait that were not taken."""
        for load in loads:
            self.waiting += [load.first, *load.list_left()]

    def _ask_loads(self, *, whole: bool) -> Iterator[Load]:
        """Ask for the first trial of a load and its mates; those that wait come before others."""
        while not self._is_over() and self.stop is None:
            first = self.waiting.pop(0) if self.waiting else self._ask()
            if first is None:
                return
            mates = iter(()) if _is_alone(first) else self._ask_mates(first)
            yield Load(first, iter(list(mates)) if whole else mates, has_all=whole)

    def _ask(self, fixed: Mapping[str, Any] | None = None) -> Asked | None:
        """Ask for a trial; None where the budget is spent, or where so many fail that the search is to stop."""
        try:
            with self._rest():
                asked = self.asker.ask(fixed)
        except SearchError as error:
            self.stop = error
            return None
        if asked is not None:
            self._on_ask(asked)
        return asked

    def _ask_mates(self, first: Asked) -> Iterator[Asked]:
        """Ask for trials of the first one's structure, those that wait before others, until it has had its share.

        Enqueued settings of another structure come in between: they wait for a pack of their own. So do trials that
        were drawn as mates and do not fit; these ask for no mates again, so that the next draw is a free one.
        """
        fixed = self.asker.fix_structure(first.trial)
        left = self.per_structure - 1
        while left > 0 and len(self.waiting) < MAX_WAITING and not self._is_over():
            asked = self._take_waiting(first.structure)
            if asked is None and first.trial.number not in self._apart:
                asked = self._ask(fixed)
            if asked is None:
                return
            if asked.structure == first.structure and not _is_alone(asked):
                left -= 1
                yield asked
                continue
            self.waiting.append(asked)
            if _is_alone(asked) or not fixed:
                continue
            if all(asked.trial.params.get(name) == value for name, value in fixed.items()):
                left -= 1
                self._apart.add(asked.trial.number)
                self._warn_apart(first, asked)

    def _take_waiting(self, structure: Hashable) -> Asked | None:
        """Return a trial of this structure that waits, and no longer does; None where there is none."""
        for index, asked in enumerate(self.waiting):
            if asked.structure == structure and not _is_alone(asked):
                return self.waiting.pop(index)
        return None

    def _warn_apart(self, first: Asked, asked: Asked) -> None:
        """Say once where trials that agree in all that the space calls structure do not fit into one pack."""
        if self._warned_apart:
            return
        self._warned_apart = True
        logger.warning(
            "Trials %d and %d agree in the search space's `structure` but cannot train together, which would be "
            "faster, as they differ in %s. Name the parameters behind that in `search_space(structure=[...])`; or mark "
            "the field, where it fixes no tensor's shape, with `metadata=tuner.KNOB`.",
            first.trial.number,
            asked.trial.number,
            ", ".join(f"`{name}`" for name in name_differences(first.structure, asked.structure)),
        )


def _is_alone(asked: Asked) -> bool:
    """Return whether a trial must have no mates."""
    return asked.is_suspect or asked.tries > 0
