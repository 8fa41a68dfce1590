"""One worker: asks for trials, trains them in packs, tells how they ended, until the budget is spent."""

from __future__ import annotations

import itertools
import logging
import signal
import time
from collections.abc import Hashable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import torch
from optuna.exceptions import UpdateFinishedTrialError

from tuner.checked_files import append_line, read_lines, wait_for_space
from tuner.errors import describe_failure, refuse_exit
from tuner.launchers.signals import PREEMPTION_SIGNALS, Interrupt, describe_stop, watch_interrupt
from tuner.launchers.watchdog import NoWatchdog, Watchdog
from tuner.trackers.base import SECONDS_TO_CLOSE, Tracker
from tuner.training.batched.lanes import POLL_SECONDS, IsDone, Lane, make_lane
from tuner.training.data import TrainingData, load_training_data
from tuner.training.device import find_device, has_memory_for_another, is_out_of_memory, keep_random_state
from tuner.training.loop import Answer, Outcome, take_turns
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import (
    UNPACKABLE,
    PackSize,
    choose_pack_size,
    describe_pack,
    find_pack_size,
    measures_once,
)
from tuner.tuning.heartbeats import Lease
from tuner.tuning.limits import count_trials_per_structure, limit_packs, limit_slots
from tuner.tuning.pack_loads import Load, LoadSupply, PackLoads
from tuner.tuning.patient_storage import StorageAway, hurry_when, is_away
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
class _Run:
    """A pack in training."""

    load: Load
    lane: Lane
    first: Member
    numbers: set[int]
    """Numbers of all that have begun in it."""
    turns: Iterator[IsDone] = field(default_factory=lambda: iter(()))
    """Its training, a turn at a time."""
    is_done: IsDone = lambda: True
    """Whether the device has done its last turn."""


