"""Folds of a cross-validation: each class alike, rows that share an id never apart."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tuner.errors import SplitsError


def assign_folds(labels: np.ndarray, event_id: np.ndarray | None, *, folds: int, seed: int = 0) -> np.ndarray:
    """Return the fold of each event, int64 [n] in 0 .. folds - 1, in random order (scikit-learn).

    labels [n] in {0, 1}. event_id [n]: rows that share an id come into one fold; None: each row is its own. Raise
    `SplitsError` where a class has fewer events, or ids, than there are folds.
    """
    n_signal, n_background = int((labels == 1).sum()), int((labels == 0).sum())
    if min(n_signal, n_background) < folds:
        raise SplitsError(
            f"Each of {folds} folds must hold both classes, but there are {n_signal:,} signal and {n_background:,} "
            "background events. Use fewer folds, or more events."
        )
    if event_id is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    else:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, event_id)
    assigned = np.empty(len(labels), dtype=np.int64)
    for fold, (_, rows) in enumerate(splitter):
        assigned[rows] = fold
    for fold in range(folds):
        if len(np.unique(labels[assigned == fold])) < 2:
            raise SplitsError(f"Each of {folds} folds must hold both classes, but fold {fold} does not: use fewer.")
    return assigned
