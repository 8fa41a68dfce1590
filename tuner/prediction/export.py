"""Step 8, hand on: the network for other programs, preprocessing inside."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tuner.checked_files import hash_file
from tuner.errors import MissingPackage, SearchError
from tuner.events.angles import TURN
from tuner.events.columns import LARGEST
from tuner.events.part_sources import find_event_source
from tuner.events.sources import find_input_files
from tuner.prediction.exported_trees import INPUTS, LOGITS, SCORE, add_trees
from tuner.prediction.network import Blend, load_network, score_events
from tuner.prediction.networks import Predictor, TrainedNetwork, choose_predictor, list_files
from tuner.preparation.preprocessing import Preprocessing
from tuner.problem import Problem
from tuner.run_folder import check_output, make_parent
from tuner.tuning.search import Search

TOLERANCE = 1e-4
"""Largest difference between an exported network's scores and ours that passes."""

N_CHECKED = 512

ENDINGS = (".onnx",)
"""Formats that networks are written in."""


class ExportedNetwork(nn.Module):
    """Features as they were read in, scores out: what `Preprocessing` does, network, sigmoid.

    Undefined values may come as the problem's own (such as -999), as not-a-number, infinite, or too large; a category
    of texts comes as its codes, see `Preprocessing.codes`.
    """

    fill: Tensor
    marks: Tensor
    starts: Tensor
    widths: Tensor
    rises: Tensor
    offsets: Tensor
    lowest: Tensor
    highest: Tensor
    is_logged: Tensor
    log_scales: Tensor
    indicated: Tensor
    mapped: Tensor
    axis: Tensor
    others: Tensor
    angles: Tensor
    turns: Tensor
    categories: Tensor
    levels: Tensor
    is_indicated: Tensor
    slots: Tensor
    full_turn: Tensor
    quarter_turn: Tensor
    root_of_two: Tensor

    def __init__(
        self, network: nn.Module, preprocessing: Preprocessing, problem: Problem, *, for_trees: bool = False
    ) -> None:
        """Take a network of prepared features.

        for_trees: give logits and inputs, for boosted trees to be added. The inputs are computed in double precision
        then, as `Preprocessing` does: an input that differs in its last digit may be on the other side of a threshold.
        """
        super().__init__()
        self.network, self.for_trees = network, for_trees
        self.precision = precision = torch.float64 if for_trees else torch.float32
        self.has_logs = bool(len(preprocessing.logged))
        x_knots, z_knots = (
            torch.from_numpy(knots).to(precision) for knots in (preprocessing.x_knots, preprocessing.z_knots)
        )
        width = x_knots.diff(dim=1)
        clamped = torch.from_numpy(preprocessing.clamped)[:, None]
        log_scales = torch.ones(len(preprocessing.features), dtype=precision)
        log_scales[preprocessing.logged] = torch.from_numpy(preprocessing.log_scales).to(precision)
        constants = {
            "marks": _list_marks(problem, preprocessing),
            "fill": torch.from_numpy(preprocessing.fill),
            "starts": x_knots[:, :-1],
            "widths": torch.where(width > 0, width, 1.0),
            "rises": z_knots.diff(dim=1),
            "offsets": z_knots[:, 0],
            "lowest": torch.where(clamped, 0.0, -torch.inf).to(precision),
            "highest": torch.where(clamped, 1.0, torch.inf).to(precision),
            "is_logged": _mark_places(preprocessing.logged, len(preprocessing.features)),
            "log_scales": log_scales,
            "indicated": torch.from_numpy(preprocessing.indicated),
            "mapped": torch.from_numpy(preprocessing.mapped),
            "axis": torch.from_numpy(preprocessing.azimuths[:1]),
            "others": torch.from_numpy(preprocessing.azimuths[1:]),
            "angles": torch.from_numpy(preprocessing.angles),
            "turns": torch.from_numpy(preprocessing.turns).to(precision),
            "categories": torch.from_numpy(preprocessing.categories),
            "levels": torch.from_numpy(preprocessing.levels),
            "is_indicated": torch.from_numpy(np.isin(preprocessing.categories, preprocessing.indicated)),
            "slots": _list_slots(preprocessing),
            # Numbers in Python would be exported in single precision.
            "full_turn": torch.tensor(TURN, dtype=precision),
            "quarter_turn": torch.tensor(math.pi / 2, dtype=precision),
            "root_of_two": torch.tensor(math.sqrt(2), dtype=precision),
        }
        for name, tensor in constants.items():
            self.register_buffer(name, tensor.contiguous())

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return scores [n] in (0, 1) of features float32 [n, d]; for trees logits [n] and inputs [n, d_in]."""
        undefined = ~(features.abs() <= LARGEST)
        for values in self.marks:
            undefined = undefined | (features == values)
        x = torch.where(undefined, self.fill, features)
        mapped = self._map(x)[:, self.mapped]
        blocks = [mapped, *self._turn(x, undefined), *self._find_levels(x, undefined), undefined[:, self.indicated]]
        inputs = torch.cat([block.float() for block in blocks], dim=1)
        logits: Tensor = self.network(inputs).reshape(-1)
        return (logits.float(), inputs) if self.for_trees else logits.sigmoid().float()

    def _map(self, x: Tensor) -> Tensor:
        """Return all features [n, d] through logarithms and piecewise-linear functions."""
        if self.has_logs:
            wide = x.to(self.precision)
            logarithm = wide.sign() * (1 + wide.abs() / self.log_scales).log()
            x = torch.where(self.is_logged, logarithm, wide)
        share = (x[:, :, None] - self.starts) / self.widths
        share = torch.minimum(torch.maximum(share, self.lowest), self.highest)
        return self.offsets + (share * self.rises).sum(2)

    def _turn(self, x: Tensor, undefined: Tensor) -> Iterator[Tensor]:
        """Yield cosines and sines of azimuths and angles as `tuner.preparation.azimuths` does; none without."""
        if len(self.axis):
            angles = x.clamp(-TURN, TURN).to(self.precision)
            between = angles[:, self.others] - angles[:, self.axis]
            yield from self._take_cosine_and_sine(between, undefined[:, self.others] | undefined[:, self.axis])
        if len(self.angles):
            wide = x[:, self.angles].to(self.precision)
            own = torch.minimum(torch.maximum(wide, -self.turns), self.turns) * (self.full_turn / self.turns)
            yield from self._take_cosine_and_sine(own, undefined[:, self.angles])

    def _take_cosine_and_sine(self, angles: Tensor, undefined: Tensor) -> Iterator[Tensor]:
        """Yield sqrt(2) times cosine and sine of angles [n, k], 0 where undefined."""
        scale = self.root_of_two * (~undefined).to(self.precision)
        # The cosine as a sine: onnxruntime has none in double precision.
        for angle in (angles + self.quarter_turn, angles):
            yield angle.sin() * scale

    def _find_levels(self, x: Tensor, undefined: Tensor) -> Iterator[Tensor]:
        """Yield for each category a 1 for the value that it has, or for all others; nothing without categories."""
        if not len(self.slots):
            return
        is_undefined = undefined[:, self.categories]
        is_level = (x[:, self.categories, None] == self.levels) & ~is_undefined[:, :, None]
        is_other = ~(is_level.any(dim=2) | (is_undefined & self.is_indicated))
        yield torch.cat([is_level, is_other[:, :, None]], dim=2).flatten(1)[:, self.slots]


def _mark_places(places: np.ndarray, n: int) -> Tensor:
    return torch.from_numpy(np.isin(np.arange(n), places))


def _list_slots(preprocessing: Preprocessing) -> Tensor:
    """Return which of [c, l + 1] values and "other" of the categories have an input, int64 by flat index."""
    has_input = np.pad(~np.isnan(preprocessing.levels), ((0, 0), (0, 1)), constant_values=True)
    return torch.from_numpy(np.flatnonzero(has_input))


def _list_marks(problem: Problem, preprocessing: Preprocessing) -> Tensor:
    """Return the values that stand for "not defined", float32 [m, d]; not-a-number where a feature has fewer."""
    codes = preprocessing.codes
    marks = [() if name in codes else problem.list_undefined(name) for name in preprocessing.features]
    padded = np.full((max(map(len, marks)), len(marks)), np.nan)
    for column, values in enumerate(marks):
        padded[: len(values), column] = values
    with np.errstate(over="ignore"):
        return torch.from_numpy(padded.astype(np.float32))


def export(
    search: Search, path: str | Path, *, trial: int | Literal["best"] | None = None, candidate: str | None = None
) -> Path:
    """Write what the evaluation handed on as one ONNX file, preprocessing inside; return its path.

    Input "features": float32 [n, d], in the order of the metadata entry "features", as they were read; a category of
    texts as the place of its text in the list that the metadata entry "categories" has for it, from 0, or as -1 for a
    text that is not in it. Features that the entry "columns" tells how to make are made so, of values of which those of
    the entry "undefined" are not-a-number. Output "score": float32 [n]. A bag or an ensemble is one graph with all of
    its networks; the metadata entries "candidate" and "networks" tell what it is. The file is read back by onnxruntime
    and compared with our own scores.

    Args:
        search: The search that trained the networks.
        path: Where to write; ends in ".onnx".
        trial: Number of a trial whose own network is to be written instead; "best" for the best complete one, also
            while the sweep still runs.
        candidate: Name of another candidate that the evaluation kept: "single", "refit", "bag", "ensemble", "blend".

    Raises:
        FolderError: The path does not end in ".onnx", or is a file that is read.
        MissingPackage: The extra "onnx" is not installed.
        SearchError: The network cannot be exported, its scores differ, or what was asked for is not there.
    """
    path = Path(path)
    check_output(path, ENDINGS, reads=find_input_files(find_event_source(search.study.problem)), folder=search.folder)
    _require_packages()
    predictor = choose_predictor(search, trial=trial, name=candidate)
    _write_predictor(search, predictor, path, _describe(search, predictor))
    return path


def keep_network(search: Search, predictor: Predictor) -> Path:
    """Write what is handed on into the run folder as `export` does, unless it is there already; return its path.

    Raises:
        MissingPackage: The extra "onnx" is not installed.
        SearchError: The network cannot be exported.
    """
    _require_packages()
    path, metadata = search.folder.network, _describe(search, predictor)
    if _read_metadata(path) != metadata:
        _write_predictor(search, predictor, path, metadata)
    return path


def _describe(search: Search, predictor: Predictor) -> dict[str, str]:
    """Return what an exported file says of itself: its networks, their parameters' hashes, what they take."""
    problem = search.study.problem
    trees = predictor.trees
    return {
        "study": search.study.name,
        "candidate": predictor.name,
        "trial": "" if predictor.trial is None else str(predictor.trial),
        "networks": " ".join(_name(network) for network in predictor.networks),
        "trees": "" if trees is None else f"{trees.kind}*{trees.share:g}",
        "parameters": " ".join(map(hash_file, list_files(search, predictor))),
        "features": ",".join(search.splits.preprocessing.features),
        "undefined": "" if problem.undefined is None else json.dumps(problem.undefined),
        "categories": json.dumps({name: list(texts) for name, texts in search.splits.preprocessing.codes.items()}),
        "selection": problem.selection or "",
        "columns": json.dumps(problem.columns) if problem.columns else "",
        "events_digest": search.splits.events_digest,
    }


