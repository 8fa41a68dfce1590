"""What the judgement in the run folder found of a predictor: its figures, part by part, and its cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.checked_files import expect_form, read_json
from tuner.prediction.networks import Predictor
from tuner.tuning.search import Search

ADVICE = "Restore it from a copy; or delete it and run `tuner evaluate`."


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


def find_judged_cut(search: Search, predictor: Predictor) -> Mapping[str, Any] | None:
    """Return name, threshold, rule and `chosen_on` of a predictor's cut, chosen on events that it was not trained on.

    None for what was not judged, and where an older version judged, which kept the cut of what it handed on only.

    Raises:
        DamagedFileError: The file is damaged.
    """
    path = search.folder.evaluation
    content = read_json(path, advice=ADVICE)
    with expect_form(path, advice=ADVICE):
        if not any(_is_same(each, predictor) for each in content.get("predictors", ())):
            return None
        cut: Mapping[str, Any] | None = content.get("cuts", {}).get(predictor.name)
        return None if cut is None else {**cut, "threshold": float(cut["threshold"])}


def _is_same(kept: Mapping[str, Any], predictor: Predictor) -> bool:
    """Return whether a predictor of the judgement is this one."""
    networks = [(each["trial"], each["training"], each["number"]) for each in kept["networks"]]
    own = [(each.trial, each.training, each.number) for each in predictor.networks]
    return bool(kept["name"] == predictor.name and networks == own)
