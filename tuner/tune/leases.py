"""Leases: which worker trains which trial, and whether it still lives.

Each worker beats in a user attribute of the Optuna study; each trial names its worker. A trial whose worker is
dead is told as failed and its setting is given to another worker.
"""

from __future__ import annotations

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
            self._beat()

    def _beat(self) -> None:
        self._write(
            {"host": socket.gethostname(), "pid": os.getpid(), "started": _read_start(os.getpid()), "beat": time.time()}
        )

    def _write(self, content: dict[str, Any]) -> None:
        self.study.set_user_attr(WORKER_PREFIX + self.worker, content)


def find_workers(attributes: dict[str, Any]) -> dict[str, bool]:
    """Return each worker that has not left, and whether it lives, from a study's user attributes."""
    leases = {key.removeprefix(WORKER_PREFIX): v for key, v in attributes.items() if key.startswith(WORKER_PREFIX)}
    return {worker: _lives(lease) for worker, lease in leases.items() if "left" not in lease}


def _lives(lease: dict[str, Any]) -> bool:
    """Ask this host's process table for its own workers, the clock for others."""
    if lease["host"] == socket.gethostname():
        return _read_start(lease["pid"]) == lease["started"] and lease["started"] is not None
    return bool(time.time() - lease["beat"] < STALE_SECONDS)


def _read_start(pid: int) -> str | None:
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
        study._storage.set_trial_user_attr(trial._trial_id, REASON, "Its worker died.")
        study._storage.set_trial_user_attr(trial._trial_id, INTERRUPTED, True)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        resumes = trial.user_attrs.get(RESUMES, trial.number)
        study.enqueue_trial(trial.params, user_attrs={RESUMES: resumes})
        reaped.append(trial.number)
    return reaped


def _is_old(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial without a worker has had time enough to get one."""
    return trial.datetime_start is None or time.time() - trial.datetime_start.timestamp() > STALE_SECONDS
