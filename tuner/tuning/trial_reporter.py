"""Reports the trials of one worker, and how they ended: to Optuna, to their logs, and to the run folder."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
import torch
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from tuner.errors import describe_failure, name_all, refuse_exit
from tuner.progress.logs import NOTES
from tuner.trackers.base import Tracker, TrialLog
from tuner.training.checkpoints import take_checkpoint
from tuner.training.data import TrainingData
from tuner.training.loop import Outcome
from tuner.training.pack import Member, Pack
from tuner.tuning.grouped_writes import write_together
from tuner.tuning.heartbeats import give_back, try_again
from tuner.tuning.patient_storage import StorageAway, is_away, without_waiting
from tuner.tuning.provenance import describe_frame, find_first_commit
from tuner.tuning.pruning_view import PruningView
from tuner.tuning.search import Search
from tuner.tuning.trial_artifacts import TrialArtifacts
from tuner.tuning.trial_attributes import Failure, write_reason, write_result
from tuner.tuning.trial_notes import TrialEnd
from tuner.tuning.trial_pictures import PictureJob
from tuner.tuning.trial_queue import Asked
from tuner.tuning.trial_states import TrialStates

logger = logging.getLogger("tuner")

OURS = "tuner"
"""What the tracker is told beside the parameters, under this name, which no parameter may have."""

MAX_REPORTS = 30
"""Reports of a trial to Optuna; where epochs are more, they are spaced geometrically."""


HUGE = 1e4
"""Prepared inputs have a spread of about 1; where one goes beyond this, a loss may break at it."""

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass
class _Running:
    """A trial in training, and its log."""

    asked: Asked
    log: TrialLog
    begun: float = field(default_factory=time.monotonic)
    last_epoch: float | None = None
    """When its last epoch ended; None before the first that it trains here."""
    unreported: dict[int, float] = field(default_factory=dict)
    """Best values by epoch that Optuna's storage has not taken yet."""
    reported: dict[int, float] = field(default_factory=dict)
    """All of them."""


