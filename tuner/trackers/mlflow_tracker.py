"""MLflow: one run per trial and one for the study, on a server or in a database in the run folder.

While a server does not answer, what is to be sent waits here; `mlflow_runs` sends it.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from tuner.errors import MissingPackage, describe_error
from tuner.trackers.background import CAPACITY
from tuner.trackers.background_tracker import BackgroundTracker, Ending, LoggedTrial, Subject
from tuner.trackers.base import StudyRecord
from tuner.trackers.mlflow_runs import Run, connect
from tuner.trackers.mlflow_writes import list_files, terminate, write_figures, write_file, write_tags
from tuner.trackers.not_recorded import STUDY
from tuner.trackers.plain_values import split_numbers

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECONDS_BETWEEN_SENDINGS = 1.0
"""A trial's epochs are sent together, at most this often."""

SECONDS_OF_PAUSE = 30.0
"""After which a server that did not answer is asked again."""

MAX_WAITING = 500
"""Trials that have ended and wait for a server that does not answer; the oldest is given up for each one more."""

_STATUSES = {"complete": "FINISHED", "failed": "FAILED"}
"""MLflow's word for how a trial ended; "KILLED" for all others, and the tag `tuner.state` has ours."""


class MLflow(BackgroundTracker):
    """Tracks each trial as a run of MLflow; the study is the experiment, and has a run of its own.

    Runs go to `$MLFLOW_TRACKING_URI`, else to a database in `<run folder>/mlflow`. While a server does not answer, what
    is to be sent waits; what has not arrived when the tracker is closed is listed in the run folder.
    """

    title = "MLflow"

    def __init__(self, *, tracking_uri: str | None = None, capacity: int = CAPACITY) -> None:
        """Name where runs go. Raises `MissingPackage` without the extra "mlflow"."""
        if importlib.util.find_spec("mlflow") is None:
            raise MissingPackage("mlflow", "mlflow", "Tracking with MLflow")
        super().__init__(capacity=capacity)
        self._asked_uri = tracking_uri
        self._uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        self._clients: dict[Path, MlflowClient] = {}
        self._runs: WeakKeyDictionary[LoggedTrial, Run] = WeakKeyDictionary()
        self._unsent: list[Run] = []
        """Runs that are open, or have something to send, in order."""
        self._pauses_until = 0.0
        self._last_error = ""

    @property
    def has_defaults(self) -> bool:
        """Whether it was made without arguments: another one that is made so writes to the same place."""
        return super().has_defaults and self._asked_uri is None

    def _open_trial(self, trial: LoggedTrial) -> None:
        tags = {
            "tuner.kind": "trial",
            "tuner.trial": str(trial.number),
            "tuner.state": "running",
            "tuner.tags": ", ".join(trial.tags),
            **({"tuner.resumed_as": str(trial.trial)} if trial.trial != trial.number else {}),
        }
        run = Run(trial.subject, f"trial {trial.number}", tags, trial.config)
        self._runs[trial] = run
        self._unsent.append(run)
        self._send(run)

    def _write_epoch(self, trial: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        run = self._runs[trial]
        run.add_metrics(split_numbers(figures)[0], epoch)
        if time.monotonic() - run.sent_at >= SECONDS_BETWEEN_SENDINGS:
            self._send(run)

    def _end_trial(self, trial: LoggedTrial, ending: Ending) -> bool:
        run = self._runs[trial]
        numbers, words = split_numbers(ending.summary)
        run.add_metrics({f"summary/{name}": value for name, value in numbers.items()}, run.last_epoch)
        tags = {"tuner.state": ending.state, "tuner.reason": ending.reason or "", "mlflow.note.content": ending.notes}
        tags |= {f"summary/{name}": text for name, text in words.items()}
        run.writes.append(partial(write_tags, {name: text for name, text in tags.items() if text}))
        run.writes.append(partial(terminate, _STATUSES.get(ending.state, "KILLED")))
        run.has_ended = True
        self._send(run)
        self._send_waiting()
        return False

    def _add_picture(self, trial: LoggedTrial, name: str, path: Path) -> None:
        run = self._runs[trial]
        run.writes.append(partial(write_file, path, f"pictures/{name}{path.suffix}"))
        if run not in self._unsent:
            self._unsent.append(run)
        self._send(run)

    def _write_study(self, subject: Subject, record: StudyRecord) -> bool:
        tags = {"tuner.kind": "study", "tuner.tags": ", ".join(record.tags), "mlflow.note.content": record.notes}
        run = Run(subject, record.study, tags, record.config)
        run.writes += [partial(write_figures, record), *list_files(record), partial(terminate, "FINISHED")]
        run.has_ended = True
        older = [w for w in self._unsent if w.subject.what == STUDY and w.subject.folder == subject.folder]
        for waiting in older:
            self._unsent.remove(waiting)
            self._unwritten.pop(waiting.subject, None)
        self._unsent.append(run)
        self._send(run)
        return False

    def _flush(self) -> None:
        """Try every run a last time, and list what does not arrive."""
        for run in list(self._unsent):
            if not self._send(run, is_last=True):
                self._give_up(run)
        self._unsent.clear()

    def _send_waiting(self) -> None:
        """Send what waits of trials that have ended, where the server may answer again."""
        waiting = [run for run in self._unsent if run.has_ended]
        for run in waiting[: max(0, len(waiting) - MAX_WAITING)]:
            self._unsent.remove(run)
            self._give_up(run)
        for run in waiting:
            self._send(run)

    def _give_up(self, run: Run) -> None:
        self._unwritten.pop(run.subject, None)
        self._note_loss(run.subject, self._last_error)

    def _send(self, run: Run, *, is_last: bool = False) -> bool:
        """Send what is to be sent of a run, unless the server did not answer just now. Return whether it was sent.

        is_last: there will be no other time.
        """
        if run not in self._unsent or (time.monotonic() < self._pauses_until and not is_last):
            return False
        try:
            lost = run.send(self._connect(run.subject.folder), is_last=is_last)
        except Exception as error:
            self._last_error = describe_error(error)
            self._pauses_until = time.monotonic() + SECONDS_OF_PAUSE
            self._warn(f"cannot be reached, or fails ({self._last_error})")
            return False
        for reason in lost:
            self._lose(run.subject, reason)
        if run.has_ended:
            self._unsent.remove(run)
            self._settle(run.subject)
        return True

    def _connect(self, folder: Path) -> MlflowClient:
        if folder not in self._clients:
            self._clients[folder] = connect(self._uri, folder)
        return self._clients[folder]
