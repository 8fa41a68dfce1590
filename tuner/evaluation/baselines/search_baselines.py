"""The baselines of a search, in one call that a process of its own can make while networks train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tuner.errors import SplitsError
from tuner.evaluation.bagging import BAG_PARTS
from tuner.evaluation.baselines.fitting import Baseline, fit_baselines
from tuner.evaluation.baselines.kinds import LOGISTIC
from tuner.evaluation.baselines.records import BaselineRecord
from tuner.evaluation.baselines.tree_bag import TreeBag, bag_trees
from tuner.evaluation.folds import fold_events
from tuner.metrics.figures_of_merit import Auc, CutFigure
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.search import Search


@dataclass(frozen=True, eq=False)
class SearchBaselines:
    """All baselines of a search."""

    baselines: tuple[Baseline, ...] = ()
    tree_bag: TreeBag | None = None
    """Of the trees that were best on validation; None without folds."""
    problem: str = ""
    """Why there is no bag of trees though there are folds."""

    @property
    def records(self) -> tuple[BaselineRecord, ...]:
        """How each came about."""
        bagged = () if self.tree_bag is None else (self.tree_bag.record,)
        return (*(baseline.record for baseline in self.baselines), *bagged)


def fit_search_baselines(
    search: Search,
    settings: EvaluationSettings,
    on_trial: Callable[[int, int], object] = lambda *_: None,
) -> SearchBaselines:
    """Fit the baselines that the settings ask for, and a bag of the best trees where there is one of networks.

    A figure of merit at a cut is too noisy to choose settings by: AUC chooses them there.

    Args:
        search: The search.
        settings: How many trials and minutes, and how many folds the bag has.
        on_trial: Is called after each setting, with how many of how many are done.

    Raises:
        SplitsError: A class has no event of positive weight.
    """
    if not settings.baseline_trials:
        return SearchBaselines()
    figure, seed = search.study.problem.figure_of_merit, search.study.seed
    baselines = fit_baselines(
        search.splits,
        Auc() if isinstance(figure, CutFigure) else figure,
        trials=settings.baseline_trials,
        seconds=60 * settings.baseline_minutes,
        seed=seed,
        on_trial=on_trial,
    )
    if settings.bag is None:
        return SearchBaselines(baselines)
    tuned = [b for b in baselines if b.record.n_planned and b.record.name != LOGISTIC]
    best = max(tuned, key=lambda baseline: baseline.value)
    try:
        events = fold_events(search, folds=settings.bag, parts=BAG_PARTS)
        return SearchBaselines(baselines, bag_trees(best.name, best.settings, events, seed=seed))
    except SplitsError as error:
        return SearchBaselines(baselines, problem=str(error))