class TrialReporter:
    """Keeps the books of one worker: each trial that was registered is told how it ended, once."""

    def __init__(
        self,
        search: Search,
        tracker: Tracker,
        *,
        device: str = "cpu",
        watch: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """watch: gives a context in which the user's own code is expected to come forward."""
        self._search = search
        self._optuna_study = search.optuna_study
        self._tracker = tracker
        self._artifacts = TrialArtifacts(search)
        self._states = TrialStates(search)
        self._view = PruningView(search.optuna_study)
        self._watch = watch
        self.interruption: Failure | None = None
        """What gives trials back where nothing else is said: a batch system that takes the machine away."""
        self._host = socket.gethostname()
        self._common = _describe_origin(search) | {"host": self._host, "device": device}
        self._registered: dict[int, Asked] = {}
        self._running: dict[int, _Running] = {}
        self._owed: dict[int, Callable[[], None]] = {}
        """Calls that tell the trials that have ended and were not told yet."""
        self._report_epochs = space_reports(search.study.budget.epochs)

    @property
    def registered(self) -> tuple[int, ...]:
        """Numbers of the trials that were registered and not told yet."""
        return tuple(self._registered)

    @property
    def running(self) -> tuple[int, ...]:
        """Numbers of the trials that have begun and were not told yet."""
        return tuple(number for number in self._running if number not in self._owed)

    def register(self, asked: Asked) -> None:
        """Take a trial on the books as soon as Optuna has given it; from now on it is not lost."""
        self._registered[asked.trial.number] = asked

    def begin(self, asked: Asked) -> Member | None:
        """Begin a trial's log and return it as a member for a pack; None, and told, where its state cannot be read."""
        trial = asked.trial
        log = self._tracker.start_trial(
            study=self._search.study.name,
            trial=trial.number,
            config={**trial.params, OURS: {**self._common, "seed": asked.seed, "resumes": asked.resumes}},
            folder=self._search.folder.path,
            tags=(type(asked.settings.network).__name__.removesuffix("Settings"), self._host),
            resumes=_find_resumed(asked),
        )
        self._running[trial.number] = _Running(asked, log)
        member = Member(trial.number, asked.settings, asked.seed)
        try:
            member.state = None if asked.resumes == trial.number else self._states.read(asked.resumes)
            if member.state is not None:
                best = -np.inf
                for row in member.state["curve"]:
                    best = max(best, row["validation_auc"])
                    self._send_epoch(member.number, row, best)
        except Exception as error:
            self.fail(member.number, describe_failure(error))
            return None
        return member

    def keep_states(self, pack: Pack) -> None:
        """Write checkpoints of a pack's members where it is time to, from which they go on if this worker dies."""
        self._states.keep_when_due(pack, {number: running.asked.resumes for number, running in self._running.items()})

    def report(self, members: Sequence[Member]) -> set[int]:
        """Report the epoch that members have just trained, in one write; return the numbers of those to be pruned.

        One that another worker has told is among these: how it ends is found out when it is told.
        """
        now = time.monotonic()
        for member in members:
            running = self._running[member.number]
            seconds = now - (running.last_epoch or running.begun)
            running.last_epoch = now
            pace = {"epochs_per_minute": 60 / seconds} if seconds > 0 else {}
            self._send_epoch(member.number, member.curve[-1] | pace, member.best)
        self._settle_if_answered()
        to_prune: set[int] = set()
        with suppress(StorageAway), without_waiting(self._optuna_study):
            self._view.forget_others()
            for member in members:
                if member.age in self._report_epochs and self._should_prune(member):
                    to_prune.add(member.number)
        with suppress(StorageAway), without_waiting(self._optuna_study):
            to_prune |= self._write_reports(members)
        return to_prune

    def _should_prune(self, member: Member) -> bool:
        """Ask the pruner. One that waits for an improvement sees each epoch: the running best never falls."""
        running = self._running[member.number]
        trial, is_new = running.asked.trial, running.asked.resumes == member.number
        if not self._view.is_followed(trial._trial_id):
            # Of a new trial there is nothing in the storage yet that a pruner looks at.
            found = trial._cached_frozen_trial if is_new else self._optuna_study._storage.get_trial(trial._trial_id)
            self._view.follow(found)
        seen = None
        if isinstance(self._optuna_study.pruner, optuna.pruners.PatientPruner):
            seen = {int(row["epoch"]): row["validation_auc"] for row in member.curve}
        return self._view.should_prune(trial._trial_id, running.reported, seen)

    def _write_reports(self, members: Sequence[Member]) -> set[int]:
        """Write what Optuna has not taken of members; return the numbers of those that another worker has told."""
        told, trials = False, {m.number: self._running[m.number].asked.trial for m in members}
        try:
            with write_together(self._optuna_study):
                for number in trials:
                    try:
                        self._write_report(number)
                    except UpdateFinishedTrialError:
                        told = True
        except UpdateFinishedTrialError:
            told = True
        for number in trials:
            self._note_written(number)
        get = self._optuna_study._storage.get_trial
        return {n for n, trial in trials.items() if told and get(trial._trial_id).state.is_finished()}

    def _write_report(self, number: int) -> None:
        """Write what Optuna has not taken of a trial: values, and what the pruner noted."""
        storage, running = self._optuna_study._storage, self._running[number]
        trial_id = running.asked.trial._trial_id
        for epoch, value in running.unreported.items():
            storage.set_trial_intermediate_value(trial_id, epoch, value)
        for name, note in self._view.notes.get(trial_id, {}).items():
            storage.set_trial_system_attr(trial_id, name, note)

    def _note_written(self, number: int) -> None:
        """Let nothing of a trial be written again."""
        self._running[number].unreported.clear()
        self._view.notes.pop(self._running[number].asked.trial._trial_id, None)

    def _send_epoch(self, number: int, row: Mapping[str, float], best: float) -> None:
        """Send a member's epoch to its log, and let it be reported to Optuna."""
        running, epoch = self._running[number], int(row["epoch"])
        if epoch in self._report_epochs:
            running.unreported[epoch] = running.reported[epoch] = best
        running.log.log_epoch(epoch, {k: v for k, v in row.items() if k != "epoch"} | {"best_validation_auc": best})

    def tell(self, pack: Pack, member: Member, row: int, outcome: Outcome) -> None:
        """Keep what a member leaves behind and tell Optuna how it ended. What goes wrong is this member's alone.

        While the storage is away Optuna is told later, so that the others train on: see `settle`.
        """
        try:
            self._artifacts.keep_curve(member)
            if outcome.state == "interrupted":
                tell = self._interrupt(pack, member, row, outcome)
            elif outcome.state == "failed":
                reason = f"{outcome.reason}{self._explain_inputs(pack.data)}"
                tell = partial(self.fail, member.number, reason, member, failure=Failure.NOT_FINITE)
            else:
                tell = self._finish(pack, member, row, outcome)
        except Exception as error:  # a figure of merit of the user's own may raise anything
            tell = partial(self.fail, member.number, describe_failure(error))
        self._owed[member.number] = tell
        self._settle_if_answered()

    def _settle_if_answered(self) -> None:
        """Tell Optuna of what it is owed; leave that for later where its storage does not answer."""
        if self._owed and not is_away(self._optuna_study):
            with suppress(StorageAway), without_waiting(self._optuna_study):
                self.settle()

    def settle(self) -> None:
        """Tell Optuna of all trials that have ended; wait for its storage where that is away."""
        for number, tell in list(self._owed.items()):
            try:
                if number in self._running:
                    with write_together(self._optuna_study):
                        self._write_report(number)
                    self._note_written(number)
                tell()
            except UpdateFinishedTrialError:
                self._give_up(number)
            except StorageAway:
                raise
            except Exception as error:
                self.fail(number, describe_failure(error))
            del self._owed[number]

    def _finish(self, pack: Pack, member: Member, row: int, outcome: Outcome) -> Callable[[], None]:
        """Keep the figure of merit and the parameters of a trial that completed; return the call that tells it."""
        result: dict[str, Any] = {
            "best_epoch": member.best_epoch,
            "epochs": member.age,
            "n_parameters": pack.n_parameters,
            "pack_size": len(pack.members),
            "reason": outcome.reason,
        }
        scores = None
        if outcome.state == "complete":
            with self._watch():
                checkpoint = take_checkpoint(pack, row)
                scores = np.asarray(pack.best_scores(row))
                with refuse_exit("A figure of merit"):
                    result["figure"] = self._artifacts.measure(scores, member)
            self._artifacts.keep_checkpoint(member, checkpoint)
        return partial(self._tell_finished, member, outcome, result, scores)

    def _tell_finished(
        self, member: Member, outcome: Outcome, result: dict[str, Any], scores: np.ndarray | None
    ) -> None:
        """Tell a trial that completed, or that was pruned."""
        asked = self._running[member.number].asked
        complete = outcome.state == "complete"
        state = TrialState.COMPLETE if complete else TrialState.PRUNED
        artifact = None
        # An earlier try may have told it, whose answer was lost.
        if self._optuna_study._storage.get_trial(asked.trial._trial_id).state != state:
            with self._announce_picture(member) as artifact, write_together(self._optuna_study):
                write_result(asked.trial, **result)
                self._optuna_study.tell(asked.trial, member.best if complete else None, state=state)
        self._states.remove(asked.resumes)
        summary = {k: v for k, v in result.items() if k != "reason"} | _summarize_best(member)
        job = PictureJob(trial=member.number, state=outcome.state, curve=member.curve, scores=scores)
        self._close(member.number, outcome.state, outcome.reason, summary=summary, job=job, artifact=artifact)

    @contextmanager
    def _announce_picture(self, member: Member | None) -> Iterator[Path | None]:
        """Announce a member's picture while its trial runs; None where it has no epoch or too many wait."""
        if member is None or not member.curve:
            yield None
            return
        artifact = self._artifacts.announce_picture(self._registered[member.number].trial)
        try:
            yield artifact
        except BaseException:
            if artifact is not None:
                self._artifacts.release()
            raise

    def _explain_inputs(self, data: TrainingData) -> str:
        """Return a sentence, after a space, about inputs at which a loss may break; an empty text where there are none.

        The inputs are those of the train part.
        """
        names = self._search.splits.preprocessing.inputs
        highest = torch.stack([data.x.amin(0).abs(), data.x.amax(0).abs()]).amax(0).tolist()
        odd = [name for name, value in zip(names, highest, strict=True) if not value < HUGE]
        what = f"some of its prepared values are beyond {HUGE:,.0f} or not finite"
        return f" The cause may be the input {name_all(odd)}: {what}." if odd else ""

    def fail(self, number: int, reason: str, member: Member | None = None, *, failure: Failure = Failure.CODE) -> None:
        """Tell a trial as failed; with the member that it was, its epochs are drawn."""
        if number not in self._registered:
            logger.warning("After trial %d had ended: %s", number, reason)
            return
        trial, artifact = self._registered[number].trial, None
        try:
            with self._announce_picture(member) as artifact, write_together(self._optuna_study):
                write_reason(self._optuna_study, trial, reason, failure)
                logger.warning("Trial %d failed: %s", number, reason)
                self._optuna_study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            self._states.remove(self._registered[number].resumes)
        except UpdateFinishedTrialError:
            logger.warning("Another worker has already ended trial %d.", number)
            artifact, member = None, None
        self._close_member(number, "failed", reason, member, artifact)

    def _interrupt(self, pack: Pack, member: Member, row: int, outcome: Outcome) -> Callable[[], None]:
        """Keep a member's state, from which the next trial resumes it; return the call that puts its setting back."""
        self._states.keep(self._running[member.number].asked.resumes, pack.member_state(row))
        return partial(self._tell_interrupted, member, outcome.reason)

    def _tell_interrupted(self, member: Member, reason: str) -> None:
        """Put a member's setting first in the queue, and tell its trial."""
        with self._announce_picture(member) as artifact:
            asked = self._running[member.number].asked
            give_back(self._optuna_study, asked.trial, reason, failure=self.interruption)
        self._close_member(member.number, "interrupted", reason, member, artifact)

    def give_back(self, number: int, reason: str, failure: Failure | None = None) -> None:
        """Put a trial back into the queue, to go on from its last checkpoint, and tell it as interrupted."""
        try:
            give_back(self._optuna_study, self._registered[number].trial, reason, failure=failure or self.interruption)
        except UpdateFinishedTrialError:
            self._give_up(number)
        else:
            self._close(number, "interrupted", reason)

    def try_again(self, number: int, reason: str) -> bool:
        """Put a trial that ran out of memory back into the queue, or tell it as failed where it was tried often."""
        try:
            is_tried_again = try_again(self._optuna_study, self._registered[number].trial, reason, Failure.MEMORY)
        except UpdateFinishedTrialError:
            self._give_up(number)
            return False
        if is_tried_again:
            self._close(number, "interrupted", reason)
        else:
            self.fail(
                number,
                f"It never fits into the memory, alone and in parts of a batch: {reason}",
                failure=Failure.MEMORY,
            )
        return is_tried_again

    def give_back_running(self, reason: str, failure: Failure | None = None) -> None:
        """Give all that are in training back: what an error left of them is not to be trusted."""
        for number in self.running:
            self.give_back(number, reason, failure)

    def close(self, *, seconds: float | None = None, cancel: bool = False) -> None:
        """Wait for pictures and notes of trials that have ended; see `TrialArtifacts.close`."""
        self._states.remove_left()
        self._artifacts.close(seconds=seconds, cancel=cancel)

    def _give_up(self, number: int) -> None:
        """End the log of a trial that another worker has told already, which writes its note, too."""
        logger.warning("Trial %d was given to another worker, which assumed that this one had died.", number)
        asked = self._registered.pop(number, None)
        running = self._running.pop(number, None)
        if asked is not None:
            self._view.leave(asked.trial._trial_id)
        if running is not None:
            running.log.finish("interrupted", summary={}, reason="Given to another worker.")

    def _close_member(self, number: int, state: str, reason: str, member: Member | None, artifact: Path | None) -> None:
        """Close a trial that came to no result, with what epochs it has."""
        if member is None or not member.curve:
            self._close(number, state, reason)
            return
        summary = {"epochs": member.age, "best_epoch": member.best_epoch} | _summarize_best(member)
        job = PictureJob(trial=number, state=state, curve=member.curve)
        self._close(number, state, reason, summary=summary, job=job, artifact=artifact)

    def _close(
        self,
        number: int,
        state: str,
        reason: str,
        *,
        summary: Mapping[str, Any] = NOTHING,
        job: PictureJob | None = None,
        artifact: Path | None = None,
    ) -> None:
        """Take a trial off the books; its picture, its note and the end of its log follow beside the training."""
        if state != "failed":  # of that a warning told
            best = f", best validation AUC {summary['validation_auc']:.4f}" if "validation_auc" in summary else ""
            NOTES.info("Trial %d %s%s: %s", number, state, best, reason)
        asked, running = self._registered.pop(number), self._running.pop(number, None)
        self._view.leave(asked.trial._trial_id)
        end = TrialEnd(
            number=number,
            state=state,
            reason=reason,
            params=asked.trial.params,
            host=self._host,
            seconds=None if running is None else time.monotonic() - running.begun,
            summary=summary,
            resumes=_find_resumed(asked),
        )
        self._artifacts.finish(asked.trial, running.log if running else None, end, job, artifact)


def _find_resumed(asked: Asked) -> int | None:
    """Return the number of the trial that this one goes on with; None for a new one."""
    return None if asked.resumes == asked.trial.number else asked.resumes


def _describe_origin(search: Search) -> dict[str, Any]:
    """Return what the tracker is told of each trial's search: its frame, and what one needs to do it again."""
    study = search.study
    return {
        "frame": describe_frame(study.problem),
        "preparation": asdict(study.preparation),
        "study_seed": study.seed,
        "events_digest": search.splits.events_digest,
        "split_fingerprint": search.splits.fingerprint,
        "git_commit": find_first_commit(search.study_file),
    }


def _summarize_best(member: Member) -> dict[str, float]:
    """Return the figures of a member's best epoch: a tracker shows those of the last one otherwise."""
    best = next((row for row in member.curve if row["epoch"] == member.best_epoch), {})
    return {name: value for name, value in best.items() if name not in ("epoch", "lr")} | {
        "validation_auc": member.best
    }


def space_reports(n_epochs: int) -> set[int]:
    """Return the epochs that are reported to Optuna: all of them, or about `MAX_REPORTS` with growing distances."""
    if n_epochs <= MAX_REPORTS:
        return set(range(1, n_epochs + 1))
    return set(np.unique(np.geomspace(1, n_epochs, MAX_REPORTS).round().astype(int)).tolist())
