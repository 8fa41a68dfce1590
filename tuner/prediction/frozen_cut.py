"""The cut on the score that was frozen before the test part was opened, and what the judgement found at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from tuner.checked_files import expect_form, read_json
from tuner.errors import SearchError
from tuner.metrics.figures_of_merit import CutFigure
from tuner.metrics.working_points import choose_cut
from tuner.prediction.network import score_events
from tuner.prediction.networks import Predictor
from tuner.tuning.search import Search

ADVICE = "Restore it from a copy; or delete it and run `tuner evaluate`."


@dataclass(frozen=True)
class FrozenCut:
    """Events with score >= threshold are taken for signal."""

    threshold: float
    rule: str
    """How the threshold was chosen, and on which events; the name of the cut where it is not the working point."""


def find_cut(search: Search, predictor: Predictor, network: nn.Module) -> FrozenCut:
    """Return the cut of a predictor: the judgement's own; of what was not judged one that validation chooses.

    It is that of the figure of merit where that is one of a cut, else the working point.

    Args:
        search: The search.
        predictor: What scores.
        network: What `load_network` returned for it.

    Raises:
        SearchError: The cut cannot be found on the validation events.
    """
    problem = search.study.problem
    figure = problem.figure_of_merit if isinstance(problem.figure_of_merit, CutFigure) else None
    for part in list_judged_parts(search, predictor):
        if figure is None or part.get("figure_cut") is None:
            return FrozenCut(float(part["threshold"]), str(part["threshold_rule"]))
        own = part["figure_cut"]
        return FrozenCut(float(own["threshold"]), _describe(figure, str(own["chosen_on"])))
    validation, rule = search.splits.validation, figure or problem.working_point
    scores = score_events(network, validation.x)
    labels = np.asarray(validation.labels, np.int8)
    try:
        threshold = choose_cut(rule, labels, scores, np.asarray(validation.weights))
    except Exception as error:  # a rule may be the user's own
        raise SearchError(
            f'"{rule.name}" must give a cut on validation, but raised {type(error).__name__}: {error} Run '
            f"`tuner evaluate`, or name another `{'working_point' if figure is None else 'figure_of_merit'}`."
        ) from error
    told = f"{rule.name}, chosen on validation" if figure is None else _describe(figure, "validation")
    return FrozenCut(threshold, told)


def _describe(figure: CutFigure, chosen_on: str) -> str:
    """Return how a figure's own cut was chosen, with its name."""
    return f"{figure.cut_name}: largest {figure.name}, chosen on {chosen_on}"


def is_handed_on(search: Search, predictor: Predictor) -> bool:
    """Return whether the judgement in the run folder handed on this predictor."""
    judged = read_json(search.folder.evaluation, advice=ADVICE).get("predictors", ())
    return bool(judged) and _is_same(judged[0], predictor)


def list_judged_parts(search: Search, predictor: Predictor) -> list[Mapping[str, Any]]:
    """Return what the judgement found of a predictor, part by part, as `evaluation.json` has it; nothing of others.

    Raises:
        DamagedFileError: The file is damaged.
    """
    path = search.folder.evaluation
    content = read_json(path, advice=ADVICE)
    with expect_form(path, advice=ADVICE):
        judged = [each["name"] for each in content.get("predictors", ()) if _is_same(each, predictor)]
        return [part for part in content.get("parts", ()) if part["candidate"] in judged]


def _is_same(kept: Mapping[str, Any], predictor: Predictor) -> bool:
    """Return whether a predictor of the judgement is this one."""
    networks = [(each["trial"], each["training"], each["number"]) for each in kept["networks"]]
    own = [(each.trial, each.training, each.number) for each in predictor.networks]
    return bool(kept["name"] == predictor.name and networks == own)
