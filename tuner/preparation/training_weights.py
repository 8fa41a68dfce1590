"""Training weights: what an event counts in the loss, which is not always what it counts in a figure of merit."""

from __future__ import annotations

from typing import Literal

import numpy as np

NegativeWeights = Literal["keep", "absolute", "drop"]


def make_training_weights(
    labels: np.ndarray, weights: np.ndarray, *, balance: bool, negative: NegativeWeights
) -> np.ndarray:
    """Return training weights float32 [n], mean 1 over events that are used, from event weights [n].

    labels: [n] in {0, 1}. balance: the weights of signal and of background add up to the same. negative: keep
    negative weights, take their absolute value, or give the events 0. Each class must add up to more than 0.
    """
    used = np.asarray(weights, np.float64).copy()
    if negative == "absolute":
        used = np.abs(used)
    elif negative == "drop":
        used[used < 0] = 0
    if balance:
        for label in (0, 1):
            used[labels == label] /= used[labels == label].sum()
    return np.asarray(used * (np.count_nonzero(used) / used.sum()), np.float32)
