"""Leases: which worker trains which trial, and whether it still lives.

Each worker beats in a user attribute of the Optuna study; each trial names its worker. A trial whose worker is
dead is told as failed and its setting is given to another worker.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

BEAT_SECONDS = 20.0
STALE_SECONDS = 180.0
"""A worker on another host that has not beaten for so long counts as dead."""

WORKER_PREFIX = "tuner:worker:"
WORKER = "tuner:worker"
INTERRUPTED = "tuner:interrupted"
REASON = "tuner:reason"
RESUMES = "tuner:resumes"
TRIES = "tuner:tries"
WARM_START = "tuner:warm_start"
KEPT = (RESUMES, WARM_START)
"""Attributes that a setting takes along when it is put back into the queue."""

MOST_TRIES = 3
"""How often a setting is tried of which a worker dies, or for which alone there is no memory."""

logger = logging.getLogger("tuner")


class Lease:
    """Beat of this worker: while the context is open, others see that it lives."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_closed, name="tuner-lease", daemon=True)

    def __enter__(self) -> Lease:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=BEAT_SECONDS)
        self._write({"left": time.time()})

    def _beat_until_closed(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            try:
                self._beat()
            except Exception as error:  # a storage that is away for a moment must not silence this worker for good
                logger.warning("This worker could not say that it lives: %s", error)

    def _beat(self) -> None:
        self._write({"host": name_host(), "pid": os.getpid(), "started": read_start(os.getpid()), "beat": time.time()})

    def _write(self, content: dict[str, Any]) -> None:
        self.study.set_user_attr(WORKER_PREFIX + self.worker, content)


def find_workers(attributes: dict[str, Any]) -> dict[str, bool]:
    """Return each worker that has not left, and whether it lives, from a study's user attributes."""
    leases = {key.removeprefix(WORKER_PREFIX): v for key, v in attributes.items() if key.startswith(WORKER_PREFIX)}
    return {worker: _lives(lease) for worker, lease in leases.items() if "left" not in lease}


def _lives(lease: dict[str, Any]) -> bool:
    """Ask this host's process table for its own workers, the clock for others."""
    if lease["host"] == name_host():
        return read_start(lease["pid"]) == lease["started"] and lease["started"] is not None
    return bool(time.time() - lease["beat"] < STALE_SECONDS)


def name_host() -> str:
    """Return a name within which a process number means one process: host, its boot, its space of numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()} {boot} {space}"


def give_back(
    study: optuna.Study, trial: optuna.trial.FrozenTrial | optuna.Trial, reason: str, *, tries: int = 0
) -> None:
    """Put a running trial's setting back into the queue, then tell the trial as interrupted.

    In this order: who is killed in between leaves a setting that is there twice, and `reap_trials` sees it.
    """
    attributes = {RESUMES: trial.number, **{k: v for k, v in trial.user_attrs.items() if k in KEPT}}
    if trial.params and not _waits(study, attributes[RESUMES]):
        study.enqueue_trial(trial.params, user_attrs=attributes | {TRIES: tries})
    _mark(study, trial, {REASON: reason, INTERRUPTED: True})
    study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _waits(study: optuna.Study, resumes: int) -> bool:
    """Whether a setting is in the queue already."""
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    return any(t.user_attrs.get(RESUMES) == resumes for t in waiting)


def _mark(study: optuna.Study, trial: optuna.trial.FrozenTrial | optuna.Trial, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        study._storage.set_trial_user_attr(trial._trial_id, name, value)


def read_start(pid: int) -> str | None:
    """Return when a process of this host started: pid and start name a process for good. None: it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _probe(pid)
    return None if fields[0] == "Z" else fields[19]


def _probe(pid: int) -> str | None:
    """Return "unknown" for a living process where there is no /proc."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "unknown"


def reap_trials(study: optuna.Study) -> list[int]:
    """Tell running trials of dead workers as failed, enqueue their settings again, return their numbers."""
    workers = find_workers(study.user_attrs)
    reaped = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)
        if worker is None and not _is_old(trial):
            continue
        if worker is not None and workers.get(worker, False):
            continue
        reaped.append(trial.number)
        if not try_again(study, trial, "Its worker died."):
            _mark(study, trial, {REASON: f"Its worker died, as {MOST_TRIES - 1} before it did with the same setting."})
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return reaped


def try_again(study: optuna.Study, trial: optuna.trial.FrozenTrial | optuna.Trial, reason: str) -> bool:
    """Give a trial back whose setting may be to blame; return False, with nothing done, after `MOST_TRIES` of them."""
    tries = trial.user_attrs.get(TRIES, 0) + 1
    if tries >= MOST_TRIES:
        return False
    give_back(study, trial, reason, tries=tries)
    return True


def _is_old(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial without a worker has had time enough to get one."""
    return trial.datetime_start is None or time.time() - trial.datetime_start.timestamp() > STALE_SECONDS
