"""One worker: asks for trials, trains them in packs, tells how they ended, until the budget is spent."""

from __future__ import annotations

import itertools
import logging
import signal
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from optuna.exceptions import UpdateFinishedTrialError

from tuner.checked_files import append_line, wait_for_space
from tuner.errors import SearchError, describe_failure, refuse_exit
from tuner.launchers.signals import PREEMPTION_SIGNALS, Interrupt, describe_stop, watch_interrupt
from tuner.launchers.watchdog import NoWatchdog, Watchdog
from tuner.trackers.base import SECONDS_TO_CLOSE, Tracker
from tuner.training.data import TrainingData, load_training_data
from tuner.training.device import find_device, is_out_of_memory, keep_random_state
from tuner.training.loop import Answer, Outcome, train_members
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import UNPACKABLE, PackSize, choose_pack_size
from tuner.training.structure import name_differences
from tuner.tuning.heartbeats import Lease
from tuner.tuning.limits import count_trials_per_structure, limit_slots
from tuner.tuning.patient_storage import StorageAway, hurry_when, is_away
from tuner.tuning.prefetch import Ahead, take_short_turns
from tuner.tuning.pruners import make_pruner
from tuner.tuning.samplers import SeededSampler, derive_seed, make_sampler
from tuner.tuning.search import Search
from tuner.tuning.search_clock import SearchClock
from tuner.tuning.trial_attributes import Failure, mark_alone
from tuner.tuning.trial_queue import Asked, Asker
from tuner.tuning.trial_reporter import TrialReporter

logger = logging.getLogger("tuner")

PARTS = 4
"""Parts of a batch, to this power, where a trial did not fit into the memory once, twice."""

MEMORY_SECONDS = 10.0
"""Pause of a worker that has no memory for a single trial: others may have ended by then."""

PICTURE_SECONDS = 20.0
"""What a worker whose time is up, or that Ctrl-C ends, waits for pictures at the most."""

PICTURE_SHARE = 0.03
"""Share of the time that it waits at the most where the judgement follows within the same time."""

PREEMPTION_SECONDS = 4.0
"""After a batch system's signal: what a worker trains on at the most to end an epoch, and the longest that each of
pictures and tracker is waited for."""

MAX_WAITING = 8
"""Trials of other structures that may wait for a pack of their own."""


def work(
    search: Search,
    *,
    tracker: Tracker,
    device: str | None = None,
    slots: int | None = None,
    until: float | None = None,
    reserves: bool = False,
    owns_process: bool = False,
) -> signal.Signals | None:
    """Train trials of a search until its budget is spent, the clock passes `until` (Unix time), or a signal comes.

    Args:
        search: With its prepared events in the run folder.
        tracker: Where the numbers of trials go; it stays open.
        device: "cpu", "cuda" or "cuda:1". None: a GPU where there is one.
        slots: Members of a pack at the most. None: what the device is good for.
        until: When to stop, in Unix time. None: once the budget of trials is spent.
        reserves: Whether to stop before that, as early as the trainings of the judgement need.
        owns_process: Whether this process may be ended where the user's code hangs, as that of a command may.

    Returns:
        The signal that ended it (SIGINT, SIGTERM, SIGUSR1, SIGHUP); None where none did.

    Raises:
        SearchError: So many trials fail that the search is not worth going on with.
        DeviceError: The device is not there.
    """
    torch_device = find_device(device)
    data = load_training_data(search.splits, torch_device)
    study = search.study
    watchdog = Watchdog(hang_seconds=60 * study.hang_minutes) if owns_process else NoWatchdog()
    sampler = SeededSampler(partial(make_sampler, study), study.seed)
    with (
        Lease(search.optuna_study) as lease,
        watch_interrupt(_announce_end) as interrupt,
        watchdog as watch,
        wait_for_space(),
    ):
        hurry_when(search.optuna_study, lambda: interrupt.is_preemption)
        clock = SearchClock(search, until, reserves=reserves)
        halfway = None if until is None else (time.time() + until) / 2
        asker = Asker(search, sampler, lease.worker, halfway=halfway)
        search.optuna_study.pruner = make_pruner(study)
        reporter = TrialReporter(search, tracker, device=str(torch_device), watch=watch.expect_progress)
        worker = Worker(search, asker, data, reporter, interrupt, clock, watch, slots)
        with keep_random_state(torch_device):
            try:
                worker.run()
                reporter.close(seconds=worker.choose_picture_seconds())
            except StorageAway:
                reporter.close(seconds=worker.choose_picture_seconds())
                if not interrupt.is_preemption:
                    raise
                logger.warning("The storage is away: the trials of this worker are given back once it answers.")
            except BaseException as error:  # only a second Ctrl-C is not to wait for pictures
                reporter.close(cancel=not isinstance(error, Exception))
                raise
        return interrupt.signal


