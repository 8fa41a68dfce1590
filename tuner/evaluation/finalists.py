"""Which configurations are trained anew: the best by a lower confidence bound, each once."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from tuner.errors import DamagedFileError, SearchError
from tuner.evaluation.statistics.comparison import measure_mean
from tuner.metrics.measurement import rank_value
from tuner.metrics.replicas import replicate
from tuner.prediction.networks import Predictor, TrainedNetwork
from tuner.prediction.predict import score_part
from tuner.tuning.ranking import rank_trials
from tuner.tuning.search import Search, TrialRecord

logger = logging.getLogger("tuner")


@dataclass(frozen=True)
class Finalist:
    """A trial whose configuration is trained anew."""

    trial: TrialRecord
    lower: float
    """Lower end of the 68 % interval of its figure of merit on validation."""


def choose_finalists(
    search: Search, *, most: int, n_replicas: int = 200, device: str | None = None
) -> tuple[Finalist, ...]:
    """Return the complete trials whose figure of merit is best by its lower confidence bound, best first.

    The bound is the lower end of the figure's bootstrap interval over the validation events: where a figure rests on
    few events, as a significance does, the luckiest is not the best. Trials of one configuration count once, the best
    of them. Those without kept parameters (only the best trials' are) are left out.

    Args:
        search: The search.
        most: How many to return at the most.
        n_replicas: Bootstrap replicas behind each bound.
        device: Where to score; None for a GPU where there is one.

    Raises:
        SearchError: No complete trial has kept its parameters, or those of all are damaged.
    """
    figure, part = search.study.problem.figure_of_merit, search.splits.validation
    distinct: dict[str, TrialRecord] = {}
    for trial in rank_trials(search.trials):
        if search.checkpoint_path(trial.number).exists():
            distinct.setdefault(json.dumps(dict(trial.params), sort_keys=True), trial)
    if not distinct:
        raise SearchError(
            f'The search of study "{search.study.name}" must hold a complete trial with kept parameters, '
            "but holds none yet."
        )
    finalists = []
    for trial in distinct.values():
        own = Predictor(f"trial {trial.number}", (TrainedNetwork(trial.number),))
        try:
            scores = score_part(search, "validation", predictor=own, device=device)
        except DamagedFileError as error:
            logger.warning("Trial %d cannot be a finalist: %s", trial.number, error)
            continue
        replicas = replicate(figure, part.labels, [scores], part.weights, n_replicas=n_replicas, seed=search.study.seed)
        finalists.append(Finalist(trial, measure_mean(replicas).low))
    if not finalists:
        raise SearchError(
            f'The search of study "{search.study.name}" must hold a complete trial with whole parameters, '
            f"but those of all {len(distinct)} are damaged. Restore `checkpoints/` from a copy."
        )
    return tuple(sorted(finalists, key=lambda finalist: (-rank_value(finalist.lower), finalist.trial.number))[:most])
