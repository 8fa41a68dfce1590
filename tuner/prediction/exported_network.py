"""What is handed on as one module that takes features as they were read in, and checks of what is exported of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from tuner.events.angles import TURN
from tuner.events.columns import LARGEST
from tuner.prediction.boosted_trees import LEAF, BoostedTrees
from tuner.prediction.network import Blend, compute_mean_logits
from tuner.prediction.probabilities import LARGEST_LOGIT, ScoreCalibration
from tuner.preparation.preprocessing import Preprocessing
from tuner.problem import Problem

N_CHECKED = 512

SCORE, PROBABILITY = "score", "probability"
"""Names of what comes out."""


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
    bases: Tensor
    is_clamped: Tensor
    first_interval: Tensor
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
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        problem: Problem,
        *,
        for_trees: bool = False,
        calibration: ScoreCalibration | None = None,
    ) -> None:
        """Take a network of prepared features.

        The inputs are computed in double precision, as `Preprocessing` does: one that differs in its last digit may be
        on the other side of a tree's threshold, and a large one moves a score.

        for_trees: give logits and inputs, for boosted trees to be added. calibration: give probabilities beside scores.
        """
        super().__init__()
        self.network, self.for_trees = network, for_trees
        self.calibration = None if calibration is None else CalibratedLogits(calibration)
        self.precision = precision = torch.float64
        self.has_logs = bool(len(preprocessing.logged))
        x_knots, z_knots = (
            torch.from_numpy(knots).to(precision) for knots in (preprocessing.x_knots, preprocessing.z_knots)
        )
        width = x_knots.diff(dim=1)
        clamped = torch.from_numpy(preprocessing.clamped)
        n_intervals = width.shape[1]
        log_scales = torch.ones(len(preprocessing.features), dtype=precision)
        log_scales[preprocessing.logged] = torch.from_numpy(preprocessing.log_scales).to(precision)
        constants = {
            "marks": _list_marks(problem, preprocessing),
            "fill": torch.from_numpy(preprocessing.fill),
            "starts": x_knots[:, :-1],
            "widths": torch.where(width > 0, width, 1.0),
            "rises": z_knots.diff(dim=1),
            "bases": z_knots[:, :-1],
            "is_clamped": clamped,
            "first_interval": torch.arange(len(preprocessing.features)) * n_intervals,
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
            self.register_buffer(name, tensor.clone(memory_format=torch.contiguous_format))

    def forward(self, features: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return scores [n] in (0, 1) of features float32 [n, d], then probabilities [n] where it is calibrated.

        For trees it returns logits [n] and inputs [n, d_in].
        """
        undefined = ~(features.abs() <= LARGEST)
        for number in range(self.marks.shape[0]):  # without marks, a loop over the rows could not be read back
            undefined = undefined | (features == self.marks[number])
        x = torch.where(undefined, self.fill, features)
        mapped = self._map(x)[:, self.mapped]
        blocks = [mapped, *self._turn(x, undefined), *self._find_levels(x, undefined), undefined[:, self.indicated]]
        inputs = torch.cat([block.float() for block in blocks], dim=1)
        logits: Tensor = self.network(inputs).reshape(-1)
        if self.for_trees:
            return logits.float(), inputs
        score = logits.sigmoid().float()
        return score if self.calibration is None else (score, self.calibration(logits))

    def _map(self, x: Tensor) -> Tensor:
        """Return all features [n, d] through logarithms and piecewise-linear functions."""
        if self.has_logs:
            wide = x.to(self.precision)
            logarithm = wide.sign() * (1 + wide.abs() / self.log_scales).log()
            x = torch.where(self.is_logged, logarithm, wide)
        # Count knots and take one interval: to compute all of them in double precision takes several times as long.
        wide = x.to(self.precision)
        n_below = (wide[:, :, None] >= self.starts).float().sum(2).long()
        interval = self.first_interval + torch.where(self.is_clamped, (n_below - 1).clamp(min=0), 0)
        start, width, rise, base = (
            knots.flatten()[interval] for knots in (self.starts, self.widths, self.rises, self.bases)
        )
        share = (wide - start) / width
        return base + rise * torch.where(self.is_clamped, share.clamp(0.0, 1.0), share)

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


class CalibratedLogits(nn.Module):
    """What `ScoreCalibration.apply` does, from logits [n] of scores to probabilities float32 [n]."""

    starts: Tensor
    widths: Tensor
    rises: Tensor
    first: Tensor

    def __init__(self, calibration: ScoreCalibration) -> None:
        super().__init__()
        self.has_knots = len(calibration.knots) > 1
        knots, values = torch.from_numpy(calibration.knots), torch.from_numpy(calibration.values)
        slope, offset = calibration.slope, calibration.offset
        if len(knots) == 1:
            slope, offset = 0.0, float(values[0])
        for name, numbers in {
            "starts": knots[:-1] if self.has_knots else torch.tensor([0.0]),
            "widths": knots.diff() if self.has_knots else torch.tensor([1.0]),
            "rises": values.diff() if self.has_knots else torch.tensor([slope]),
            "first": (values[0] if self.has_knots else torch.tensor(offset)) + calibration.shift,
        }.items():
            self.register_buffer(name, numbers.double().clone())

    def forward(self, logits: Tensor) -> Tensor:
        """Return probabilities [n]."""
        share = (logits.double().clamp(-LARGEST_LOGIT, LARGEST_LOGIT)[:, None] - self.starts) / self.widths
        if self.has_knots:
            share = share.clamp(0.0, 1.0)
        return (self.first + (share * self.rises).sum(1)).sigmoid().float()


