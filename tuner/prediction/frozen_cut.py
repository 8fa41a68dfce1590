"""The cut on the score that was frozen before the test part was opened, and what the judgement found at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from tuner.checked_files import expect_form, read_json
from tuner.errors import SearchError
from tuner.prediction.network import score_events
from tuner.prediction.networks import Predictor
from tuner.tuning.search import Search

ADVICE = "Restore it from a copy; or delete it and run `tuner evaluate`."


@dataclass(frozen=True)
class FrozenCut:
    """Events with score >= threshold are taken for signal."""

    threshold: float
    rule: str
    """How the threshold was chosen, and on which events."""


def find_cut(search: Search, predictor: Predictor, network: nn.Module) -> FrozenCut:
    """Return the cut of a predictor: the judgement's own; of what was not judged one that validation chooses.

    Args:
        search: The search.
        predictor: What scores.
        network: What `load_network` returned for it.

    Raises:
        SearchError: The problem's working point cannot be found on the validation events.
    """
    for part in list_judged_parts(search, predictor):
        return FrozenCut(float(part["threshold"]), str(part["threshold_rule"]))
    validation, rule = search.splits.validation, search.study.problem.working_point
    scores = score_events(network, validation.x)
    labels = np.asarray(validation.labels, np.int8)
    try:
        threshold = float(rule.choose(labels, scores, np.asarray(validation.weights)))
    except Exception as error:  # a rule may be the user's own
        raise SearchError(
            f'The working point "{rule.name}" must give a cut on validation, but raised {type(error).__name__}: '
            f"{error} Run `tuner evaluate`, or name another `working_point`."
        ) from error
    return FrozenCut(threshold, f"{rule.name}, chosen on validation")


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
