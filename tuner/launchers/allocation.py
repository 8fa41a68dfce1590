"""How many workers train at once: by the cores and GPUs of this machine, and by the trials that are left."""

from __future__ import annotations

from pathlib import Path

from tuner.errors import SearchError
from tuner.launchers.local import count_cores

WORKERS_PER_GPU, TRIALS_PER_WORKER = 4, 64
"""Processes that share a GPU at the most, and trials that are worth the start of one: some seconds."""


def choose_workers(n_trials: int, workers: int | None, device: str | None, study_file: Path | None) -> int:
    """Return how many processes train so many trials, at the most one for each.

    Args:
        n_trials: Trials that are left.
        workers: As asked; None: one per core on a CPU, and on GPUs as `share_gpus` says.
        device: As asked; None: GPUs where there are any.
        study_file: File that workers read the study from; without one this process trains alone.

    Raises:
        SearchError: Fewer than 1 is asked for, or several without a file.
    """
    if workers is not None and workers < 1:
        raise SearchError(f"`workers` must be at least 1, but is {workers}.")
    if study_file is None:
        if workers is not None and workers > 1:
            raise SearchError(
                f"`workers={workers}` needs a file that each worker can read the study from: "
                "write the study as `study` into a module of its own, or call with `workers=1`."
            )
        return 1
    if workers is None:
        n_gpus = count_gpus(device)
        workers = share_gpus(n_gpus, count_cores(), n_trials) if n_gpus else count_cores()
    return max(1, min(workers, n_trials))


def share_gpus(n_gpus: int, n_cores: int, n_trials: int) -> int:
    """Return how many processes train on GPUs: one each; more where each has trials enough and two cores.

    A process samples, writes and draws in Python while its GPU waits for it.

    Args:
        n_gpus: GPUs, at least 1.
        n_cores: Cores of this machine that may be used.
        n_trials: Trials that are left.
    """
    return max(n_gpus, min(n_gpus * WORKERS_PER_GPU, n_cores // 2, n_trials // TRIALS_PER_WORKER))


def count_gpus(device: str | None) -> int:
    """Return the number of CUDA devices that torch sees, of which one may be named; none where it is to be another."""
    import torch

    n_gpus = torch.cuda.device_count() if device is None or device.startswith("cuda") else 0
    return min(n_gpus, 1) if device is not None and ":" in device else n_gpus
