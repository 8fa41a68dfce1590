"""Learning-rate schedules: the rate of each member at each of its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.training.settings import TrainingSettings


def draw_schedules(
    settings: Sequence[TrainingSettings], epochs: Sequence[int], n_steps: int, n_epochs: int
) -> np.ndarray:
    """Return the learning rate of each of K members at each step of an epoch, float64 [n_steps, K].

    The warm-up is linear from zero over the first `warmup` of all steps; "cosine" falls to zero over all steps
    (arXiv:1608.03983 without restarts), "flat-cosine" stays for the first half, then falls.

    Args:
        settings: Of each member.
        epochs: That each member is at, counted from 0.
        n_steps: Steps of an epoch.
        n_epochs: Whole budget of epochs, over which the schedule runs.
    """
    step = np.array(epochs, dtype=np.int64) * n_steps + np.arange(n_steps)[:, None]
    total = n_steps * n_epochs
    progress = step / total
    kinds = np.array([s.schedule for s in settings], dtype=object)
    turn = np.where(kinds == "cosine", progress, np.where(kinds == "flat-cosine", np.maximum(2 * progress - 1, 0), 0))
    n_warmup = np.array([s.warmup for s in settings]) * total
    rise = np.where(n_warmup >= 1, np.minimum(1.0, (step + 1) / np.maximum(n_warmup, 1)), 1.0)
    rates: np.ndarray = np.array([s.lr for s in settings]) * rise * 0.5 * (1 + np.cos(np.pi * turn))
    return rates
