"""ONNX: a network written as one graph, preprocessing inside, and compared with what PyTorch gives."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tuner.errors import MissingPackage, SearchError
from tuner.prediction.exported_network import (
    PROBABILITY,
    SCORE,
    ExportedNetwork,
    draw_examples,
    draw_extremes,
    mark_undefined,
)
from tuner.prediction.exported_trees import INPUTS, LOGITS, add_trees
from tuner.prediction.network import Blend, score_events
from tuner.prediction.probabilities import ScoreCalibration
from tuner.preparation.preprocessing import Preprocessing
from tuner.problem import Problem
from tuner.progress.wording import write_count

TOLERANCE = 1e-5
"""Largest difference between an exported network's scores and ours that passes."""

ROUNDINGS = 4.0
"""So many times PyTorch's own rounding error of a score passes, where it is larger."""

OPSET = 18
"""Version of ONNX's operators: all that networks need are in it, and onnxruntime 1.14 and later read it."""

FEATURES = "features"
"""Name of the input that takes all features."""

InputLayout = Literal["matrix", "named"]
Run = Callable[[np.ndarray], list[np.ndarray]]
"""From features float32 [n, d], as they were read, to scores [n], then probabilities [n] where there are any."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How an exported network was compared with PyTorch."""

    largest: float
    """Largest difference of a score."""
    n_events: int
    """Real events, of validation."""
    n_examples: int
    """Made ones: between and far beyond the events of training, and undefined ones."""

    def __str__(self) -> str:
        """Return it in words."""
        real = f"{self.n_events:,} validation events and " if self.n_events else ""
        return f"scores differ from PyTorch's by at most {self.largest:.1e} on {real}{self.n_examples:,} made ones"


