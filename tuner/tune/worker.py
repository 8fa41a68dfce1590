"""One worker: asks for trials, trains them in packs, tells how they ended, until the budget is spent."""

from __future__ import annotations

import io
import itertools
import json
import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from optuna.trial import TrialState

from tuner.run_folder import write_atomically
from tuner.trackers.base import Tracker, TrialLog
from tuner.train.data import TrainingData, load_training_data
from tuner.train.device import find_device, keep_random_state
from tuner.train.pack import Member, Pack
from tuner.train.sizing import UNPACKABLE, PackSize, choose_pack_size
from tuner.train.train import Answer, Outcome, train_members
from tuner.tune.asking import Asked, Asker, describe_error
from tuner.tune.keepsakes import Keepsakes
from tuner.tune.leases import INTERRUPTED, REASON, RESUMES, Lease
from tuner.tune.samplers import SeededSampler, make_default_pruner, make_default_sampler
from tuner.tune.search import BEST_EPOCH, EPOCHS, FIGURE, N_PARAMETERS, PACK, Search
from tuner.tune.study import Study

logger = logging.getLogger("tuner")

STRUCTURES = 8
"""Structures that a budget of trials is spent on at the least."""

MOST_SLOTS = {"cuda": 256, "cpu": 16}
"""Largest pack that is tried, by kind of device."""

MOST_WAITING = 8
"""Trials of other structures that may wait for a pack of their own."""

MOST_REPORTS = 30
"""Reports of a trial to Optuna; where epochs are more, they are spaced geometrically."""


def work(
    search: Search,
    *,
    tracker: Tracker,
    device: str | None = None,
    slots: int | None = None,
    until: float | None = None,
) -> None:
    """Train trials of a search until its budget is spent, the clock passes `until` (Unix time), or Ctrl-C.

    slots: members of a pack at the most. Raise `SearchError`, `DeviceError`.
    """
    place = find_device(device)
    torch.backends.cuda.matmul.allow_tf32 = True
    data = load_training_data(search.splits, place)
    study = search.study
    sampler = SeededSampler(study.sampler or make_default_sampler, study.seed)
    with Lease(search.optuna_study) as lease, _watch_interrupt() as interrupt:
        asker = Asker(search, sampler, lease.worker)
        search.optuna_study.pruner = (study.pruner or make_default_pruner)(study.budget.epochs)
        worker = Worker(search, asker, data, tracker, interrupt, until, slots)
        with keep_random_state(place):
            try:
                worker.run()
            finally:
                worker.keepsakes.close()


