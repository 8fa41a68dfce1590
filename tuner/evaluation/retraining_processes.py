"""Finalists trained anew by several processes: one per core, or one per GPU."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.evaluation.kept_trainings import KeptTraining, find_record
from tuner.evaluation.retraining import Wanted, find_retrainings, group_missing, retrain
from tuner.launchers.allocation import count_gpus
from tuner.launchers.dask_pool import DaskPool
from tuner.launchers.local import count_cores
from tuner.launchers.process_pool import ProcessPool
from tuner.progress.display import Display, NoDisplay
from tuner.progress.logs import SCREEN_ONLY
from tuner.progress.stages import Stage
from tuner.progress.wording import write_count
from tuner.tuning.search import Search, TrialRecord

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger("tuner")


def open_pool(search: Search, device: str | None = None, client: Client | None = None) -> ProcessPool:
    """Return processes for the jobs of an evaluation: one per core, or one per GPU and one for what needs none.

    There are none where no file holds the study, or holds it no longer, as another process could not read it: all is
    done in this one then.

    Args:
        search: The search that is evaluated; jobs may take it as an argument.
        device: "cpu", "cuda", ...; None for the GPUs where there are some.
        client: Of a Dask cluster whose machines are to do the jobs; None for this machine.
    """
    if client is not None:
        return DaskPool(client, search.folder.logs)
    n_gpus, n_cores = count_gpus(device), count_cores()
    n_processes = n_gpus + 1 if n_gpus else n_cores
    if search.study_file is None or not search.study_file.exists() or n_cores == 1:
        n_processes = 0
    return ProcessPool(n_processes, search.folder.logs, n_gpus=n_gpus)


def retrain_finalists(
    search: Search,
    trials: Sequence[TrialRecord],
    *,
    seeds: int,
    pool: ProcessPool | None = None,
    device: str | None = None,
    display: Display | None = None,
) -> tuple[KeptTraining, ...]:
    """Train each trial's configuration anew with several seeds.

    Trainings that fail are left out with a warning.

    Args:
        search: The search that the trials are of.
        trials: The finalists.
        seeds: Trainings of each.
        pool: Processes that share the work; None for this one alone.
        device: "cpu", "cuda", ...; None for a GPU where there is one.
        display: Shows how many are done.

    Returns:
        All trainings that are in the run folder, those of earlier calls among them.

    Raises:
        SearchError: The search space no longer gives a trial's settings.
    """
    groups = group_missing(search, trials, seeds)
    missing = [wanted for group in groups for wanted in group]
    if missing:
        for wanted in missing:
            find_record(search, wanted.network).unlink(missing_ok=True)  # of other settings, or damaged
        progress = _Progress(search, missing, n_trials=len(trials), seeds=seeds, display=display or NoDisplay())
        progress.show()
        n_processes = count_processes(pool, device)
        if pool is None or n_processes <= 1:
            for group in groups:
                retrain(search, group, device, progress.show)
        else:
            _retrain_in_processes(search, _share(groups, n_processes), pool, device, progress)
    return find_retrainings(search, trials, seeds)


def count_processes(pool: ProcessPool | None, device: str | None) -> int:
    """Return how many processes train at once: two would only hold each other up on one GPU."""
    n_processes = 0 if pool is None else pool.n_processes
    if isinstance(pool, DaskPool):
        return n_processes
    return min(n_processes, count_gpus(device) or n_processes)


def _share(groups: Sequence[Sequence[Wanted]], n_processes: int) -> list[Sequence[Wanted]]:
    """Return the groups, large ones divided so that each process has its share; the largest first."""
    most = -(-sum(map(len, groups)) // n_processes)
    parts = [group[start : start + most] for group in groups for start in range(0, len(group), most)]
    return sorted(parts, key=len, reverse=True)


def _retrain_in_processes(
    search: Search, parts: Sequence[Sequence[Wanted]], pool: ProcessPool, device: str | None, progress: _Progress
) -> None:
    """Let the pool train, look now and then at how many trainings are done, tell which have failed."""
    jobs = [pool.submit(retrain, search, part, device) for part in parts]
    pool.watch(jobs, progress.show)
    for job in jobs:
        for told in job.result():
            logger.warning("%s", told, extra=SCREEN_ONLY)
    progress.show()


class _Progress:
    """How many of the trainings that were missing are in the run folder by now, whichever process has trained them."""

    def __init__(
        self, search: Search, missing: Sequence[Wanted], *, n_trials: int, seeds: int, display: Display
    ) -> None:
        self.display = display
        self.n_before = n_trials * seeds - len(missing)
        self.total = n_trials * seeds
        self.text = f"Training {write_count(n_trials, 'finalist')} anew, {write_count(seeds, 'seed')} each"
        self.records = [find_record(search, wanted.network) for wanted in missing]

    def show(self) -> None:
        """Show it."""
        done = self.n_before + sum(path.exists() for path in self.records)
        self.display.advance(Stage(name="finalists", text=self.text, done=done, total=self.total))
