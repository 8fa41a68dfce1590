"""A sweep's workers as processes of this machine: started, watched, replaced while there is work to do."""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from tuner.checked_files import wait_for_space
from tuner.errors import SearchError
from tuner.launchers.local import ExitedWorker, Workers
from tuner.launchers.processes import is_outside
from tuner.launchers.signals import INTERRUPTED_CODE, REQUEUE_CODE, Interrupt, describe_stop, watch_interrupt
from tuner.progress.display import Display
from tuner.trackers.not_recorded import describe_losses
from tuner.tuning.heartbeats import find_lease, find_workers, is_abandoned, record_exit
from tuner.tuning.patient_storage import StorageAway, hurry_when
from tuner.tuning.search import Search
from tuner.tuning.search_clock import SearchClock
from tuner.tuning.status import count_left
from tuner.tuning.trial_attributes import is_interrupted
from tuner.tuning.trial_queue import check_failures
from tuner.tuning.watching import StatusWatch

logger = logging.getLogger("tuner")

STATUS_SECONDS = 1.0
"""Between two looks at the storage and at the workers."""

ERROR_CODE = 2
"""Exit code of `tuner work` after an error that it tells in words."""

STOP_SECONDS = 30.0
"""What workers are given to tell their trials when the search stops."""

LEAVE_SECONDS = 25.0
"""The same after a signal of a batch system: Slurm and Kubernetes kill 30 s after SIGTERM, unless told otherwise."""

End = Literal["left", "killed", "died", "stopped"]
"""How a worker ended: in order, by a signal from outside, by what it ran, with an error that others would meet, too."""

MAX_IN_VAIN: dict[End, int] = {"left": 3, "killed": 200, "died": 10, "stopped": 0}
"""Workers that are replaced, by how they ended, while no trial ends; after that something else is wrong."""


def work_in_processes(
    search: Search,
    start: Callable[[], Workers],
    n_workers: int,
    display: Display,
    clock: SearchClock,
    *,
    gpus: bool,
) -> signal.Signals | None:
    """Start workers, replace those that die, and show the progress until the budget is spent.

    Ctrl-C is passed on to them once; the second kills them. So is a batch system's signal, after which they have
    `LEAVE_SECONDS` to leave.

    Args:
        search: The search.
        start: Starts the workers, here or elsewhere.
        n_workers: How many it starts.
        display: Shows the progress.
        clock: When to stop, beside the budget of trials.
        gpus: Whether they train on GPUs of this machine.

    Returns:
        The signal that ended them; None where none did.

    Raises:
        SearchError: Workers end again and again, or too many trials fail.
    """

    def interrupt(by: Interrupt) -> None:
        assert by.signal is not None
        logger.warning("%s", describe_stop(by.signal))
        processes.interrupt(by.signal)

    processes = start()
    watch = StatusWatch(search, display, clock, pids=lambda: processes.pids, gpus=gpus, warns=True)
    with processes, watch_interrupt(interrupt) as interrupted, watch, wait_for_space():
        hurry_when(search.optuna_study, lambda: interrupted.is_preemption)
        supervisor = _Supervisor(search, processes, n_workers)
        while True:
            time.sleep(STATUS_SECONDS)
            watch.look_when_due()
            try:
                supervisor.note_ends(stopping=interrupted.is_set())
                supervisor.note_losses()
                is_over = interrupted.is_set() or clock.is_over() or not count_left(search)
                if not is_over and not supervisor.go_on():
                    supervisor.end(n_left=count_left(search))
                    break
            except StorageAway:
                if not interrupted.is_preemption:
                    raise
                is_over = True
            if is_over:
                supervisor.withdraw()
            if is_over and len(supervisor.vacant) == n_workers:
                break
            if interrupted.is_preemption and time.monotonic() - interrupted.since > LEAVE_SECONDS:
                break  # who is left is killed; the next call resumes its trials from their last checkpoints
    return interrupted.signal


