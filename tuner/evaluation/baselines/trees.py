"""What every package of boosted trees is fitted with: settings, when to stop, threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from tuner.evaluation.baselines.fitting_events import FittingEvents
from tuner.prediction.boosted_trees import BoostedTrees

MAX_TREES = 1_000
PATIENCE = 20
"""Trees that may be added without a lower loss on the events that say when to stop."""


@dataclass(frozen=True, kw_only=True)
class TreeSettings:
    """Settings of boosted trees, by scikit-learn's names; the defaults are scikit-learn's."""

    learning_rate: float = 0.1
    max_leaf_nodes: int = 31
    min_samples_leaf: int = 20
    l2_regularization: float = 0.0
    max_features: float = 1.0
    """Share of the features that each split may choose from."""


FitTrees = Callable[[TreeSettings, FittingEvents, FittingEvents | int, int], BoostedTrees]
"""Fit trees with these settings on these events, with a seed, which comes last, and return them.

The third argument is either events: trees are added until the loss on them has not fallen for `PATIENCE` trees, or
there are `MAX_TREES`, and those up to the lowest loss are returned. Or it is the number of trees.
"""


def count_threads() -> int:
    """Return how many threads trees may use: `OMP_NUM_THREADS`, else the cores that this process may use."""
    from joblib import cpu_count

    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(asked) if asked.isdigit() and int(asked) > 0 else int(cpu_count())
