"""Leases: which worker trains which trial, and whether it still lives.

Each worker beats in an attribute of the Optuna study; each trial names its worker. A trial whose worker is
dead is told as interrupted and its setting is given to another worker. A setting whose workers die again and again is
trained alone, to see whether it is to blame: how a worker ended is told by the process that started it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna
from filelock import BaseFileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from tuner.launchers.processes import describe_exit, is_hang, is_outside, name_host, read_start
from tuner.tuning.grouped_writes import write_together
from tuner.tuning.patient_storage import StorageAway, find_return
from tuner.tuning.trial_attributes import (
    Failure,
    count_tries,
    enqueue_again,
    find_root,
    has_died,
    mark_died,
    mark_interrupted,
    read_leases,
    read_setting,
    read_worker,
    remove_lease,
    trained_alone,
    write_lease,
    write_reason,
)

BEAT_SECONDS = 20.0
STALE_SECONDS = 180.0
"""A worker on another host that has not beaten for so long counts as dead."""
ORPHAN_SECONDS = 10.0
"""A trial that nobody has claimed for so long has lost its worker between asking for it and claiming it."""

GONE_SECONDS = 86400.0
"""What is known of a worker that has given no sign of life for so long is removed when a sweep begins."""

MAX_TRIES = 3
"""How often a setting is tried of which a worker ends itself (a crash), or for which alone there is no memory."""
MAX_KILLS = 10
"""How often a setting is tried alone whose worker is killed from outside each time, and no other worker is."""
MAX_KILLS_AT_ALL = 30
"""The same where other workers are killed, too."""

logger = logging.getLogger("tuner")


class Lease:
    """Beat of this worker: while the context is open, others see that it lives."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self._process = {"host": name_host(), "pid": os.getpid(), "started": read_start(os.getpid())}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat_until_closed, name="tuner-lease", daemon=True)

    def __enter__(self) -> Lease:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=BEAT_SECONDS)
        with suppress(StorageAway):  # others see that this process is gone
            self._write({"left": time.time()})

    def _beat_until_closed(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            try:
                self._beat()
            except Exception as error:  # a storage that is away for a moment must not silence this worker for good
                logger.warning("This worker could not write its heartbeat: %s", error)

    def _beat(self) -> None:
        self._write({"beat": time.time()})

    def _write(self, content: dict[str, Any]) -> None:
        write_lease(self.study, self.worker, self._process | content)


def find_workers(study: optuna.Study) -> dict[str, bool]:
    """Return each worker of a search that has not left, and whether it lives."""
    returned = find_return(study)
    return {worker: _lives(lease, returned) for worker, lease in read_leases(study).items() if "left" not in lease}


def _lives(lease: dict[str, Any], returned: float) -> bool:
    """Ask this host's process table for its own workers, the clock for others.

    returned: when the storage came back after it had been away, in Unix time: nobody could beat before.
    """
    if "exit" in lease:
        return False
    if lease["host"] == name_host():
        return read_start(lease["pid"]) == lease["started"] and lease["started"] is not None
    return bool(time.time() - max(lease["beat"], returned) < STALE_SECONDS)


def find_forgotten(study: optuna.Study) -> tuple[str, ...]:
    """Return the workers that have given no sign of life for `GONE_SECONDS`, and that no unfinished trial names."""
    states = (TrialState.RUNNING, TrialState.WAITING)
    unfinished = study.get_trials(deepcopy=False, states=states)
    roots = {find_root(trial) for trial in unfinished}
    named = {read_worker(t) for t in study.get_trials(deepcopy=False) if find_root(t) in roots}
    long_ago = time.time() - GONE_SECONDS
    return tuple(
        worker
        for worker, lease in read_leases(study).items()
        if worker not in named and max(lease.get("beat", 0.0), lease.get("left", 0.0)) < long_ago
    )


def forget_workers(study: optuna.Study) -> None:
    """Remove what the storage keeps of workers that are long gone."""
    for worker in find_forgotten(study):
        remove_lease(study, worker)


def find_lease(
    study: optuna.Study, pid: int, since: float, host: str | None = None
) -> tuple[str, dict[str, Any]] | None:
    """Return name and lease of the worker that a process is or was; None where it is no worker.

    Args:
        study: The search's Optuna study.
        pid: Number of the process.
        since: When the process was started, in Unix time of its host: numbers of processes are used again.
        host: As `name_host` names it; None for this one.
    """
    host = host or name_host()
    for worker, lease in read_leases(study).items():
        of_process = lease.get("pid") == pid and lease.get("host") == host
        if of_process and max(lease.get("beat", 0.0), lease.get("left", 0.0)) >= since:
            return worker, lease
    return None


def record_exit(study: optuna.Study, pid: int, since: float, exit_code: int, host: str | None = None) -> None:
    """Write down how a process ended that had not left in order.

    A process that had not become a worker yet is written down, too: its death speaks for those who died with it.

    Args:
        study: The search's Optuna study.
        pid: Number of the process.
        since: When the process was started, in Unix time.
        exit_code: Negative for a signal, as in `subprocess`.
        host: As `name_host` names it; None for this one.
    """
    worker, lease = find_lease(study, pid, since, host) or (
        f"{socket.gethostname()}-{pid}-{uuid.uuid4().hex[:6]}",
        {"host": host or name_host(), "pid": pid, "beat": time.time()},
    )
    write_lease(study, worker, lease | {"exit": exit_code})


def give_back(
    study: optuna.Study,
    trial: optuna.trial.FrozenTrial | optuna.Trial,
    reason: str,
    *,
    tries: int = 0,
    suspect: bool = False,
    failure: Failure | None = None,
) -> None:
    """Put a running trial's setting back into the queue, then tell the trial as interrupted.

    In this order: a worker that is killed in between leaves a setting that is there twice, and `reap_trials` sees it.

    Args:
        study: The search's Optuna study.
        trial: The trial.
        reason: Why it is interrupted, as a sentence.
        tries: How often its setting was tried in vain.
        suspect: Whether it is to train alone from now on.
        failure: What went wrong; None where nothing did.

    Raises:
        UpdateFinishedTrialError: Another worker has told the trial.
    """
    params = {**read_setting(study._storage.get_trial(trial._trial_id)), **trial.params}
    if params and not _goes_on(study, trial):
        enqueue_again(study, params, trial, tries=tries, suspect=suspect)
    with write_together(study):
        mark_interrupted(study, trial, reason, failure)
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _goes_on(study: optuna.Study, trial: optuna.trial.FrozenTrial | optuna.Trial) -> bool:
    """Whether a later trial goes on with a trial's setting already, waiting or further."""
    root = find_root(trial)
    return any(t.number > trial.number and find_root(t) == root for t in study.get_trials(deepcopy=False))


def reap_trials(study: optuna.Study, lock: BaseFileLock) -> list[int]:
    """Tell running trials of dead workers as failed, enqueue their settings again, return their numbers.

    Args:
        study: The search's Optuna study.
        lock: Of the run folder, which is held meanwhile: two at once would put a setting back twice.
    """
    reaped = []
    with lock:
        workers = find_workers(study)
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not is_abandoned(trial, workers):
                continue
            reaped.append(trial.number)
            with suppress(UpdateFinishedTrialError):  # a worker of another host that was only silent told it after all
                _reap(study, trial)
    return reaped


def _reap(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
    """Give the setting of a dead worker's trial back, or tell it as failed where it is to blame."""
    mark_died(study, trial)
    root = find_root(trial)
    deaths = [t for t in study.get_trials(deepcopy=False) if has_died(t) and find_root(t) == root]
    leases = read_leases(study)
    fault = find_fault(deaths, leases)
    if fault is None:
        suspect = len(deaths) > 1 or any(_ended_itself(t, leases) for t in deaths)
        give_back(
            study,
            trial,
            _describe_death(trial, leases),
            tries=count_tries(trial),
            suspect=suspect,
            failure=_find_failure(trial, leases),
        )
        return
    write_reason(study, trial, fault, _find_failure(trial, leases))
    logger.warning("Trial %d failed: %s", trial.number, fault)
    study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def find_fault(deaths: Sequence[optuna.trial.FrozenTrial], leases: dict[str, dict[str, Any]]) -> str | None:
    """Return why a setting is to blame for the deaths of its workers; None where it need not be.

    Only a worker that trained nothing else counts. One that ended itself (a crash, `os._exit`) speaks against the
    setting; one that was killed, or whose end nobody saw, does so only if it happens each time and to no other worker.
    One hang is enough: the next would take as long to be noticed.
    """
    alone = [trial for trial in deaths if trained_alone(trial)]
    if any(_find_failure(trial, leases) == Failure.HANG for trial in alone):
        return "It made no progress for too long while it trained alone, and its worker was ended."
    ended = [trial for trial in alone if _ended_itself(trial, leases)]
    if len(ended) >= MAX_TRIES - 1:
        how = describe_exit(leases[read_worker(ended[-1]) or ""]["exit"])
        return f"Its worker {how} each time that this setting trained alone ({len(ended)} times)."
    killed = len(alone) - len(ended)
    if killed >= MAX_KILLS_AT_ALL or (killed >= MAX_KILLS and not _others_died(alone, leases)):
        return f"Its worker was killed {killed} times while this setting trained alone: is there too little memory?"
    return None


def _find_failure(trial: optuna.trial.FrozenTrial, leases: dict[str, dict[str, Any]]) -> Failure:
    """Return what became of a dead worker's trial, by how the worker ended as far as that is known."""
    code = leases.get(read_worker(trial) or "", {}).get("exit")
    if code is not None and is_hang(code):
        return Failure.HANG
    return Failure.CRASH if _ended_itself(trial, leases) else Failure.KILLED


def _describe_death(trial: optuna.trial.FrozenTrial, leases: dict[str, dict[str, Any]]) -> str:
    """Return how a trial's worker ended, as far as that is known, as a sentence."""
    code = leases.get(read_worker(trial) or "", {}).get("exit")
    return "Its worker died." if code is None else f"Its worker {describe_exit(code)}."


def _ended_itself(trial: optuna.trial.FrozenTrial, leases: dict[str, dict[str, Any]]) -> bool:
    """Whether a trial's worker is known to have ended by what it ran, not by a signal from outside."""
    code = leases.get(read_worker(trial) or "", {}).get("exit")
    return code is not None and not is_outside(code)


def _others_died(deaths: Sequence[optuna.trial.FrozenTrial], leases: dict[str, dict[str, Any]]) -> bool:
    """Whether workers of other settings died since the first of these deaths."""
    own = {read_worker(trial) for trial in deaths}
    first = min(trial.datetime_start.timestamp() for trial in deaths if trial.datetime_start)
    return any(
        worker not in own and "left" not in lease and lease["beat"] >= first and not _lives(lease, 0.0)
        for worker, lease in leases.items()
    )


def try_again(
    study: optuna.Study, trial: optuna.trial.FrozenTrial | optuna.Trial, reason: str, failure: Failure | None = None
) -> bool:
    """Give back a trial whose setting may be to blame for its failure.

    Args:
        study: The search's Optuna study.
        trial: The trial.
        reason: Why it failed, as a sentence.
        failure: What kind of failure that is.

    Returns:
        Whether it was given back; False, with nothing done, after `MAX_TRIES` of them.
    """
    tries = count_tries(trial) + 1
    if tries >= MAX_TRIES:
        return False
    give_back(study, trial, reason, tries=tries, failure=failure)
    return True


def is_abandoned(trial: optuna.trial.FrozenTrial, workers: Mapping[str, bool]) -> bool:
    """Whether a running trial's worker lives no more; one that nobody has claimed yet is given time.

    workers: which there are, and whether each lives, as `find_workers` returns it.
    """
    worker = read_worker(trial)
    if worker is not None:
        return not workers.get(worker, False)
    return trial.datetime_start is None or time.time() - trial.datetime_start.timestamp() > ORPHAN_SECONDS