def choose_seconds_to_close(ended_by: signal.Signals | None) -> float:
    """Return how long to wait at the most until a tracker has all that it was told, after this signal or none."""
    return PREEMPTION_SECONDS if ended_by in PREEMPTION_SIGNALS else SECONDS_TO_CLOSE


def asks_ahead(device: torch.device) -> bool:
    """Return whether the sampler works beside the training: where a GPU does it, whose time is not the sampler's."""
    return device.type != "cpu"


def _announce_end(interrupt: Interrupt) -> None:
    assert interrupt.signal is not None
    logger.warning("%s", describe_stop(interrupt.signal))


class _EpochLeft(BaseException):
    """An epoch is left before its end."""


@dataclass
class Worker:
    """The state of one worker."""

    search: Search
    asker: Asker
    data: TrainingData
    reporter: TrialReporter
    interrupt: Interrupt
    clock: SearchClock
    watchdog: Watchdog
    most_slots: int | None
    waiting: list[Asked] = field(default_factory=list)
    """Asked for, but of another structure than the pack that is training."""
    apart: set[int] = field(default_factory=set)
    """Numbers of trials that were drawn as mates of others and do not fit together with them."""
    alone: set[Hashable] = field(default_factory=set)
    """Structures that no pack is to be made of: one failed."""
    reported: dict[int, float] = field(default_factory=dict)
    """When each member's last epoch ended, by its number."""
    to_prune: Set[int] = frozenset()
    """Numbers of the members that are not to go on after the epoch that was reported last."""
    is_telling: bool = False
    """Whether a member has ended and is being told: no epoch is left then."""
    stop: SearchError | None = None
    """Why the search is to stop, where too many trials fail."""
    warned: bool = False
    """Whether it was said that a network cannot be packed."""
    warned_apart: bool = False
    """Whether it was said that trials of one structure do not fit together."""

    def __post_init__(self) -> None:
        self.per_structure = count_trials_per_structure(self.search.study, self.data.device)

    def run(self) -> None:
        """Train one pack after the other; whatever happens, give back what was asked for and not told."""
        try:
            while not self.is_over() and self.stop is None:
                self.reporter.settle()
                first = self.waiting.pop(0) if self.waiting else self._ask()
                if first is None:
                    break
                self.train_pack(first)
        finally:
            self._note_interruption()
            self.reporter.settle()
            for number in self.reporter.registered:
                self.reporter.give_back(number, "Interrupted before it ended.")
        if self.stop is not None:
            raise self.stop

    def _ask(self, fixed: Mapping[str, Any] | None = None) -> Asked | None:
        """Ask for a trial; None where the budget is spent, or where so many fail that the search is to stop."""
        try:
            with self.watchdog.rest():
                asked = self.asker.ask(fixed)
        except SearchError as error:
            self.stop = error
            return None
        if asked is not None:
            self.reporter.register(asked)
        return asked

    def is_over(self, within: float = 0.0) -> bool:
        """Whether Ctrl-C ends this worker, or the clock does in so many seconds."""
        return self.interrupt.is_set() or self.clock.is_over(within)

    def choose_picture_seconds(self) -> float | None:
        """Return how long to wait for pictures at the end; None for as long as they take."""
        if self.interrupt.is_preemption:
            return PREEMPTION_SECONDS
        if self.clock.until is not None and self.clock.reserves:
            return min(PICTURE_SECONDS, max(1.0, PICTURE_SHARE * (self.clock.until - self.clock.began)))
        return PICTURE_SECONDS if self.is_over() else None

    def train_pack(self, first: Asked) -> None:
        """Train trials of the first one's structure together; a suspect alone."""
        if first.is_suspect:
            with suppress(UpdateFinishedTrialError):  # another worker took this one for dead; the reporter finds out
                mark_alone(first.trial)
        member = self.reporter.begin(first)
        if member is None:
            return
        try:
            with refuse_exit("A network"), self.watchdog.expect_progress():
                pack = Pack(
                    first.settings,
                    self.data,
                    n_epochs=self.search.study.budget.epochs,
                    n_parts=PARTS**first.tries,
                    on_step=self._note_step,
                    noise_seed=derive_seed(self.search.study.seed, 0, purpose=2),
                )
                size = self._choose_size(first, pack)
                with self._ask_ahead(iter(()) if first.is_suspect or first.tries else self._ask_mates(first)) as mates:
                    self._fill_and_train(pack, size, member, mates)
        except _EpochLeft:
            self._note_interruption()
            self.reporter.give_back_running("Interrupted; it goes on from its last checkpoint.")
        except StorageAway:
            raise
        except Exception as error:  # a network's own code may raise anything; the sweep goes on
            self._end_pack(first, error)

    def _fill_and_train(self, pack: Pack, size: PackSize, first: Member, mates: Iterator[Asked]) -> None:
        """Train a member and as many mates as there are slots; rows that become vacant go to further mates."""
        begun = self._begin(mates)
        pack.admit(first, *itertools.islice(begun, size.slots - 1))
        pack.compact()
        train_members(
            pack,
            on_epoch=self._answer,
            on_trained=self._report,
            on_end=lambda member, row, outcome: self._tell(pack, member, row, outcome),
            refill=lambda: None if self.is_over() or is_away(self.search.optuna_study) else next(begun, None),
            on_round=lambda: self._keep_states(pack),
        )

    def _begin(self, mates: Iterator[Asked]) -> Iterator[Member]:
        """Begin mates as they are wanted; who waits for one, for the storage or for the disk does not hang."""
        while True:
            with self.watchdog.rest():
                asked = next(mates, None)
                if asked is None:
                    return
                member = self.reporter.begin(asked)
            if member is not None:
                yield member

    def _tell(self, pack: Pack, member: Member, row: int, outcome: Outcome) -> None:
        """Tell how a member ended; its scores are computed to their end."""
        self._note_interruption()
        self.is_telling = True
        try:
            with self.watchdog.rest():
                self.reporter.tell(pack, member, row, outcome)
        finally:
            self.is_telling = False

    def _keep_states(self, pack: Pack) -> None:
        """Write checkpoints where it is time to."""
        with self.watchdog.rest():
            self.reporter.keep_states(pack)

    def _note_interruption(self) -> None:
        """Let the reporter know where it is a batch system that ends this worker."""
        if self.interrupt.is_preemption:
            self.reporter.interruption = Failure.PREEMPTED

    def _note_step(self) -> None:
        """Tell of progress; leave the epoch where a batch system's signal came and the epoch does not end soon."""
        self.watchdog.beat()
        if self.is_telling or not self.interrupt.is_preemption:
            return
        if time.monotonic() - self.interrupt.since > PREEMPTION_SECONDS:
            raise _EpochLeft

    def _end_pack(self, first: Asked, error: Exception) -> None:
        """Tell the trials of a pack that failed, or put them back into the queue where they may do better alone."""
        running = self.reporter.running
        if is_out_of_memory(error):
            self._shrink(error)
        elif len(running) > 1:
            logger.warning("A pack of %d failed; its trials continue one by one: %s", len(running), error)
            self.reporter.give_back_running("Its pack failed; it continues alone.", Failure.CODE)
            self.alone.add(first.structure)
        else:
            for number in running:
                self.reporter.fail(number, describe_failure(error))

    @contextmanager
    def _ask_ahead(self, mates: Iterator[Asked]) -> Iterator[Iterator[Asked]]:
        """Let mates be asked for one ahead where that pays, else when they are wanted.

        One that was asked for and not started waits for a pack of its own.
        """
        if not asks_ahead(self.data.device):
            yield mates
            return
        with take_short_turns():
            ahead = Ahead(mates)
            try:
                yield ahead
            finally:
                with self.watchdog.rest(), ahead:  # at its end it waits for the mate that is being asked for
                    pass
                self.waiting += ahead.left

    def _choose_size(self, first: Asked, pack: Pack) -> PackSize:
        """Return the size of a pack for a trial's structure, and write the measurement to the run folder."""
        if first.is_suspect:
            return PackSize(1, {}, "its workers died")
        if first.tries:
            return PackSize(1, {}, "it did not fit into the memory alone")
        if first.structure in self.alone:
            return PackSize(1, {}, "a pack of this structure failed")
        most = min(self.most_slots or limit_slots(self.data.device), self.per_structure)
        try:
            size = choose_pack_size(pack, first.settings, most=most)
        except Exception:  # the trial itself will fail with this error, and tell it
            return PackSize(1, {}, "could not be measured")
        if size.reason.startswith(UNPACKABLE) and not self.warned:
            self.warned = True
            logger.warning("Trials train one by one, which is slower: %s", size.reason)
        row = {"trial": first.trial.number, "slots": size.slots, "curve": dict(size.curve), "reason": size.reason}
        with self.watchdog.rest():
            append_line(self.search.folder.packs, row)
        return size

    def _ask_mates(self, first: Asked) -> Iterator[Asked]:
        """Ask for trials of the first one's structure, those that wait before others, until it has had its share.

        Enqueued settings of another structure come in between: they wait for a pack of their own. So do trials that
        were drawn as mates and do not fit; these ask for no mates again, so that the next draw is a free one.
        """
        fixed = self.asker.fix_structure(first.trial)
        left = self.per_structure - 1
        while left > 0 and len(self.waiting) < MAX_WAITING and not self.is_over():
            asked = self._take_waiting(first.structure)
            if asked is None and first.trial.number not in self.apart:
                asked = self._ask(fixed)
            if asked is None:
                return
            if asked.structure == first.structure and not asked.is_suspect and not asked.tries:
                left -= 1
                yield asked
                continue
            self.waiting.append(asked)
            if asked.is_suspect or asked.tries or not fixed:
                continue
            if all(asked.trial.params.get(name) == value for name, value in fixed.items()):
                left -= 1
                self.apart.add(asked.trial.number)
                self._warn_apart(first, asked)

    def _take_waiting(self, structure: Hashable) -> Asked | None:
        """Return a trial of this structure that waits, and no longer does; None where there is none."""
        for index, asked in enumerate(self.waiting):
            if asked.structure == structure and not asked.is_suspect and not asked.tries:
                return self.waiting.pop(index)
        return None

    def _warn_apart(self, first: Asked, asked: Asked) -> None:
        """Say once where trials that agree in all that the space calls structure do not fit into one pack."""
        if self.warned_apart:
            return
        self.warned_apart = True
        logger.warning(
            "Trials %d and %d agree in the search space's `structure` but cannot train together, which would be "
            "faster, as they differ in %s. Name the parameters behind that in `search_space(structure=[...])`; or mark "
            "the field, where it fixes no tensor's shape, with `metadata=tuner.KNOB`.",
            first.trial.number,
            asked.trial.number,
            ", ".join(f"`{name}`" for name in name_differences(first.structure, asked.structure)),
        )

    def _report(self, members: Sequence[Member]) -> None:
        """Report the epoch that members have just trained."""
        with self.watchdog.rest():
            self.to_prune = self.reporter.report(members)

    def _answer(self, member: Member) -> Answer:
        """Say whether a member that has been reported goes on."""
        now = time.monotonic()
        seconds = now - self.reported.get(member.number, now)
        self.reported[member.number] = now
        if self.is_over(within=seconds / 2):  # another epoch would end later than this one ends early
            return "interrupt"
        return "prune" if member.number in self.to_prune else "go on"

    def _shrink(self, error: Exception) -> None:
        """Give the members of a pack that outgrew the memory back, and make the next packs smaller.

        Where it had one member only, others may hold the memory: it is tried again later, though not for ever, and each
        time with its batches in more parts, whose gradients are added up.
        """
        running = self.reporter.running
        if len(running) > 1:
            self.most_slots = len(running) // 2
            logger.warning("Out of memory: packs have at most %d members from now on.", self.most_slots)
            self.reporter.give_back_running(
                "The pack ran out of memory; it continues in a smaller one.", Failure.MEMORY
            )
            return
        self.most_slots = 1
        for number in running:
            if self.reporter.try_again(number, describe_failure(error)):
                logger.warning(
                    "Trial %d ran out of memory, alone in its pack; it is tried again with each batch in parts.",
                    number,
                )
                self.interrupt.wait(MEMORY_SECONDS)
