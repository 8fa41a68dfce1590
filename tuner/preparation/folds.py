"""Which fold an event is in."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tuner.errors import SplitsError
from tuner.preparation.groups import follow_first

FEW_GROUPED = 0.05
"""Largest share of events that share their group with others where whole groups may follow their first event."""


def assign_folds(labels: np.ndarray, groups: np.ndarray | None, *, folds: int, seed: int = 0) -> np.ndarray:
    """Return the fold of each event, int64 [n] in 0 .. folds - 1, in random order, each class alike (scikit-learn).

    Args:
        labels: In {0, 1} [n].
        groups: [n]; rows that share one come into one fold. None: each row is its own.
        folds: Number of folds.
        seed: Of the order.

    Raises:
        SplitsError: A class has fewer events, or groups, than there are folds.
    """
    n_signal, n_background = int((labels == 1).sum()), int((labels == 0).sum())
    if min(n_signal, n_background) < folds:
        raise SplitsError(
            f"Each of {folds} folds must hold both classes, but there are {n_signal:,} signal and {n_background:,} "
            "background events. Use fewer folds, or more events."
        )
    n_grouped = 0 if groups is None else len(groups) - len(np.unique(groups))
    if groups is None or n_grouped <= FEW_GROUPED * len(groups):
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    else:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)
    assigned = np.empty(len(labels), dtype=np.int64)
    for fold, (_, rows) in enumerate(splitter):
        assigned[rows] = fold
    assigned = follow_first(assigned, groups)
    for fold in range(folds):
        if len(np.unique(labels[assigned == fold])) < 2:
            raise SplitsError(f"Each of {folds} folds must hold both classes, but fold {fold} does not: use fewer.")
    return assigned
