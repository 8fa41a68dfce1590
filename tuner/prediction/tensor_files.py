"""What is handed on as safetensors and settings in JSON: read back by `tuner.load`, without pickle."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tuner.checked_files import describe_damage, expect_form, write_atomically
from tuner.errors import FolderError, MissingPackage, SearchError, TrainingError, name_all
from tuner.prediction.boosted_trees import BoostedTrees, load_trees
from tuner.prediction.classifier import SignalClassifier
from tuner.prediction.network import ADVICE, Blend, average
from tuner.prediction.networks import Predictor, find_trees
from tuner.prediction.probabilities import ScoreCalibration
from tuner.preparation.preprocessing import Preprocessing
from tuner.problem import Problem
from tuner.run_folder import check_ending, make_parent
from tuner.training.checkpoints import Checkpoint, read_checkpoint, restore_network
from tuner.tuning.search import Search

SETTINGS = "tuner"
"""Name of the entry of the file's metadata that holds settings and model card."""

RESTORE = "Export it again, or take it from a copy."


def write_tensors(
    search: Search,
    predictor: Predictor,
    path: Path,
    *,
    card: Mapping[str, Any],
    calibration: ScoreCalibration | None = None,
) -> None:
    """Write parameters, preprocessing and trees as tensors, settings and model card as JSON in the file's metadata.

    Args:
        search: The search that trained them.
        predictor: Which networks and trees.
        path: Where to write; ends in ".safetensors".
        card: The model card.
        calibration: From scores to probabilities; None where there is none.

    Raises:
        MissingPackage: The extra "safetensors" is not installed.
        SearchError: Settings of a network are of no form that JSON has.
    """
    save = _import_safetensors().torch.save
    trials = {trial.number: trial for trial in search.trials}
    tensors: dict[str, Tensor] = {}
    networks = []
    for number, network in enumerate(predictor.networks):
        checkpoint = read_checkpoint(search.checkpoint_path(network), advice=ADVICE)
        settings = search.settings(trials[network.trial]).network
        networks.append({"settings": encode_settings(settings), "weight": network.weight})
        tensors |= {f"networks/{number}/state/{name}": tensor for name, tensor in checkpoint.state.items()}
        tensors |= {f"networks/{number}/check/x": checkpoint.x, f"networks/{number}/check/logits": checkpoint.logits}
    preprocessing = search.splits.preprocessing
    arrays = {f"preprocessing/{name}": array for name, array in _take_arrays(preprocessing).items()}
    trees = () if predictor.trees is None else load_trees(find_trees(search), advice=ADVICE)
    for number, grown in enumerate(trees):
        arrays |= {f"trees/{number}/{name}": array for name, array in _take_arrays(grown).items()}
    if calibration is not None:
        arrays |= {f"calibration/{name}": array for name, array in _take_arrays(calibration).items()}
    tensors |= {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
    content = {
        "networks": networks,
        "features": list(preprocessing.features),
        "codes": {name: list(texts) for name, texts in preprocessing.codes.items()},
        "problem": _take_problem(search.study.problem),
        "trees": {
            "share": 0.0 if predictor.trees is None else predictor.trees.share,
            "offsets": [grown.offset for grown in trees],
        },
        "calibration": None if calibration is None else _take_values(calibration),
        "card": dict(card),
    }
    kept = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(make_parent(path), save(kept, {SETTINGS: json.dumps(content)}))


def load(path: str | Path, *, modules: Sequence[str] = ("tuner",), device: str | None = None) -> SignalClassifier:
    """Return what `tuner.export(search, "network.safetensors")` wrote, as a fitted classifier of scikit-learn.

    Nothing in the file is run: it holds tensors, numbers and texts. Networks are built by the classes that it names,
    of this package; those of other modules are imported only where you name them.

    Args:
        path: A file that ends in ".safetensors".
        modules: Packages and modules whose classes of settings may build networks, such as ("tuner",
            "search_spaces.mine").
        device: Where it is to score: "cpu", "cuda", ...; None for a GPU where there is one.

    Raises:
        FolderError: The file is none that `tuner.export` wrote, or is damaged.
        MissingPackage: The extra "safetensors" is not installed.
        SearchError: A network is of a module that is not named, or no longer scores as it did.
    """
    path = Path(path)
    check_ending(path, (".safetensors",))
    tensors, content = _read(path)
    with expect_form(path, advice=RESTORE):
        networks = [
            _build(each, {n: t for n, t in tensors.items() if n.startswith(f"networks/{number}/")}, modules, path)
            for number, each in enumerate(content["networks"])
        ]
        network = average(networks, [float(each["weight"]) for each in content["networks"]])
        arrays = {name: tensor.numpy() for name, tensor in tensors.items() if not name.startswith("networks/")}
        preprocessing = Preprocessing(
            features=tuple(content["features"]),
            codes={name: tuple(texts) for name, texts in content["codes"].items()},
            **_pick(arrays, "preprocessing/"),
        )
        trees = [
            BoostedTrees(**_pick(arrays, f"trees/{number}/"), offset=float(offset))
            for number, offset in enumerate(content["trees"]["offsets"])
        ]
        kept = content["calibration"]
        calibration = None if kept is None else ScoreCalibration(**kept, **_pick(arrays, "calibration/"))
        card = content["card"]
        cut = float(card["cut"]["threshold"])
        problem = Problem(**_restore_problem(content["problem"]))
    whole: nn.Module = Blend(network, trees, float(content["trees"]["share"])).eval() if trees else network
    return SignalClassifier(whole, preprocessing, problem, cut=cut, calibration=calibration, card=card, device=device)


def encode_settings(value: Any) -> Any:
    """Return settings in the forms that JSON has; a dataclass by its name and fields. Raise `SearchError` elsewhere."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value)
        content = {each.name: encode_settings(getattr(value, each.name)) for each in fields(value) if each.init}
        return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": content}
    if isinstance(value, (list, tuple)):
        return [encode_settings(each) for each in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    raise SearchError(
        f"Settings of a network must be dataclasses of numbers, texts and tuples of these to be written as JSON, but "
        f"one holds {type(value).__name__}. Export it as .onnx or .pt2, which hold the network's graph."
    )


def _decode_settings(value: Any, modules: Sequence[str], path: Path) -> Any:
    """Return settings that `encode_settings` encoded; a list as a tuple."""
    if isinstance(value, list):
        return tuple(_decode_settings(each, modules, path) for each in value)
    if not isinstance(value, dict):
        return value
    module, _, name = value["class"].partition(":")
    if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in modules):
        raise SearchError(
            f'"{path}" builds its network by "{name}" of the module "{module}", which is not among those that may be '
            f'imported: {name_all(modules)}. Where you trust it, load it with modules=("tuner", "{module}").'
        )
    try:
        kind: Any = importlib.import_module(module)
        for part in name.split("."):
            kind = getattr(kind, part)
    except (ImportError, AttributeError) as error:
        raise SearchError(
            f'The network of "{path}" is built by "{name}" of the module "{module}", which must be installed here, but '
            f"is not ({error}). Install what trained it; or export it as .onnx or .pt2."
        ) from error
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise SearchError(f'"{name}" of "{module}" must be a dataclass of settings, but is none.')
    content = {key: _decode_settings(each, modules, path) for key, each in value["fields"].items()}
    return kind(**content)


def _build(kept: Mapping[str, Any], tensors: Mapping[str, Tensor], modules: Sequence[str], path: Path) -> nn.Module:
    """Return a network with its parameters, that scores its kept events as it did."""
    settings = _decode_settings(kept["settings"], modules, path)
    named = {name.split("/", 2)[2]: tensor for name, tensor in tensors.items()}
    state = {name.removeprefix("state/"): tensor for name, tensor in named.items() if name.startswith("state/")}
    try:
        return restore_network(Checkpoint(state, named["check/x"], named["check/logits"]), settings)
    except TrainingError as error:
        raise SearchError(
            f'The network in "{path}" cannot be used. {error} Use the versions of packages that the model card names.'
        ) from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return tensors and settings of a file. Raise `FolderError` where it is none of ours."""
    package = _import_safetensors()
    if not path.is_file():
        raise FolderError(f'There is no file "{path}".')
    try:
        with package.safe_open(str(path), framework="pt") as file:
            content = json.loads((file.metadata() or {})[SETTINGS])
            return {name: file.get_tensor(name) for name in file.keys()}, content  # noqa: SIM118 - it is no mapping
    except KeyError as error:
        raise FolderError(
            f'"{path}" must be a file that `tuner.export` wrote, but holds no settings of tuner. Load it with '
            "safetensors itself."
        ) from error
    except Exception as error:  # safetensors raises its own kinds
        raise describe_damage(path, f"it cannot be read ({type(error).__name__}: {error})", RESTORE) from error


def _import_safetensors() -> Any:
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        raise MissingPackage("safetensors", "safetensors", "Writing or reading a .safetensors file") from error
    return safetensors


def _take_arrays(product: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a dataclass by field."""
    return {f.name: value for f in fields(product) if isinstance(value := getattr(product, f.name), np.ndarray)}


def _take_values(product: Any) -> dict[str, Any]:
    """Return the other fields of a dataclass."""
    return {f.name: value for f in fields(product) if not isinstance(value := getattr(product, f.name), np.ndarray)}


def _pick(arrays: Mapping[str, np.ndarray], beginning: str) -> dict[str, Any]:
    return {name.removeprefix(beginning): array for name, array in arrays.items() if name.startswith(beginning)}


_PROBLEM = ("question", "label", "signal", "weight", "event_id", "observers", "undefined", "columns", "units")
"""Fields of a problem that events are read by when they are to be scored."""


def _take_problem(problem: Problem) -> dict[str, Any]:
    """Return what of a problem reads events to be scored, in the forms that JSON has."""
    given = {name: getattr(problem, name) for name in _PROBLEM}
    text = json.dumps(given, default=lambda value: dict(value) if isinstance(value, Mapping) else str(value))
    content: dict[str, Any] = json.loads(text)
    return content


def _restore_problem(content: Mapping[str, Any]) -> dict[str, Any]:
    restored = {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
    if isinstance(restored["undefined"], dict):
        restored["undefined"] = {n: tuple(v) if isinstance(v, list) else v for n, v in restored["undefined"].items()}
    return {**restored, "events": "events.parquet"}
