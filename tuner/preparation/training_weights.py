"""Training weights: what an event counts in the loss, which is not always what it counts in a figure of merit."""

from __future__ import annotations

import numpy as np

from tuner.preparation.settings import NegativeWeights, TrainingWeights


def make_training_weights(
    labels: np.ndarray, weights: np.ndarray, *, kind: TrainingWeights, negative: NegativeWeights
) -> np.ndarray:
    """Return training weights of events, float32 [n], mean 1 over those that are used, 0 for the others.

    Args:
        labels: In {0, 1} [n].
        weights: Event weights [n]; with what is done with negative ones, those of each class must add up to more than
            0.
        kind: "balanced": event weights, those of each class scaled to the same sum. "physics": event weights. "none":
            one for each event.
        negative: Keep negative weights, take their absolute value, or leave the events out; with "none" an event that
            is not left out counts one in any case.
    """
    used = np.asarray(weights, np.float64).copy()
    is_left_out = (used < 0) & (negative == "drop")
    if kind == "none":
        used[:] = 1
    elif negative == "absolute":
        used = np.abs(used)
    used[is_left_out] = 0
    if kind == "balanced":
        for label in (0, 1):
            used[labels == label] /= used[labels == label].sum()
    return np.asarray(used * (np.count_nonzero(used) / used.sum()), np.float32)
