"""Boosted trees as plain arrays, whichever package grew them: scored, saved and loaded without that package."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tuner.checked_files import RESTORE, expect_form, read_archive, write_atomically

LEAF = -1
"""Stands for the feature of a node that splits no more."""


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """Trees whose leaf values add up to the log odds of signal. All nodes of all trees stand in one row of arrays [m].

    An event goes to the left child where its input is at most the threshold. Inputs are defined: no not-a-number.
    """

    features: np.ndarray
    """The input that a node splits by, int32 [m]; `LEAF` in a leaf."""
    thresholds: np.ndarray
    """Float64 [m]; 0 in a leaf."""
    left: np.ndarray
    """The left child's place in its tree, int32 [m]; 0 in a leaf."""
    right: np.ndarray
    values: np.ndarray
    """What a leaf adds, float64 [m]; 0 elsewhere."""
    sizes: np.ndarray
    """Nodes of each tree, its root first, int64 [n_trees]."""
    offset: float = 0.0
    """Log odds before the first tree."""

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, field.name)) for field in fields(self) if field.name not in ("sizes", "offset")}
        if lengths != {self.sizes.sum()} or (self.sizes < 1).any():
            raise ValueError(f"the arrays of {self.sizes.sum()} nodes have {sorted(lengths)} entries")
        own, size = np.concatenate([np.arange(n) for n in self.sizes]), np.repeat(self.sizes, self.sizes)
        splits = self.features != LEAF
        for children in (self.left, self.right):
            if not ((children > own) & (children < size))[splits].all():
                raise ValueError("a node's child is not behind it in its tree")

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.sizes)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Return the probability of signal, float64 [n], for prepared inputs [n, d_in]."""
        from scipy.special import expit

        return np.asarray(expit(self.add_leaves(x)), np.float64)

    def add_leaves(self, x: np.ndarray) -> np.ndarray:
        """Return the log odds of signal, float64 [n], for prepared inputs [n, d_in]."""
        inputs = np.ascontiguousarray(x, np.float64)
        total = np.full(len(inputs), self.offset)
        no_categories = np.zeros((0, 8), np.uint32), np.zeros(0, np.uint32)
        for tree in self._predictors:
            total += tree.predict(inputs, *no_categories, 1)
        return total

    def take_first(self, n_trees: int) -> BoostedTrees:
        """Return the first trees alone."""
        n_nodes = int(self.sizes[:n_trees].sum())
        nodes = {name: getattr(self, name)[:n_nodes] for name in ("features", "thresholds", "left", "right", "values")}
        return BoostedTrees(**nodes, sizes=self.sizes[:n_trees], offset=self.offset)

    @cached_property
    def _predictors(self) -> list[Any]:
        """The trees as scikit-learn's own, which score a million events in seconds."""
        from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
        from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor

        nodes = np.zeros(len(self.features), PREDICTOR_RECORD_DTYPE)
        nodes["is_leaf"] = self.features == LEAF
        nodes["feature_idx"] = np.maximum(self.features, 0)
        nodes["num_threshold"], nodes["value"] = self.thresholds, self.values
        nodes["left"], nodes["right"] = self.left, self.right
        no_categories = np.zeros((0, 8), np.uint32)
        of_trees = np.split(nodes, np.cumsum(self.sizes)[:-1])
        return [TreePredictor(of_tree, no_categories, no_categories) for of_tree in of_trees]

    def __getstate__(self) -> dict[str, Any]:
        """Return the arrays alone for another process."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def save_trees(trees: Sequence[BoostedTrees], path: Path) -> None:
    """Write several boosted trees as one .npz file, whole or not at all."""
    arrays = {
        f"{number}-{field.name}": np.asarray(getattr(of_one, field.name))
        for number, of_one in enumerate(trees)
        for field in fields(BoostedTrees)
    }
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_atomically(path, content.getvalue())


def load_trees(path: Path, *, advice: str = RESTORE) -> tuple[BoostedTrees, ...]:
    """Return what `save_trees` wrote. Raise `DamagedFileError`, with this advice."""
    archive = io.BytesIO(read_archive(path, advice=advice))
    with expect_form(path, advice=advice), np.load(archive, allow_pickle=False) as arrays:
        numbers = sorted({int(name.partition("-")[0]) for name in arrays})
        found = [{f.name: arrays[f"{number}-{f.name}"] for f in fields(BoostedTrees)} for number in numbers]
        return tuple(BoostedTrees(**one | {"offset": float(one["offset"])}) for one in found)
