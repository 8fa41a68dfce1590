"""The cut on the score that was frozen before the test part was opened, and what the judgement found at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from tuner.errors import SearchError
from tuner.metrics.figures_of_merit import CutFigure
from tuner.metrics.working_points import choose_cut
from tuner.prediction.judged_predictors import find_judged_cut, list_judged_parts
from tuner.prediction.networks import Predictor
from tuner.prediction.unseen_events import take_unseen_scores
from tuner.tuning.search import Search


@dataclass(frozen=True)
class FrozenCut:
    """Events with score >= threshold are taken for signal."""

    threshold: float
    rule: str
    """How the threshold was chosen, and on which events; the name of the cut where it is not the working point."""


def find_cut(search: Search, predictor: Predictor, network: nn.Module) -> FrozenCut:
    """Return the cut of a predictor, chosen on events that it was not trained on.

    It is that of the figure of merit where that is one of a cut, else the working point: the judgement's own, which for
    the refit is chosen on scores that networks of the same configuration gave to what they had not seen; of what was
    not judged one that validation, or the bag's scores out of fold, choose.

    Args:
        search: The search.
        predictor: What scores.
        network: What `load_network` returned for it.

    Raises:
        SearchError: The cut cannot be found, or there are no events to choose it on that were not trained on.
    """
    problem = search.study.problem
    figure = problem.figure_of_merit if isinstance(problem.figure_of_merit, CutFigure) else None
    if (kept := find_judged_cut(search, predictor)) is not None:
        if figure is not None and kept["name"] == figure.cut_name:
            return FrozenCut(kept["threshold"], _describe(figure, kept["chosen_on"]))
        return FrozenCut(kept["threshold"], f"{kept['rule']}, chosen on {kept['chosen_on']}")
    for part in list_judged_parts(search, predictor):
        if figure is None or part.get("figure_cut") is None:
            return FrozenCut(float(part["threshold"]), str(part["threshold_rule"]))
        own = part["figure_cut"]
        return FrozenCut(float(own["threshold"]), _describe(figure, str(own["chosen_on"])))
    labels, scores, weights, chosen_on = take_unseen_scores(search, predictor, network)
    rule = figure or problem.working_point
    try:
        threshold = choose_cut(rule, np.asarray(labels, np.int8), scores, weights)
    except Exception as error:  # a rule may be the user's own
        raise SearchError(
            f'"{rule.name}" must give a cut on {chosen_on}, but raised {type(error).__name__}: {error} Run '
            f"`tuner evaluate`, or name another `{'working_point' if figure is None else 'figure_of_merit'}`."
        ) from error
    told = f"{rule.name}, chosen on {chosen_on}" if figure is None else _describe(figure, chosen_on)
    return FrozenCut(threshold, told)


def _describe(figure: CutFigure, chosen_on: str) -> str:
    """Return how a figure's own cut was chosen, with its name."""
    return f"{figure.cut_name}: largest {figure.name}, chosen on {chosen_on}"