def write_network(
    plain: nn.Module,
    preprocessing: Preprocessing,
    problem: Problem,
    path: Path,
    metadata: Mapping[str, str],
    *,
    events: np.ndarray | None = None,
    layout: InputLayout = "matrix",
    calibration: ScoreCalibration | None = None,
) -> Agreement:
    """Write a network of prepared features as ONNX for features as they were read, once its scores are seen to agree.

    Args:
        plain: What `load_network` returned: gives logits [n] of prepared features [n, d_in].
        preprocessing: From features to inputs.
        problem: What stands for undefined.
        path: Where to write.
        metadata: Texts of the file by name.
        events: Real events to compare on, float32 [n, d], not-a-number where undefined.
        layout: "matrix", one input [n, d]; "named", an input [n] for each feature.
        calibration: From scores to a second output of probabilities; None for scores alone.

    Returns:
        How well it agrees.

    Raises:
        SearchError: It cannot be exported, or its scores differ; then nothing is written.
    """
    blend = plain if isinstance(plain, Blend) else None
    inner = plain if blend is None else blend.network
    network = ExportedNetwork(
        inner, preprocessing, problem, for_trees=blend is not None, calibration=None if blend else calibration
    ).eval()
    partial = path.with_name(f".{path.stem}.{os.getpid()}.onnx")
    scores = [SCORE] if calibration is None else [SCORE, PROBABILITY]
    try:
        outputs = scores if blend is None else [LOGITS, INPUTS]
        _write(network, draw_examples(preprocessing)[:2], partial, outputs=outputs)
        if blend is not None:
            add_trees(partial, blend.trees, blend.share, calibration)
        _finish(partial, metadata, preprocessing.features if layout == "named" else ())
        agreement = compare(
            open_session(partial),
            plain,
            preprocessing,
            network.marks,
            path=path,
            events=events,
            calibration=calibration,
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return agreement


def compare(
    run: Run,
    plain: nn.Module,
    preprocessing: Preprocessing,
    marks: Tensor,
    *,
    path: Path,
    events: np.ndarray | None = None,
    calibration: ScoreCalibration | None = None,
) -> Agreement:
    """Return how far an exported network's scores are from PyTorch's, on many events at once and on one alone.

    Args:
        run: Scores features by what was exported.
        plain: Gives logits [n] of prepared features [n, d_in].
        preprocessing: From features to inputs.
        marks: What stands for undefined in each feature [m, d].
        path: Where it is to be written, for the message.
        events: Real events [n, d], not-a-number where undefined.
        calibration: From scores to the second output, which is compared, too; None for scores alone.

    Raises:
        SearchError: There are other outputs; a score differs by more than `TOLERANCE`, or a probability from what such
            scores have. Where PyTorch's own rounding in single precision moves a score by more, as that of a periodic
            feature far outside of training, a few times as much is allowed.
    """
    made = torch.cat([draw_examples(preprocessing), draw_extremes(preprocessing)])
    real = torch.zeros(0, made.shape[1]) if events is None else torch.from_numpy(np.array(events, np.float32))
    features = torch.cat([real, made])
    for values in marks:  # a made event may have a value that stands for undefined
        features = torch.where(features == values, torch.nan, features)
    inputs = preprocessing.transform(features.numpy())
    expected = score_events(plain, inputs, "cpu")
    given = mark_undefined(features, marks).numpy()
    alone = [0, len(real), len(given) - 1]
    outputs = [run(given), *(run(given[place : place + 1]) for place in alone)]
    n_outputs = 1 if calibration is None else 2
    if any(len(each) != n_outputs for each in outputs):
        raise SearchError(
            f'The exported network must have {write_count(n_outputs, "output")}, but "{path}" has {len(outputs[0])}. '
            "Please report this with the search space."
        )
    found = [each[0] for each in outputs]
    wanted = [expected, *(expected[place : place + 1] for place in alone)]
    differences = np.concatenate([_find_differences(*pair) for pair in zip(found, wanted, strict=True)])
    largest = unexplained = float(differences.max(initial=0.0))
    if largest > TOLERANCE:
        by_rounding = ROUNDINGS * _find_rounding(plain, inputs)[[*range(len(given)), *alone]]
        unexplained = float(differences[differences > by_rounding].max(initial=0.0))
    if unexplained > TOLERANCE:
        raise SearchError(
            f'The exported network must give the same scores, but "{path}" differs by up to {unexplained:.1e}. '
            "Please report this with the search space."
        )
    if calibration is not None:
        scores = np.concatenate(wanted)
        _check_probabilities(
            np.concatenate([each[1].reshape(-1) for each in outputs]), scores, largest, calibration, path
        )
    return Agreement(largest=largest, n_events=len(real), n_examples=len(made))


def _check_probabilities(
    found: np.ndarray, scores: np.ndarray, difference: float, calibration: ScoreCalibration, path: Path
) -> None:
    """Raise `SearchError` where probabilities [n] are not those of scores [n], which differ by as much at the most."""
    least, most = (calibration.apply(np.clip(scores + step, 0, 1)) for step in (-difference, difference))
    beyond = np.maximum(least - found, found - most)
    beyond[np.isnan(found) & np.isnan(scores)] = 0.0
    if (largest := float(np.nan_to_num(beyond, nan=np.inf).max(initial=0.0))) > TOLERANCE:
        raise SearchError(
            f'The exported network must give the same probabilities, but "{path}" differs by up to {largest:.1e}. '
            "Please report this with the search space."
        )


def _find_differences(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return how far scores [n] are from those that are wanted: infinitely where one of them alone is no number."""
    difference = np.abs(np.asarray(found, np.float64).reshape(-1) - wanted)
    difference[np.isnan(found).reshape(-1) & np.isnan(wanted)] = 0.0
    return np.asarray(np.nan_to_num(difference, nan=np.inf))


@torch.no_grad()
def _find_rounding(plain: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """Return how far PyTorch's scores [n] are from those in double precision; 0 where a network cannot have that."""
    try:
        exact = copy.deepcopy(plain).double()(torch.from_numpy(inputs).double()).sigmoid().numpy().reshape(-1)
    except Exception:  # a network's own code may raise anything
        return np.zeros(len(inputs))
    return np.asarray(np.nan_to_num(np.abs(exact - score_events(plain, inputs, "cpu")), nan=0.0))


def is_exporting_possible() -> bool:
    """Return whether the packages of the extra "onnx" are installed."""
    try:
        require_packages()
    except MissingPackage:
        return False
    return True


def require_packages() -> None:
    """Raise `MissingPackage` where the packages of the extra "onnx" are not installed."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingPackage(package, "onnx", "Exporting a network") from error


def _write(network: nn.Module, example: Tensor, path: Path, *, outputs: Sequence[str]) -> None:
    """Write ONNX; the exporter's own talk is kept quiet."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                (example,),
                str(path),
                input_names=[FEATURES],
                output_names=list(outputs),
                dynamic_shapes={"features": {0: torch.export.Dim("events")}},
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # what the exporter cannot trace raises many kinds
        told = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise SearchError(
            f"The network must be one that torch.onnx can export, but {type(error).__name__}: {told} Its forward pass "
            "must not depend on the values of its inputs in Python, nor call what ONNX has no operator for."
        ) from error
    finally:
        logger.setLevel(level)


def _finish(path: Path, metadata: Mapping[str, str], names: Sequence[str]) -> None:
    """Write the file anew: with its metadata, an input for each name, and the version that its operators need.

    What the exporter notes of each node is left out: it makes the file larger, and older runtimes do not know it.
    """
    import onnx

    model: Any = onnx.load(str(path))
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    if names:
        _split_input(model.graph, names)
    used = {node.domain for node in model.graph.node} | {node.domain for each in model.functions for node in each.node}
    kept = [each for each in model.opset_import if not each.domain or each.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    model.ir_version = onnx.helper.find_min_ir_version_for(kept, ignore_unknown=True)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _split_input(graph: Any, names: Sequence[str]) -> None:
    """Let a graph take a vector [n] for each feature in place of the matrix."""
    from onnx import TensorProto, helper

    rows = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    axis = f"{FEATURES} axis"
    columns = [f"{FEATURES}: {name}" for name in names]
    nodes = [helper.make_node("Unsqueeze", [name, axis], [column]) for name, column in zip(names, columns, strict=True)]
    nodes.append(helper.make_node("Concat", columns, [FEATURES], axis=1))
    graph.initializer.append(helper.make_tensor(axis, TensorProto.INT64, [1], [1]))
    later = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *later])
    graph.input.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows]) for name in names)


def read_metadata(path: Path) -> dict[str, str]:
    """Return what an exported file says of itself; nothing where there is none, or none that can be read."""
    import onnx

    try:
        model: Any = onnx.load(str(path))
    except Exception:  # protobuf raises its own kinds
        return {}
    return {entry.key: entry.value for entry in model.metadata_props}


def open_session(path: Path) -> Run:
    """Return what scores features [n, d] by a file, whichever inputs it has."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(features: np.ndarray) -> list[np.ndarray]:
        if names == [FEATURES]:
            given = {FEATURES: features}
        else:
            given = {name: np.ascontiguousarray(column) for name, column in zip(names, features.T, strict=True)}
        return [np.asarray(each) for each in session.run(None, given)]

    return run
