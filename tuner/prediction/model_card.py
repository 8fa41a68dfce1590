"""The model card of an exported network: what goes in, what comes out, how good it is, where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tuner.checked_files import hash_file, read_json
from tuner.errors import DamagedFileError, EventsError
from tuner.prediction.frozen_cut import FrozenCut
from tuner.prediction.judged_predictors import list_judged_parts
from tuner.prediction.networks import Predictor, TrainedNetwork, list_files
from tuner.prediction.probabilities import ScoreCalibration
from tuner.prediction.unusual_events import N_MEASURED, measure_ranges
from tuner.tuning.search import PROVENANCE_ADVICE, Search

VERSION = 1
"""Of the card's form."""

LIMITS = (
    "Figures hold for events like those of the study: the same simulation, selection and units.",
    "A feature that was defined in every event of training is taken for its median where it is not.",
    "A score is a probability only as far as `calibration` says, and for that share of signal.",
    "Events that were trained on get scores that are too good for a figure of merit.",
)


def make_card(
    search: Search,
    predictor: Predictor,
    cut: FrozenCut,
    *,
    layout: str = "matrix",
    calibration: ScoreCalibration | None = None,
    licence: str = "",
) -> dict[str, Any]:
    """Return what a person, or a program, needs to know to use an exported network; JSON has a form for all of it.

    Args:
        search: The search that trained it.
        predictor: What is exported.
        cut: Its frozen cut.
        layout: "matrix" or "named": how features go in.
        calibration: From scores to probabilities; None where there is none.
        licence: Of the network; empty where none is stated.
    """
    problem, study = search.study.problem, search.study
    trees = predictor.trees
    card: dict[str, Any] = {
        "model_card": VERSION,
        "study": study.name,
        "question": problem.question,
        "intended_use": f"To tell signal from background in events of the study “{study.name}”: {problem.question}",
        "limits": list(LIMITS),
        "licence": licence or "not stated",
        "signal": {"label": problem.label, "value": problem.signal},
        "input_layout": layout,
        "inputs": _list_inputs(search),
        "selection": problem.selection or "",
        "outputs": _list_outputs(calibration),
        "cut": {"threshold": cut.threshold, "rule": cut.rule},
        "figures": _list_figures(search, predictor),
        "calibration": "" if calibration is None else calibration.describe(),
        "candidate": predictor.name,
        "networks": [name_network(network) for network in predictor.networks],
        "trees": "" if trees is None else f"{trees.kind}*{trees.share:g}",
        "provenance": _find_provenance(search, predictor),
    }
    strict: dict[str, Any] = _make_strict(card)
    return strict


def describe_shortly(search: Search, predictor: Predictor) -> dict[str, str]:
    """Return the card's entries that programs look for first, as texts of their own by name."""
    problem, trees = search.study.problem, predictor.trees
    return {
        "study": search.study.name,
        "candidate": predictor.name,
        "trial": "" if predictor.trial is None else str(predictor.trial),
        "networks": " ".join(name_network(network) for network in predictor.networks),
        "trees": "" if trees is None else f"{trees.kind}*{trees.share:g}",
        "parameters": " ".join(map(hash_file, list_files(search, predictor))),
        "features": ",".join(search.splits.preprocessing.features),
        "undefined": "" if problem.undefined is None else json.dumps(problem.undefined),
        "categories": json.dumps({name: list(texts) for name, texts in search.splits.preprocessing.codes.items()}),
        "selection": problem.selection or "",
        "columns": json.dumps(problem.columns) if problem.columns else "",
        "events_digest": search.splits.events_digest,
    }


def name_network(network: TrainedNetwork) -> str:
    """Return a network's trial, which of its trainings it is, and its share in a mean: `trial3:seed0*0.25`."""
    training = "" if network.training == "search" else f":{network.training}{network.number}"
    return f"trial{network.trial}{training}" + ("" if network.weight == 1 else f"*{network.weight:.6g}")


def _list_inputs(search: Search) -> list[dict[str, Any]]:
    """Return name, unit, what is undefined, and the range in training of each feature, in order."""
    problem, preprocessing = search.study.problem, search.splits.preprocessing
    try:
        known = search.open_events().events.table
        values = known.to_numpy()[search.splits.train.rows[:N_MEASURED]]
        ranges = measure_ranges(values, tuple(map(str, known.columns)))
        shares = dict(zip(map(str, known.columns), np.isnan(values).mean(axis=0).tolist(), strict=True))
    except EventsError:
        ranges, shares = {}, {}
    inputs = []
    for name in preprocessing.features:
        texts, known_range = preprocessing.codes.get(name), ranges.get(name)
        entry: dict[str, Any] = {
            "name": name,
            "type": "float32",
            "unit": str(problem.units.get(name, "")),
            "undefined_values": [] if texts else list(problem.list_undefined(name)),
            "undefined_share": shares.get(name),
        }
        if known_range is not None:
            entry["range"] = [known_range.lowest, known_range.highest]
            entry["middle_98_percent"] = [known_range.low, known_range.high]
        if texts:
            entry["categories"] = list(texts)
        if name in problem.columns:
            formula = problem.columns[name]
            entry["made_by"] = formula if isinstance(formula, str) else dict(formula)
        inputs.append(entry)
    return inputs


def _list_outputs(calibration: ScoreCalibration | None) -> list[dict[str, str]]:
    outputs = [{"name": "score", "type": "float32", "meaning": "in (0, 1), higher is more like signal"}]
    if calibration is not None:
        outputs.append({"name": "probability", "type": "float32", "meaning": calibration.describe()})
    return outputs


def _list_figures(search: Search, predictor: Predictor) -> dict[str, Any]:
    """Return each figure of merit with its 68 % interval, by part.

    Sensitivity and specificity are those at the working point; of a figure with a cut of its own what lies above that.
    """
    try:
        parts = list_judged_parts(search, predictor)
    except DamagedFileError:
        parts = []
    return {
        part["part"]: {
            "n_signal": part["n_signal"],
            "n_background": part["n_background"],
            "working_point": part["threshold"],
            **({"figure_cut": dict(part["figure_cut"])} if part.get("figure_cut") else {}),
            **{
                name: {key: figure[key] for key in ("value", "low", "high")}
                for name, figure in part["measurements"].items()
            },
        }
        for part in parts
    }


def _find_provenance(search: Search, predictor: Predictor) -> dict[str, Any]:
    """Return versions, commit, seed, and hashes of events and parameters."""
    try:
        record = read_json(search.folder.provenance, advice=PROVENANCE_ADVICE)
    except DamagedFileError:
        record = {}
    calls = record.get("calls") or [{}]
    known = {**record, **calls[-1]}
    names = ("versions", "git_commit", "started", "command", "split_seed")
    return {
        "seed": search.study.seed,
        "trial": predictor.trial,
        "events": search.study.problem.events.describe() if hasattr(search.study.problem.events, "describe") else "",
        "events_sha256": search.splits.events_digest,
        "parameters_sha256": [hash_file(path) for path in list_files(search, predictor)],
        **{name: known[name] for name in names if name in known},
    }


def _make_strict(value: Any) -> Any:
    """Return a value in the forms that JSON has; what is no number is a text."""
    if isinstance(value, Mapping):
        return {str(key): _make_strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_make_strict(each) for each in value]
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not np.isfinite(plain):
        return str(plain)
    return plain if plain is None or isinstance(plain, (str, int, float, bool)) else str(plain)
