"""Learning-rate schedules: the factor of a member's rate at each of its steps."""

from __future__ import annotations

import numpy as np

from tuner.train.settings import TrainingSettings


def draw_schedule(settings: TrainingSettings, epoch: int, n_steps: int, n_epochs: int) -> np.ndarray:
    """Return the learning rate at each step of an epoch, float64 [n_steps].

    epoch: counted from 0; n_epochs: the whole budget. The warm-up is linear from zero over the first
    `warmup` of all steps; "cosine" falls to zero over all steps (arXiv:1608.03983 without restarts),
    "flat-cosine" stays for the first half, then falls.
    """
    step = epoch * n_steps + np.arange(n_steps)
    total = n_steps * n_epochs
    progress = step / total
    if settings.schedule == "cosine":
        factor = 0.5 * (1 + np.cos(np.pi * progress))
    elif settings.schedule == "flat-cosine":
        factor = 0.5 * (1 + np.cos(np.pi * np.clip(2 * progress - 1, 0, None)))
    else:
        factor = np.ones(n_steps)
    n_warmup = settings.warmup * total
    if n_warmup >= 1:
        factor = factor * np.minimum(1.0, (step + 1) / n_warmup)
    return settings.lr * factor