class _Supervisor:
    """The workers of one call of a sweep, and what became of those that ended."""

    def __init__(self, search: Search, processes: Workers, n_workers: int) -> None:
        self.search = search
        self.processes = processes
        self.n_workers = n_workers
        self.n_before = len(self._read_trials())
        self.n_told = 0
        self.in_vain: Counter[End] = Counter()
        """Workers that ended since the last trial did, by how they ended."""
        self.vacant: dict[int, tuple[End, ExitedWorker | None]] = {}
        """Places of workers that ended and were not replaced, or that were taken back before they began."""
        self.losses_told = search.folder.not_recorded.exists()

    def _read_trials(self) -> list[FrozenTrial]:
        return self.search.optuna_study.get_trials(deepcopy=False)

    def note_losses(self) -> None:
        """Warn once when a worker's tracker begins to lose what it is told."""
        if not self.losses_told and self.search.folder.not_recorded.exists():
            self.losses_told = True
            for text in describe_losses(self.search.folder.path):
                logger.warning("%s", text)

    def note_ends(self, *, stopping: bool) -> None:
        """Note how workers ended since the last call: in a warning, and in the storage, which blames trials by it.

        stopping: whether they were asked to end, so that one that does is no news.
        """
        ended = self.processes.poll()
        # Those that cannot be judged, as the storage is away when a signal ends this process, have ended all the same.
        self.vacant |= {worker.number: ("killed", worker) for worker in ended}
        n_told = sum(t.state.is_finished() and not is_interrupted(t) for t in self._read_trials())
        if n_told > self.n_told:
            self.in_vain.clear()
        self.n_told = n_told
        for worker in ended:
            end = self._judge(worker)
            if end != "left" or not self._are_all_taken(self._read_trials()):
                self.in_vain[end] += 1
            self.vacant[worker.number] = end, worker
            if end != "left" and (worker.failed or not stopping):
                logger.warning("%s", worker.describe())

    def _judge(self, worker: ExitedWorker) -> End:
        """Return how a worker ended. One that leaves without a word has been ended, whatever its exit code."""
        study, code = self.search.optuna_study, worker.exit_code
        if worker.pid is None:
            return "killed"
        found = find_lease(study, worker.pid, worker.started, worker.host)
        has_left = found is not None and "left" in found[1]
        if not has_left:
            try:
                record_exit(study, worker.pid, worker.started, code, worker.host)
            except OSError as error:  # a file system in trouble: the worker may have died of the same
                logger.warning("How worker %d ended could not be written down: %s", worker.number, error)
        if is_outside(code) or (has_left and code in (INTERRUPTED_CODE, REQUEUE_CODE)):
            return "killed"
        if has_left and code == 0:
            return "left"
        return "stopped" if found is None or (has_left and code == ERROR_CODE) else "died"

    def go_on(self) -> bool:
        """Start workers in vacant places where there are trials to train; return whether the budget is in good hands.

        Raise `SearchError`, once the others have told their trials, where too many trials fail.
        """
        trials = self._read_trials()
        try:
            check_failures(trials[self.n_before :], self.search.study.budget.trials)
        except SearchError:
            self.processes.interrupt()
            self.processes.wait(STOP_SECONDS)
            raise
        if self._are_all_taken(trials):
            self.withdraw()
            return True
        for number, (end, _) in list(self.vacant.items()):
            if self.in_vain[end] <= MAX_IN_VAIN[end]:
                del self.vacant[number]
                self.processes.replace(number)
        return len(self.vacant) < self.n_workers

    def withdraw(self) -> None:
        """Take back the workers that have found no room yet: there is nothing for them to do."""
        self.vacant |= dict.fromkeys(self.processes.withdraw(), ("left", None))

    def _are_all_taken(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether all trials are used up or in the hands of living workers, here or elsewhere.

        All trials: those of the budget, or where the sampler has stopped those that it has given.
        """
        workers = find_workers(self.search.optuna_study)
        n_taken = sum(
            t.state in (TrialState.COMPLETE, TrialState.PRUNED)
            or (t.state == TrialState.RUNNING and not is_abandoned(t, workers))
            for t in trials
        )
        unbegun = (TrialState.FAIL, TrialState.WAITING) if self.search.has_reached_target else (TrialState.FAIL,)
        n_given = sum(t.state not in unbegun for t in trials)
        return n_taken >= self.search.study.budget.trials or (n_taken == n_given and self.search.has_stopped)

    def end(self, n_left: int) -> None:
        """Say that all workers left before the budget was spent; raise `SearchError` where one was ended."""
        ends = [worker for end, worker in self.vacant.values() if end != "left" and worker is not None]
        if ends:
            raise SearchError(
                f"The workers must spend the budget, but all {len(self.vacant)} ended while {n_left} of "
                f"{self.search.study.budget.trials} trials were left. {ends[-1].describe()}"
            )
        logger.warning("The workers ended while %d of %d trials were left.", n_left, self.search.study.budget.trials)