@dataclass
class Worker:
    """The state of one worker.

    It trains several packs at once where the device overlaps them, and goes round them: one that the device is done
    with takes its next turn, and no other waits for it. On a CPU there is one.
    """

    search: Search
    asker: Asker
    data: TrainingData
    reporter: TrialReporter
    interrupt: Interrupt
    clock: SearchClock
    watchdog: Watchdog
    most_slots: int | None
    lanes: list[Lane] = field(default_factory=list)
    """Where no pack trains now."""
    alone: set[Hashable] = field(default_factory=set)
    """Structures that no pack is to be made of: one failed."""
    reported: dict[int, float] = field(default_factory=dict)
    """When each member's last epoch ended, by its number."""
    to_prune: Set[int] = frozenset()
    """Numbers of the members that are not to go on after the epoch that was reported last."""
    is_telling: bool = False
    """Whether a member has ended and is being told: no epoch is left then."""
    warned: bool = False
    """Whether it was said that a network cannot be packed."""

    def __post_init__(self) -> None:
        self.per_structure = count_trials_per_structure(self.search.study, self.data.device)
        self.most_packs = limit_packs(self.data.device)
        self.loads = PackLoads(
            self.asker,
            per_structure=self.per_structure,
            is_over=self.is_over,
            on_ask=self.reporter.register,
            rest=self.watchdog.rest,
        )

    def run(self) -> None:
        """Train packs; whatever happens, give back what was asked for and not told."""
        try:
            while not self._ends() and self._train_packs():
                pass
        finally:
            self._note_interruption()
            self.reporter.settle()
            for number in self.reporter.registered:
                self.reporter.give_back(number, "Interrupted before it ended.")
        if self.loads.stop is not None:
            raise self.loads.stop

    def _ends(self) -> bool:
        """Whether no pack is to be begun any more."""
        return self.loads.stop is not None or self.is_over()

    def _train_packs(self) -> bool:
        """Go round packs until there is nothing to ask for; return whether trials may have been given back since."""
        runs: list[_Run] = []
        asks_again = False
        with self.loads.open(ahead=asks_ahead(self.data.device)) as supply:
            try:
                while True:
                    self._begin_packs(runs, supply)
                    if not runs:
                        return asks_again
                    asks_again = True  # one that fails gives trials back when it may be known that there are no more
                    self._go_round(runs)
            except _EpochLeft:
                self._note_interruption()
                self.reporter.give_back_running("Interrupted; it goes on from its last checkpoint.")
                return False

    def _begin_packs(self, runs: list[_Run], supply: LoadSupply) -> None:
        """Begin packs while there is room; where none trains, wait for the next load, and for the storage."""
        while not self._ends() and not supply.is_empty and self._has_room(runs) and (supply.is_ready or not runs):
            if not runs:
                self.reporter.settle()
            load = supply.take()
            if load is None:
                return
            if load.is_alone and runs:
                supply.put_back(load)
                return
            run = self._open(load)
            if run is not None:
                runs.append(run)

    def _has_room(self, runs: list[_Run]) -> bool:
        """Whether another pack may train beside these."""
        if not runs:
            return True
        if len(runs) >= self.most_packs or any(run.load.is_alone for run in runs):
            return False
        return has_memory_for_another(self.data.device, len(runs))

    def _go_round(self, runs: list[_Run]) -> None:
        """Let each pack that the device is done with take its next turn; take those out that have ended."""
        is_idle = True
        for run in list(runs):
            if run.is_done():
                is_idle = False
                if not self._take_turn(run, n_others=len(runs) - 1):
                    runs.remove(run)
                    self.lanes.append(run.lane)
                    self.loads.waiting += run.load.list_left()
        if is_idle:
            self._leave_when_due()
            time.sleep(POLL_SECONDS)

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

    def _open(self, load: Load) -> _Run | None:
        """Begin a load's pack; a suspect's alone. None where there is nothing to train."""
        if load.first.is_suspect:
            with suppress(UpdateFinishedTrialError):  # another worker took this one for dead; the reporter finds out
                mark_alone(load.first.trial)
        member = self.reporter.begin(load.first)
        if member is None:
            self.loads.waiting += load.list_left()
            return None
        lane = self.lanes.pop() if self.lanes else make_lane(self.data.device)
        run = _Run(load, lane, member, {member.number})
        run.turns = self._train(run)
        return run

    def _take_turn(self, run: _Run, *, n_others: int) -> bool:
        """Take a pack's next turn; return whether it goes on. What goes wrong is this pack's alone."""
        try:
            with refuse_exit("A network"), self.watchdog.expect_progress(), run.lane.turn():
                is_done = next(run.turns, None)
        except StorageAway:
            raise
        except Exception as error:  # a network's own code may raise anything; the sweep goes on
            self._end_pack(run, error, n_others)
            return False
        if is_done is None:
            return False
        run.is_done = is_done
        return True

    def _train(self, run: _Run) -> Iterator[IsDone]:
        """Train trials of the first one's structure together, as many as there are slots.

        Rows that become vacant go to further mates.
        """
        first = run.load.first
        pack = Pack(
            first.settings,
            self.data,
            n_epochs=self.search.study.budget.epochs,
            n_parts=PARTS**first.tries,
            lane=run.lane,
            on_step=self._note_step,
            noise_seed=derive_seed(self.search.study.seed, 0, purpose=2),
        )
        size = self._choose_size(first, pack)
        begun = self._begin(run)
        pack.admit(run.first, *itertools.islice(begun, size.slots - 1))
        pack.compact()
        yield from take_turns(
            pack,
            on_epoch=self._answer,
            on_trained=self._report,
            on_end=lambda member, row, outcome: self._tell(pack, member, row, outcome),
            refill=lambda: None if self.is_over() or is_away(self.search.optuna_study) else next(begun, None),
            on_round=lambda: self._keep_states(pack),
        )

    def _begin(self, run: _Run) -> Iterator[Member]:
        """Begin mates as they are wanted; who waits for one, for the storage or for the disk does not hang."""
        while True:
            with self.watchdog.rest():
                asked = next(run.load.mates, None)
                if asked is None:
                    return
                run.numbers.add(asked.trial.number)
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
        """Tell of progress; leave the epoch where it is time to."""
        self.watchdog.beat()
        self._leave_when_due()

    def _leave_when_due(self) -> None:
        """Leave the epochs of all packs where a batch system's signal came and they do not end soon."""
        if self.is_telling or not self.interrupt.is_preemption:
            return
        if time.monotonic() - self.interrupt.since > PREEMPTION_SECONDS:
            raise _EpochLeft

    def _end_pack(self, run: _Run, error: Exception, n_others: int) -> None:
        """Tell the trials of a pack that failed, or put them back into the queue where they may do better alone."""
        running = [number for number in self.reporter.running if number in run.numbers]
        if is_out_of_memory(error):
            self._shrink(error, running, n_others)
        elif len(running) > 1:
            logger.warning("A pack of %d failed; its trials continue one by one: %s", len(running), error)
            self._give_back(running, "Its pack failed; it continues alone.", Failure.CODE)
            self.alone.add(run.load.first.structure)
        else:
            for number in running:
                self.reporter.fail(number, describe_failure(error))

    def _give_back(self, numbers: list[int], reason: str, failure: Failure) -> None:
        """Give trials back: what an error left of them is not to be trusted."""
        for number in numbers:
            self.reporter.give_back(number, reason, failure)

    def _choose_size(self, first: Asked, pack: Pack) -> PackSize:
        """Return the size of a pack for a trial's structure.

        A measurement is written to the run folder, from which packs like it take theirs on a GPU.
        """
        if first.is_suspect:
            return PackSize(1, {}, "its workers died")
        if first.tries:
            return PackSize(1, {}, "it did not fit into the memory alone")
        if first.structure in self.alone:
            return PackSize(1, {}, "a pack of this structure failed")
        most = min(self.most_slots or limit_slots(self.data.device), self.per_structure)
        if measures_once(self.data.device):
            with self.watchdog.rest():
                rows = read_lines(self.search.folder.packs).whole
            known = find_pack_size(rows, pack, most=most)
            if known is not None:
                return known
        try:
            size = choose_pack_size(pack, first.settings, most=most)
        except Exception:  # the trial itself will fail with this error, and tell it
            return PackSize(1, {}, "could not be measured")
        if size.reason.startswith(UNPACKABLE) and not self.warned:
            self.warned = True
            logger.warning("Trials train one by one, which is slower: %s", size.reason)
        row = {"trial": first.trial.number, "slots": size.slots, "curve": dict(size.curve), "reason": size.reason}
        row |= {"most": most, **describe_pack(pack)}
        with self.watchdog.rest():
            append_line(self.search.folder.packs, row)
        return size

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

    def _shrink(self, error: Exception, running: list[int], n_others: int) -> None:
        """Give the members of a pack that outgrew the memory back, and make the next packs fewer, or smaller.

        Where it was the only one and had one member only, other programs may hold the memory: it is tried again later,
        though not for ever, and each time with its batches in more parts, whose gradients are added up.
        """
        if n_others:
            self.most_packs = min(self.most_packs, n_others)
            logger.warning("Out of memory: at most %d packs train at once from now on.", self.most_packs)
            self._give_back(running, "The pack ran out of memory; it continues beside fewer.", Failure.MEMORY)
            return
        if len(running) > 1:
            self.most_slots = len(running) // 2
            logger.warning("Out of memory: packs have at most %d members from now on.", self.most_slots)
            self._give_back(running, "The pack ran out of memory; it continues in a smaller one.", Failure.MEMORY)
            return
        self.most_slots = 1
        for number in running:
            if self.reporter.try_again(number, describe_failure(error)):
                logger.warning(
                    "Trial %d ran out of memory, alone in its pack; it is tried again with each batch in parts.",
                    number,
                )
                self.interrupt.wait(MEMORY_SECONDS)
