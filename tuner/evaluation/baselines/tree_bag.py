"""A bag of boosted trees: grown once for each fold of the events that the networks' bag has, on the same folds."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

import numpy as np

from tuner.evaluation.baselines.fitting_events import FittingEvents, take_fitting_events
from tuner.evaluation.baselines.kinds import find_package
from tuner.evaluation.baselines.records import BAGGED, BaselineRecord
from tuner.evaluation.baselines.trees import TreeSettings
from tuner.evaluation.folds import FoldedEvents
from tuner.prediction.boosted_trees import BoostedTrees


@dataclass(frozen=True, eq=False)
class TreeBag:
    """Boosted trees of the same settings, one set for each fold of train + validation, not grown on that fold."""

    kind: str
    """Who grew them."""
    trees: tuple[BoostedTrees, ...]
    out_of_fold: np.ndarray
    """Scores of the folded events, float64 [n], each by the trees that were not grown on its fold."""
    record: BaselineRecord

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return the mean score, float64 [n], of prepared inputs [n, d_in]."""
        mean: np.ndarray = np.mean([of_fold.score(x) for of_fold in self.trees], axis=0)
        return mean


def bag_trees(kind: str, settings: TreeSettings, events: FoldedEvents, *, seed: int = 0) -> TreeBag:
    """Grow boosted trees once for each fold: on the other folds, until the loss on the fold no longer falls.

    Args:
        kind: Name of the trees' kind, such as "boosted trees".
        settings: Those of all trees.
        events: Events in folds; their training weights are used, negative ones left out of each fit.
        seed: That of the first fold; the others count up.

    Raises:
        SplitsError: A class has no event of positive weight in a fold.
    """
    start, part = time.monotonic(), events.part
    fit, trees, scores = find_package(kind), [], np.empty(len(part.labels))

    def take(rows: np.ndarray, name: str) -> FittingEvents:
        return take_fitting_events(part.x[rows], part.labels[rows], part.training_weights[rows], part=name)[0]

    for fold in range(events.n_folds):
        inside = events.find(fold)
        outside = np.flatnonzero(events.folds != fold)
        grown = fit(settings, take(outside, "folded"), take(inside, f"folded (fold {fold})"), seed + fold)
        trees.append(grown)
        scores[inside] = grown.score(part.x[inside])
    record = BaselineRecord(
        name=f"{kind}{BAGGED}",
        fitted_on="train and validation",
        params={**asdict(settings), "n_trees": sum(of_fold.n_trees for of_fold in trees)},
        n_trials=0,
        n_planned=0,
        seconds=time.monotonic() - start,
    )
    return TreeBag(kind, tuple(trees), scores, record)