def _write_predictor(search: Search, predictor: Predictor, path: Path, metadata: dict[str, str]) -> None:
    preprocessing, problem = search.splits.preprocessing, search.study.problem
    write_network(load_network(search, predictor), preprocessing, problem, make_parent(path), metadata)


def write_network(
    plain: nn.Module, preprocessing: Preprocessing, problem: Problem, path: Path, metadata: dict[str, str]
) -> None:
    """Write a network of prepared features as ONNX for features as they were read, once its scores are seen to agree.

    Raise `SearchError` where it cannot be exported or its scores differ; then nothing is written.
    """
    blend = plain if isinstance(plain, Blend) else None
    inner = plain if blend is None else blend.network
    network = ExportedNetwork(inner, preprocessing, problem, for_trees=blend is not None).eval()
    example = draw_examples(preprocessing)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.onnx")
    try:
        _write(network, example[:2], partial, outputs=[SCORE] if blend is None else [LOGITS, INPUTS])
        if blend is not None:
            add_trees(partial, blend.trees, blend.share)
        _add_metadata(partial, metadata)
        expected = score_events(plain, preprocessing.transform(example.numpy()), "cpu")
        features = mark_undefined(example, network.marks)
        given = _score_by_onnxruntime(partial, features), _score_by_onnxruntime(partial, features[:1])
        difference = max(float(np.abs(scores - expected[: len(scores)]).max()) for scores in given)
        if not difference < TOLERANCE:
            raise SearchError(
                f'The exported network must give the same scores, but "{path}" differs by up to {difference:.1e}. '
                "Please report this with the search space."
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _name(network: TrainedNetwork) -> str:
    """Return a network's trial, which of its trainings it is, and its share in a mean: `trial3:seed0*0.25`."""
    training = "" if network.training == "search" else f":{network.training}{network.number}"
    return f"trial{network.trial}{training}" + ("" if network.weight == 1 else f"*{network.weight:.6g}")


def draw_examples(preprocessing: Preprocessing) -> Tensor:
    """Return features float32 [n, d] drawn between the knots, some of them undefined."""
    generator = torch.Generator().manual_seed(0)
    x_knots = torch.from_numpy(preprocessing.x_knots)
    low, high = x_knots[:, 0], x_knots[:, -1]
    features = low + (high - low) * (1.2 * torch.rand(N_CHECKED, len(low), generator=generator) - 0.1)
    for place, scale in zip(preprocessing.logged, preprocessing.log_scales, strict=True):
        features[:, place] = features[:, place].sign() * float(scale) * features[:, place].abs().expm1()
    for place, levels in zip(preprocessing.categories, preprocessing.levels, strict=True):
        values = torch.tensor([*levels[~np.isnan(levels)], -1.0])
        features[:, place] = values[torch.randint(len(values), (N_CHECKED,), generator=generator)]
    for place in preprocessing.indicated:
        features[torch.rand(N_CHECKED, generator=generator) < 0.3, place] = torch.nan
    return features.clamp(-LARGEST, LARGEST)


def mark_undefined(features: Tensor, marks: Tensor) -> Tensor:
    """Return features [n, d] where marks [m, d] replace not-a-number in turn; in every (m + 1)th row it stays."""
    turn = torch.arange(len(features)) % (len(marks) + 1)
    for number, values in enumerate(marks):
        features = torch.where(features.isnan() & (turn == number)[:, None], values, features)
    return features


def is_exporting_possible() -> bool:
    """Return whether the packages of the extra "onnx" are installed."""
    try:
        _require_packages()
    except MissingPackage:
        return False
    return True


def _require_packages() -> None:
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
                input_names=["features"],
                output_names=list(outputs),
                dynamic_shapes={"features": {0: torch.export.Dim("events")}},
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


def _add_metadata(path: Path, metadata: dict[str, str]) -> None:
    import onnx

    model: Any = onnx.load(str(path))
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, str(path))


def _read_metadata(path: Path) -> dict[str, str]:
    """Return what an exported file says of itself; nothing where there is none, or none that can be read."""
    import onnx

    try:
        model: Any = onnx.load(str(path))
    except Exception:  # protobuf raises its own kinds
        return {}
    return {entry.key: entry.value for entry in model.metadata_props}


def _score_by_onnxruntime(path: Path, features: Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (scores,) = session.run([SCORE], {"features": features.numpy()})
    return np.asarray(scores)