class BlendedTensors(nn.Module):
    """A `Blend` whose trees are tensors, so that PyTorch alone computes it: logits [n] of inputs [n, d_in]."""

    def __init__(self, blend: Blend) -> None:
        super().__init__()
        self.network, self.share = blend.network, blend.share
        self.trees = nn.ModuleList(TreeTensors(trees) for trees in blend.trees)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits [n]."""
        of_trees = torch.stack([trees(x) for trees in self.trees], dim=-1)
        weights = torch.full_like(of_trees[0], 1 / len(self.trees))
        mean = compute_mean_logits(of_trees, weights)
        logits: Tensor = self.network(x).reshape(-1)
        return (1 - self.share) * logits + self.share * mean.to(logits)


class TreeTensors(nn.Module):
    """Boosted trees as tensors: each event goes down all trees at once, one level after the other."""

    features: Tensor
    thresholds: Tensor
    left: Tensor
    right: Tensor
    values: Tensor
    roots: Tensor

    def __init__(self, trees: BoostedTrees) -> None:
        super().__init__()
        starts = np.repeat(np.cumsum(trees.sizes) - trees.sizes, trees.sizes)
        own, is_leaf = np.arange(len(trees.features)), trees.features == LEAF
        children = {"left": trees.left, "right": trees.right}
        constants = {name: np.where(is_leaf, own, starts + places) for name, places in children.items()}
        constants |= {"features": np.maximum(trees.features, 0).astype(np.int64), "roots": np.unique(starts)}
        constants |= {"thresholds": trees.thresholds, "values": trees.values}
        for name, array in constants.items():
            self.register_buffer(name, torch.from_numpy(np.array(array)))
        self.depth, self.offset = _find_depth(constants["left"], constants["right"], constants["roots"]), trees.offset

    def forward(self, x: Tensor) -> Tensor:
        """Return log odds, float64 [n], of inputs [n, d_in]."""
        wide = x.double()
        nodes = self.roots.expand(x.shape[0], -1)  # `len` would be taken for a constant
        for _ in range(self.depth):
            goes_left = wide.gather(1, self.features[nodes]) <= self.thresholds[nodes]
            nodes = torch.where(goes_left, self.left[nodes], self.right[nodes])
        return self.values[nodes].sum(1) + self.offset


def _find_depth(left: np.ndarray, right: np.ndarray, roots: np.ndarray) -> int:
    """Return how many steps lead from a root to its farthest leaf; a leaf is its own child."""
    nodes, depth = roots, 0
    while len(nodes):
        children = np.unique(np.concatenate([left[nodes], right[nodes]]))
        nodes = np.setdiff1d(children, nodes)
        depth += 1
    return depth


def build_exported(
    plain: nn.Module, preprocessing: Preprocessing, problem: Problem, calibration: ScoreCalibration | None = None
) -> ExportedNetwork:
    """Return what a predictor does as one module of PyTorch, trees too, ready to score features float32 [n, d].

    Args:
        plain: What `load_network` returned.
        preprocessing: From features to inputs.
        problem: What stands for undefined.
        calibration: From scores to probabilities; None for scores alone.
    """
    network = BlendedTensors(plain) if isinstance(plain, Blend) else plain
    return ExportedNetwork(network, preprocessing, problem, calibration=calibration).eval()


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


def draw_extremes(preprocessing: Preprocessing) -> Tensor:
    """Return features float32 [m, d] far outside of training, all or one of them by 10 or 100 widths, or undefined."""
    x_knots = torch.from_numpy(preprocessing.x_knots)
    low, high = x_knots[:, 0], x_knots[:, -1]
    middle, width = (low + high) / 2, high - low
    for place, scale in zip(preprocessing.logged, preprocessing.log_scales, strict=True):
        middle[place], width[place] = 0.0, float(scale) * width[place].abs().clamp(max=20).expm1()
    steps = torch.tensor([-100.0, -10.0, 10.0, 100.0])
    together = middle + steps[:, None] * width
    alone = middle + (steps[:, None, None] * torch.eye(len(low)) * width).flatten(0, 1)
    unknown = torch.full((1, len(low)), torch.nan)
    features = torch.cat([together, alone, middle[None], unknown])
    features[:, preprocessing.categories] = -1.0
    return features.clamp(-LARGEST, LARGEST)
