"""Finalists trained anew by several processes: one per core, or one per GPU."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from tuner.evaluation.retraining import Retraining, find_retrainings, free_claims, retrain
from tuner.launchers.allocation import choose_workers, count_gpus
from tuner.launchers.local import launch, tuner_command
from tuner.progress.display import Display, NoDisplay
from tuner.progress.stages import Stage
from tuner.progress.wording import write_count
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.storage import STORAGE_VARIABLE

logger = logging.getLogger("tuner")

POLL_SECONDS = 0.5


def retrain_finalists(
    search: Search,
    trials: Sequence[TrialRecord],
    *,
    seeds: int,
    device: str | None = None,
    display: Display | None = None,
) -> tuple[Retraining, ...]:
    """Train each trial's setting anew with `seeds` seeds; return the trainings, those of earlier calls among them.

    Processes share the work where the search knows its study's file, else this process does it all. What a process
    that died has left undone, this one does. Trainings that fail are left out with a warning.
    """
    display = display or NoDisplay()
    n_wanted = len(trials) * seeds
    n_missing = n_wanted - len(find_retrainings(search, trials, seeds))
    if n_missing:
        free_claims(search)
        text = f"Training {write_count(len(trials), 'finalist')} anew, {write_count(seeds, 'seed')} each"

        def advance() -> None:
            done = len(find_retrainings(search, trials, seeds))
            display.advance(Stage(name="finalists", text=text, done=done, total=n_wanted))

        advance()
        n_workers = choose_workers(n_missing, None, device, search.study_file)
        n_workers = min(n_workers, count_gpus(device) or n_workers)
        try:
            if n_workers > 1:
                _retrain_in_processes(search, trials, seeds=seeds, device=device, n_workers=n_workers, look=advance)
                free_claims(search)
            retrain(search, trials, seeds=seeds, device=device, on_trained=advance)
        finally:
            free_claims(search)
    return find_retrainings(search, trials, seeds)


def _retrain_in_processes(
    search: Search,
    trials: Sequence[TrialRecord],
    *,
    seeds: int,
    device: str | None,
    n_workers: int,
    look: Callable[[], None],
) -> None:
    """Start processes, look now and then at how many trainings are done, wait for the end of all."""
    assert search.study_file is not None
    options = ["--folder", str(search.folder.path.parent), "--seeds", str(seeds)]
    options += ["--trials", ",".join(str(trial.number) for trial in trials)]
    options += ["--device", device] if device is not None else []
    command = tuner_command("retrain", search.study_file, *options)
    n_gpus = count_gpus(device)
    processes = launch(
        command,
        workers=n_workers,
        folder=search.folder,
        n_gpus=n_gpus,
        name="finalists",
        environment={STORAGE_VARIABLE: search.storage_url or ""},
    )
    with processes:
        while processes.n_running:
            time.sleep(POLL_SECONDS)
            look()
        for worker in processes.poll():
            if worker.failed:
                logger.warning("%s", worker.describe())