def count_trials_per_structure(study: Study) -> int:
    """Return how many trials a structure gets before the next structure is drawn: an eighth of the budget.

    One where the space names no structure. Eight structures or more are tried, whatever the budget; more trials
    deepen each.
    """
    return max(1, study.budget.trials // STRUCTURES) if study.space.structure else 1


@contextmanager
def _watch_interrupt() -> Iterator[threading.Event]:
    """Set an event at the first Ctrl-C; the second leaves at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(*_: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()
        logger.warning("Stopping after this epoch. Press Ctrl-C again to leave at once.")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass
class _Running:
    """A trial in training, and its log."""

    asked: Asked
    log: TrialLog


@dataclass
class Worker:
    """The state of one worker."""

    search: Search
    asker: Asker
    data: TrainingData
    tracker: Tracker
    interrupt: threading.Event
    until: float | None
    most_slots: int | None
    running: dict[int, _Running] = field(default_factory=dict)
    waiting: list[Asked] = field(default_factory=list)
    """Asked for, but of another structure than the pack that is training."""
    warned: bool = False
    """Whether it was said that a network cannot be packed."""

    def __post_init__(self) -> None:
        self.keepsakes = Keepsakes(self.search)
        self.per_structure = count_trials_per_structure(self.search.study)
        n_epochs = self.search.study.budget.epochs
        self.report_epochs = set(np.unique(np.geomspace(1, n_epochs, MOST_REPORTS).round().astype(int)).tolist())
        if n_epochs <= MOST_REPORTS:
            self.report_epochs = set(range(1, n_epochs + 1))

    def run(self) -> None:
        """Train one pack after the other."""
        while not self.is_over():
            first = self.waiting.pop(0) if self.waiting else self.asker.ask()
            if first is None:
                return
            self.train_pack(first)
        for asked in self.waiting:
            self._give_back(asked, "Interrupted before it began.")

    def is_over(self) -> bool:
        """Whether Ctrl-C or the clock ends this worker."""
        return self.interrupt.is_set() or (self.until is not None and time.time() >= self.until)

    def train_pack(self, first: Asked) -> None:
        """Train trials of the first one's structure together."""
        size = self._choose_size(first)
        mates = self._ask_mates(first, size.slots)
        members = [first, *itertools.islice(mates, size.slots - 1)]
        started = [self._start(asked) for asked in members]
        try:
            pack = Pack(first.settings, self.data, n_epochs=self.search.study.budget.epochs)
            for member in started:
                pack.admit(member)
            torch.manual_seed(first.seed)  # dropout is drawn once for all members of a pack
            train_members(
                pack,
                on_epoch=self._report,
                on_end=lambda member, row, outcome: self._tell(pack, member, row, outcome),
                refill=lambda: self._start(asked) if (asked := next(mates, None)) else None,
            )
        except torch.OutOfMemoryError as error:
            self._shrink(error)
        except Exception as error:  # a trial's own code may raise anything; the sweep goes on
            logger.warning("A pack of %d failed: %s", len(self.running), error)
            for name in list(self.running):
                self._drop(name, describe_error(error))

    def _choose_size(self, first: Asked) -> PackSize:
        """Return the size of a pack for a trial's structure, and write the measurement to the run folder."""
        most = min(self.most_slots or MOST_SLOTS.get(self.data.device.type, 16), self.per_structure)
        try:
            size = choose_pack_size(first.settings, self.data, most=most)
        except Exception:  # the trial itself will fail with this error, and tell it
            return PackSize(1, {}, "could not be measured")
        if size.reason.startswith(UNPACKABLE) and not self.warned:
            self.warned = True
            logger.warning("Trials train one by one, which is slower: %s", size.reason)
        row = {"trial": first.trial.number, "slots": size.slots, "curve": dict(size.curve), "reason": size.reason}
        with self.search.folder.packs.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return size

    def _ask_mates(self, first: Asked, slots: int) -> Iterator[Asked]:
        """Ask for trials of the first one's structure, until the structure has had its share.

        Enqueued settings of another structure come in between: they wait for a pack of their own.
        """
        if slots == 1:
            return
        fixed = self.asker.fix_structure(first.trial)
        left = self.per_structure - 1
        while left > 0 and len(self.waiting) < MOST_WAITING and not self.is_over():
            asked = self.asker.ask(fixed)
            if asked is None:
                return
            if asked.structure == first.structure:
                left -= 1
                yield asked
            else:
                self.waiting.append(asked)

    def _start(self, asked: Asked) -> Member:
        """Return a trial as a member for a pack, and begin its log."""
        trial = asked.trial
        log = self.tracker.start_trial(
            study=self.search.study.name,
            trial=trial.number,
            config={**trial.params, "seed": asked.seed, "resumes": asked.resumes},
            folder=self.search.folder.path,
        )
        self.running[trial.number] = _Running(asked, log)
        member = Member(trial.number, asked.settings, asked.seed)
        path = self.search.resume_path(asked.resumes)
        if path.exists():
            member.state = torch.load(path, weights_only=True)
            for row in member.state["curve"]:
                self._send_epoch(
                    member.name, row, max(r["validation_auc"] for r in member.state["curve"][: int(row["epoch"])])
                )
        return member

    def _send_epoch(self, name: int, row: Mapping[str, float], best: float) -> None:
        """Report a member's epoch to Optuna and to its log."""
        running, epoch = self.running[name], int(row["epoch"])
        if epoch in self.report_epochs:
            running.asked.trial.report(best, epoch)
        running.log.log_epoch(epoch, {k: v for k, v in row.items() if k != "epoch"} | {"best_validation_auc": best})

    def _report(self, member: Member) -> Answer:
        """Report the epoch that a member has just trained; say whether it goes on."""
        self._send_epoch(member.name, member.curve[-1], member.best)
        if self.is_over():
            return "interrupt"
        prunes = member.age in self.report_epochs and self.running[member.name].asked.trial.should_prune()
        return "prune" if prunes else "go on"

    def _tell(self, pack: Pack, member: Member, row: int, outcome: Outcome) -> None:
        """Keep what a member leaves behind and tell Optuna how it ended."""
        self.keepsakes.keep_curve(member)
        if outcome.state == "interrupted":
            self._give_back(self.running[member.name].asked, outcome.reason, pack.member_state(row))
            self._close(member.name, "interrupted", outcome.reason)
        elif outcome.state == "failed":
            self._drop(member.name, outcome.reason)
        else:
            attributes = {
                BEST_EPOCH: member.best_epoch,
                EPOCHS: member.age,
                N_PARAMETERS: pack.n_parameters,
                PACK: len(pack),
                REASON: outcome.reason,
            }
            self._finish(pack, member, row, outcome, attributes)

    def _finish(self, pack: Pack, member: Member, row: int, outcome: Outcome, attributes: dict[str, Any]) -> None:
        """Tell a trial that completed, with its figure of merit and its parameters, or that was pruned."""
        asked = self.running[member.name].asked
        trial, study = asked.trial, self.asker.optuna_study
        complete = outcome.state == "complete"
        if complete:
            artifact = self.keepsakes.announce_picture(trial)
            scores = pack.best_scores(row)
            attributes[FIGURE] = self.keepsakes.measure(scores, member)
            self.keepsakes.keep_checkpoint(member, pack.best_state(row))
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        study.tell(trial, member.best if complete else None, state=None if complete else TrialState.PRUNED)
        self.search.resume_path(asked.resumes).unlink(missing_ok=True)
        summary = {k.removeprefix("tuner:"): v for k, v in attributes.items()} | {"validation_auc": member.best}
        if complete:
            log = self.running.pop(member.name).log
            self.keepsakes.finish_log(log, member, summary, scores=scores, artifact=artifact)
        else:
            self._close(member.name, "pruned", outcome.reason, summary)

    def _drop(self, name: int, reason: str) -> None:
        """Tell a trial as failed."""
        trial = self.running[name].asked.trial
        trial.set_user_attr(REASON, reason)
        self.asker.optuna_study.tell(trial, state=TrialState.FAIL)
        self._close(name, "failed", reason)

    def _give_back(self, asked: Asked, reason: str, state: Mapping[str, Any] | None = None) -> None:
        """Tell an interrupted trial, and put its setting first in the queue: it goes on where it stopped."""
        if state is not None:
            buffer = io.BytesIO()
            torch.save(dict(state), buffer)
            write_atomically(self.search.resume_path(asked.resumes), buffer.getvalue())
        asked.trial.set_user_attr(REASON, reason)
        asked.trial.set_user_attr(INTERRUPTED, True)
        self.asker.optuna_study.tell(asked.trial, state=TrialState.FAIL)
        self.asker.optuna_study.enqueue_trial(asked.trial.params, user_attrs={RESUMES: asked.resumes})

    def _shrink(self, error: BaseException) -> None:
        """Give the members of a pack that outgrew the memory back, and make the next packs smaller."""
        if len(self.running) == 1:
            for name in list(self.running):
                self._drop(name, f"Out of memory with this network alone: {error}")
            return
        self.most_slots = max(1, len(self.running) // 2)
        logger.warning("Out of memory: packs have at most %d members from now on.", self.most_slots)
        for name, running in list(self.running.items()):
            self._give_back(running.asked, "The pack was out of memory; goes on in a smaller one.")
            self._close(name, "interrupted", "out of memory")

    def _close(
        self,
        name: int,
        state: str,
        reason: str,
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        """End a trial's log."""
        self.running.pop(name).log.finish(state, summary=summary or {}, reason=reason)
