"""Boosted trees inside an exported network: ONNX's own operator for trees, and the blend with the network's logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tuner.prediction.boosted_trees import LEAF, BoostedTrees
from tuner.prediction.exported_network import PROBABILITY, SCORE, CalibratedLogits
from tuner.prediction.probabilities import LARGEST_LOGIT, ScoreCalibration

LOGITS, INPUTS = "network_logits", "inputs"
"""Outputs of the network's graph that the trees are added to."""

_ML = "ai.onnx.ml"
_ML_VERSION = 3
"""Version of ONNX's operators for machine learning: the newest that all of onnxruntime 1.14 and later read."""


def add_trees(
    path: Path, trees: Sequence[BoostedTrees], share: float, calibration: ScoreCalibration | None = None
) -> None:
    """Add trees to an exported network, so that what comes out is the blend's score, then its probability if wanted.

    Args:
        path: an ONNX file with the outputs `LOGITS` float32 [n] and `INPUTS` float32 [n, d_in]; it is written anew.
        trees: their mean score is blended with the network's.
        share: weight of the trees' logits; the network's have the rest.
        calibration: From scores to probabilities; None for scores alone.
    """
    import onnx

    model: Any = onnx.load(str(path))
    constants, nodes = _list_nodes(trees, share)
    outputs = [SCORE]
    if calibration is not None:
        more, last = _list_calibration(calibration)
        constants, nodes, outputs = constants | more, [*nodes, *last], [SCORE, PROBABILITY]
    graph = model.graph
    graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in constants.items())
    graph.node.extend(nodes)
    rows = next(output for output in graph.output if output.name == LOGITS).type.tensor_type.shape.dim[0].dim_param
    del graph.output[:]
    graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [rows]) for name in outputs)
    model.opset_import.append(onnx.helper.make_opsetid(_ML, _ML_VERSION))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _list_nodes(trees: Sequence[BoostedTrees], share: float) -> tuple[dict[str, np.ndarray], list[Any]]:
    """Return constants by name, and the nodes from trees' leaves to the score.

    The logit of a mean of scores p is log(sum p) - log(sum (1 - p)), where log p = -softplus(-logit): exact where
    scores are next to 0 or 1, too.
    """
    from onnx.helper import make_node

    constants: dict[str, np.ndarray] = {
        "axis": np.array([1], np.int64),
        "share_of_trees": np.array(share, np.float32),
        "share_of_network": np.array(1 - share, np.float32),
    }
    nodes = [make_node("TreeEnsembleRegressor", [INPUTS], ["t"], domain=_ML, **_describe(trees))]
    nodes += [make_node("Neg", ["t"], ["-t"]), *_log_sum("-t", "log_p"), *_log_sum("t", "log_q")]
    nodes += [
        make_node("Sub", ["log_p", "log_q"], ["tree_logits"]),
        make_node("Mul", ["tree_logits", "share_of_trees"], ["of_trees"]),
        make_node("Mul", [LOGITS, "share_of_network"], ["of_network"]),
        make_node("Add", ["of_trees", "of_network"], ["blended"]),
        make_node("Sigmoid", ["blended"], [SCORE]),
    ]
    return constants, nodes


def _list_calibration(calibration: ScoreCalibration) -> tuple[dict[str, np.ndarray], list[Any]]:
    """Return constants by name, and the nodes from the blended logit to the probability, as `CalibratedLogits` has."""
    from onnx.helper import make_node

    made = CalibratedLogits(calibration)
    constants = {f"calibration_{name}": tensor.numpy() for name, tensor in made.named_buffers()}
    constants |= {"calibration_axis": np.array([1], np.int64)}
    limits = {"calibration_lowest": -LARGEST_LOGIT, "calibration_highest": LARGEST_LOGIT, "calibration_0": 0.0}
    constants |= {name: np.array(value) for name, value in (limits | {"calibration_1": 1.0}).items()}
    share = ["calibration_share_all", "calibration_0", "calibration_1"]
    nodes = [
        make_node("Cast", ["blended"], ["calibration_logit"], to=11),
        make_node("Clip", ["calibration_logit", "calibration_lowest", "calibration_highest"], ["calibration_near"]),
        make_node("Unsqueeze", ["calibration_near", "calibration_axis"], ["calibration_column"]),
        make_node("Sub", ["calibration_column", "calibration_starts"], ["calibration_beyond"]),
        make_node("Div", ["calibration_beyond", "calibration_widths"], ["calibration_share_all"]),
        make_node("Clip", share, ["calibration_share"]) if made.has_knots
        else make_node("Identity", share[:1], ["calibration_share"]),
        make_node("Mul", ["calibration_share", "calibration_rises"], ["calibration_parts"]),
        make_node("ReduceSum", ["calibration_parts", "calibration_axis"], ["calibration_sum"], keepdims=0),
        make_node("Add", ["calibration_sum", "calibration_first"], ["calibrated"]),
        make_node("Sigmoid", ["calibrated"], ["calibration_wide"]),
        make_node("Cast", ["calibration_wide"], [PROBABILITY], to=1),
    ]  # fmt: skip
    return constants, nodes


def _log_sum(logits: str, name: str) -> list[Any]:
    """Return the nodes of log(sum(exp(-softplus(logits)))) over the trees' columns."""
    from onnx.helper import make_node

    return [
        make_node("Softplus", [logits], [f"{name}_softplus"]),
        make_node("Neg", [f"{name}_softplus"], [f"{name}_each"]),
        make_node("ReduceLogSumExp", [f"{name}_each", "axis"], [name], keepdims=0),
    ]


def _describe(trees: Sequence[BoostedTrees]) -> dict[str, Any]:
    """Return the attributes of ONNX's `TreeEnsembleRegressor` with a column of log odds for each of the boosted trees.

    Inputs are float32: an input is at most a threshold where it is at most the largest float32 that is.
    """
    sizes = np.concatenate([of_one.sizes for of_one in trees])
    columns = np.repeat(np.arange(len(trees)), [len(of_one.features) for of_one in trees])
    tree_ids, node_ids = np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(size) for size in sizes])
    features, thresholds, left, right, values = (
        np.concatenate([getattr(of_one, name) for of_one in trees])
        for name in ("features", "thresholds", "left", "right", "values")
    )
    rounded = thresholds.astype(np.float32)
    rounded = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    is_leaf = features == LEAF
    return {
        "nodes_treeids": tree_ids.tolist(),
        "nodes_nodeids": node_ids.tolist(),
        "nodes_featureids": np.where(is_leaf, 0, features).tolist(),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_values": rounded.tolist(),
        "nodes_truenodeids": left.tolist(),
        "nodes_falsenodeids": right.tolist(),
        "target_treeids": tree_ids[is_leaf].tolist(),
        "target_nodeids": node_ids[is_leaf].tolist(),
        "target_ids": columns[is_leaf].tolist(),
        "target_weights": values[is_leaf].astype(np.float32).tolist(),
        "base_values": [of_one.offset for of_one in trees],
        "n_targets": len(trees),
        "aggregate_function": "SUM",
        "post_transform": "NONE",
    }
