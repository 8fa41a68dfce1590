"""Preprocessing: from features as they were read to inputs of a network, fitted on the train part only.

It is a few operations that any framework has: fill what is undefined, take signed logarithms, map each feature through
a piecewise-linear function, take cosines and sines, compare categories with their values, append indicators. So it can
travel inside an exported network.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.checked_files import RESTORE, expect_form, read_archive
from tuner.errors import SplitsError, name_all
from tuner.events.angles import TURNS
from tuner.preparation.azimuths import turn_angles, turn_azimuths
from tuner.preparation.transformations import (
    choose_transformations,
    find_knots,
    find_log_scale,
    take_log,
)

if TYPE_CHECKING:
    import pandas as pd

    from tuner.preparation.settings import Preparation

MIN_CATEGORY = 10
"""Train events that a value of a category needs for an input of its own."""


def _none() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Maps features [n, d] to inputs float32 [n, d_in].

    First come the features that are mapped, `interp(x_i, x_knots[i], z_knots[i])`, where not-a-number in x_i was
    replaced by `fill[i]`, and then `logged` ones by sign(x) log(1 + |x| / s), before. Next the cosines, then the sines,
    of the azimuths' angles to their axis, and of the other angles (`tuner.preparation.azimuths`). Next for each
    category a 1 for the value that it has, else 0, and one input for all values that have none of their own, those that
    train never held among them. Last an indicator for each `indicated` feature, 1 where it was not-a-number, else 0.

    Where a category is undefined all of its inputs are 0; if it never was in train, it counts as any other value.
    """

    features: tuple[str, ...]
    """Names of the features, in order."""
    fill: np.ndarray
    """What stands for not-a-number, float32 [d]: the median of the train part."""
    x_knots: np.ndarray
    """Values of features, float32 [d, k], rising, after any logarithm; one with fewer knots repeats its last."""
    z_knots: np.ndarray
    """What they are mapped to, float32 [d, k]."""
    clamped: np.ndarray
    """Bool [d]: values beyond the outer knots are mapped like these. Else there are two knots, and a straight line."""
    indicated: np.ndarray
    """Features that have an indicator, int64 [m], by their index in `features`."""
    azimuths: np.ndarray = field(default_factory=_none)
    """Features that are azimuths, int64 [a], by their index in `features`, the axis first; empty if there are none."""
    logged: np.ndarray = field(default_factory=_none)
    """Features that are taken by their signed logarithm, int64, by their index in `features`."""
    log_scales: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """s of the logarithm of each, float32."""
    angles: np.ndarray = field(default_factory=_none)
    """Features that become cosine and sine of themselves, int64, by their index in `features`."""
    turns: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float64))
    """What a full turn of each is, float64: 2 pi or 360."""
    categories: np.ndarray = field(default_factory=_none)
    """Features that are categories, int64 [c], by their index in `features`."""
    levels: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """Values of each category that have an input, float32 [c, l], rising, then not-a-number."""
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Texts of each category of texts: its value is the place of a text in them, or -1 for any other text."""

    @property
    def d_in(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @cached_property
    def mapped(self) -> np.ndarray:
        """Features that are mapped, int64, by their index in `features`: no azimuths, angles, categories."""
        return np.setdiff1d(np.arange(len(self.features)), [*self.azimuths, *self.angles, *self.categories])

    @cached_property
    def _inputs_of(self) -> list[tuple[str, int]]:
        """Name of each input, and the feature that it belongs to, by its index in `features`."""
        names = self.features
        inputs = [(names[i], int(i)) for i in self.mapped]
        for angles in (self.between, {int(i): names[i] for i in self.angles}):
            inputs += [(f"{function}({angle})", i) for function in ("cos", "sin") for i, angle in angles.items()]
        for i, levels in zip(self.categories, self.list_levels(), strict=True):
            inputs += [(f"{names[i]} = {level}", int(i)) for level in levels]
        return inputs + [(f"{names[i]} is undefined", int(i)) for i in self.indicated]

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(name for name, _ in self._inputs_of)

    def list_levels(self) -> list[list[str]]:
        """Return what each input of each category stands for: a value, or "other"."""
        listed = []
        for i, levels in zip(self.categories, self.levels, strict=True):
            texts = self.codes.get(self.features[i])
            values = levels[~np.isnan(levels)]
            listed.append([*(f"{value:g}" if texts is None else texts[int(value)] for value in values), "other"])
        return listed

    @cached_property
    def between(self) -> dict[int, str]:
        """The azimuths' angles to their axis by index in `features`: "phi_2 - phi_1"."""
        return {int(i): f"{self.features[i]} - {self.features[self.azimuths[0]]}" for i in self.azimuths[1:]}

    def describe_azimuths(self) -> str:
        """Return which azimuths are taken from which axis, as a phrase; an empty one where there are none."""
        if not len(self.azimuths):
            return ""
        axis, *others = (self.features[i] for i in self.azimuths)
        return f"{', '.join(others)}: cosine and sine of the angle to {axis}"

    def describe(self) -> dict[str, str]:
        """Return which features are not simply scaled, as phrases, by what is done with them; no entry for none."""
        listed = zip(self.categories, self.list_levels(), strict=True)
        told = {
            "azimuths": self.describe_azimuths(),
            "angles": self._name(self.angles, ": cosine and sine"),
            "long tails": self._name(self.logged, ": signed logarithm"),
            "categories": "; ".join(f"{self.features[i]}: {', '.join(levels)}" for i, levels in listed),
        }
        return {name: text for name, text in told.items() if text}

    def _name(self, places: np.ndarray, what: str) -> str:
        return ", ".join(self.features[i] for i in places) + what if len(places) else ""

    def list_columns(self) -> dict[str, list[int]]:
        """Return the columns of the inputs that belong to each feature, its indicator's among them.

        An azimuth stands as its angle to the axis, "phi_2 - phi_1". The axis is in none by itself: what it tells is in
        these angles, each of which is there once.
        """
        between, axis = self.between, set(self.azimuths[:1]) - set(self.indicated)
        names = {i: between.get(i, name) for i, name in enumerate(self.features) if i not in axis}
        columns: dict[str, list[int]] = {name: [] for name in names.values()}
        for column, (_, i) in enumerate(self._inputs_of):
            columns[names[i]].append(column)
        return columns

    def transform(self, table: np.ndarray | pd.DataFrame) -> np.ndarray:
        """Return inputs float32 [n, d_in] of features: an array [n, d] in order, or a table in any order.

        Raise `SplitsError` where a feature is missing.
        """
        values = self._arrange(table)
        inputs = np.empty((len(values), self.d_in), np.float32)
        column = 0
        for block in self._compute_blocks(values):
            width = 1 if block.ndim == 1 else block.shape[1]
            inputs[:, column : column + width] = block.reshape(len(values), width)
            column += width
        return inputs

    def _compute_blocks(self, values: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the inputs in their order, a few columns at a time, of features [n, d]."""
        scales = dict(zip(self.logged.tolist(), self.log_scales, strict=True))
        for i in self.mapped.tolist():
            x = np.asarray(values[:, i], np.float32)
            x = np.where(np.isnan(x), self.fill[i], x)
            yield self._map(take_log(x, scales[i]) if i in scales else x, i)
        if len(self.azimuths):
            yield turn_azimuths(values, self.azimuths)
        if len(self.angles):
            yield turn_angles(values[:, self.angles], self.turns)
        for i, levels in zip(self.categories, self.levels, strict=True):
            x = np.asarray(values[:, i], np.float32)[:, None]
            is_level = x == levels[~np.isnan(levels)]
            yield is_level
            yield ~(is_level.any(axis=1, keepdims=True) | (np.isnan(x) & (i in self.indicated)))
        yield np.isnan(values[:, self.indicated])

    def save(self, path: Path) -> None:
        """Write a .npz file."""
        content = {kept.name: getattr(self, kept.name) for kept in fields(self)}
        names = np.array(self.features, dtype=np.str_)
        np.savez(path, **content | {"features": names, "codes": np.array(json.dumps(self.codes))})

    @classmethod
    def load(cls, path: Path, *, advice: str = RESTORE) -> Preprocessing:
        """Read what `save` wrote. Raise `DamagedFileError`, with this advice."""
        archive = io.BytesIO(read_archive(path, advice=advice))
        with expect_form(path, advice=advice), np.load(archive, allow_pickle=False) as arrays:
            content: dict[str, Any] = dict(arrays)
            if differing := {kept.name for kept in fields(cls)} ^ content.keys():
                raise ValueError(f"it is of another version, which differs in {name_all(sorted(differing))}")
            content["features"] = tuple(content["features"].tolist())
            content["codes"] = {name: tuple(texts) for name, texts in json.loads(str(content["codes"])).items()}
            return cls(**content)

    def _arrange(self, table: np.ndarray | pd.DataFrame) -> np.ndarray:
        """Return the features as an array [n, d], in order."""
        if not isinstance(table, np.ndarray):
            if missing := [name for name in self.features if name not in table.columns]:
                raise SplitsError(f"Features must be those of training, but there is no {name_all(missing)}.")
            table = table[list(self.features)].to_numpy()
        if table.ndim != 2 or table.shape[1] != len(self.features):
            raise SplitsError(f"Features must be an array [n, {len(self.features)}], but have shape {table.shape}.")
        return table

    def _map(self, x: np.ndarray, i: int) -> np.ndarray:
        """Return the piecewise-linear function of x [n] that goes through the knots of feature i."""
        x_knots, z_knots = self.x_knots[i], self.z_knots[i]
        if self.clamped[i]:
            return np.asarray(np.interp(x, x_knots, z_knots))
        start, end = x_knots[:2].astype(np.float64)
        return np.asarray(z_knots[0] + (z_knots[1] - z_knots[0]) * ((x - start) / (end - start)))


def fit_preprocessing(
    values: np.ndarray,
    features: tuple[str, ...],
    preparation: Preparation,
    *,
    categories: Collection[str] = (),
    codes: Mapping[str, tuple[str, ...]] | None = None,
) -> Preprocessing:
    """Fit on the train part. Event weights do not enter.

    Args:
        values: Features [n, d], not-a-number where undefined; texts of categories as their codes.
        features: Their names.
        preparation: How they are transformed.
        categories: Names of those that are categories, of numbers or of texts.
        codes: Texts of categories of texts, by name: a code is a text's place in them.

    Raises:
        SplitsError: Where something is asked of a feature that cannot be done, or of none.
    """
    choice = choose_transformations(values, features, preparation, categories)
    knots, fill, log_scales = [], np.zeros(len(features), np.float32), {}
    for i, kind in enumerate(choice.kinds):
        defined = values[~np.isnan(values[:, i]), i].astype(np.float32)
        if len(defined) == 0:
            defined = np.zeros(1, np.float32)
        fill[i] = np.median(defined)
        if kind == "log":
            log_scales[i] = find_log_scale(defined)
            defined = take_log(defined, log_scales[i]).astype(np.float32)
        knots.append(find_knots(defined, preparation.scaling if kind == "azimuth" else kind, preparation.n_quantiles))
    n_knots = max(len(x) for x, _ in knots)
    padded = np.array([[np.pad(k, (0, n_knots - len(k)), mode="edge") for k in pair] for pair in knots], np.float32)
    undefined = np.isnan(values).mean(axis=0)
    angles, found = choice.find(*TURNS), choice.find("category")
    return Preprocessing(
        features=features,
        fill=fill,
        x_knots=padded[:, 0],
        z_knots=padded[:, 1],
        clamped=np.isin(np.arange(len(features)), choice.find("quantile")),
        indicated=np.flatnonzero((undefined > 0) & (undefined < 1)),
        azimuths=choice.azimuths,
        logged=choice.find("log"),
        log_scales=np.array([*log_scales.values()], np.float32),
        angles=angles,
        turns=np.array([TURNS[choice.kinds[i]] for i in angles], np.float64),
        categories=found,
        levels=_find_levels(values[:, found], preparation.max_categories),
        codes=dict(codes or {}),
    )


def _find_levels(values: np.ndarray, most: int) -> np.ndarray:
    """Return the values of categories [n, c] that get an input of their own, float32 [c, l].

    They are those of at least `MIN_CATEGORY` events, of these the most frequent.
    """
    kept = []
    for column in values.T:
        level, counts = np.unique(column[~np.isnan(column)].astype(np.float32), return_counts=True)
        frequent = np.argsort(-counts, kind="stable")[:most]
        frequent = np.sort(frequent[counts[frequent] >= MIN_CATEGORY])
        kept.append(level[frequent])
    width = max(map(len, kept), default=0)
    padded = [np.pad(level, (0, width - len(level)), constant_values=np.nan) for level in kept]
    return np.array(padded, np.float32).reshape(len(kept), width)
