"""Preprocessing: from features as they were read to inputs of a network, fitted on the train part only.

It is four operations that any framework has: fill what is undefined, map each feature through a piecewise-linear
function, take azimuths from an axis, append indicators. So it can travel inside an exported network.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from tuner.checked_files import RESTORE, expect_form, read_archive
from tuner.errors import SplitsError, name_all
from tuner.preparation.azimuths import find_azimuths, locate_azimuths, turn_azimuths

if TYPE_CHECKING:
    import pandas as pd

    from tuner.preparation.settings import Preparation


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Maps features [n, d] to inputs float32 [n, d_in].

    First come all features but the azimuths, `interp(x_i, x_knots[i], z_knots[i])`, where not-a-number in x_i was
    replaced by `fill[i]` before; then the cosines and the sines of the azimuths' angles to their axis
    (`tuner.preparation.azimuths`); then an indicator for each `indicated` feature, 1 where it was not-a-number, else 0.
    """

    features: tuple[str, ...]
    """Names of the features, in order."""
    fill: np.ndarray
    """What stands for not-a-number, float32 [d]: the median of the train part."""
    x_knots: np.ndarray
    """Values of features, float32 [d, k], rising; a feature with fewer knots repeats its last."""
    z_knots: np.ndarray
    """What they are mapped to, float32 [d, k]."""
    clamped: bool
    """Values beyond the outer knots are mapped like these. If False there are two knots, and one straight line."""
    indicated: np.ndarray
    """Features that have an indicator, int64 [m], by their index in `features`."""
    azimuths: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Features that are azimuths, int64 [a], by their index in `features`, the axis first; empty if there are none."""

    @property
    def d_in(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @cached_property
    def mapped(self) -> np.ndarray:
        """Features that are mapped, int64, by their index in `features`: all but the azimuths."""
        return np.setdiff1d(np.arange(len(self.features)), self.azimuths)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        mapped = [self.features[i] for i in self.mapped]
        turned = [f"{function}({angle})" for function in ("cos", "sin") for angle in self.angles.values()]
        return (*mapped, *turned, *(f"{self.features[i]} is undefined" for i in self.indicated))

    @property
    def angles(self) -> dict[int, str]:
        """The azimuths' angles to their axis by index in `features`: "phi_2 - phi_1"."""
        return {int(i): f"{self.features[i]} - {self.features[self.azimuths[0]]}" for i in self.azimuths[1:]}

    def describe_azimuths(self) -> str:
        """Return which azimuths are taken from which axis, as a phrase; an empty one where there are none."""
        if not len(self.azimuths):
            return ""
        axis, *others = (self.features[i] for i in self.azimuths)
        return f"{', '.join(others)}: cosine and sine of the angle to {axis}"

    def list_columns(self) -> dict[str, list[int]]:
        """Return the columns of the inputs that belong to each feature, its indicator's among them.

        An azimuth stands as its angle to the axis, "phi_2 - phi_1". The axis is in none by itself: what it tells is in
        these angles, each of which is there once.
        """
        angles, axis = self.angles, set(self.azimuths[:1]) - set(self.indicated)
        names = {i: angles.get(i, name) for i, name in enumerate(self.features) if i not in axis}
        columns: dict[str, list[int]] = {name: [] for name in names.values()}
        for column, i in enumerate(self.mapped):
            columns[names[i]].append(column)
        n_angles = len(angles)
        for k, i in enumerate(angles, start=len(self.mapped)):
            columns[names[i]] += [k, k + n_angles]
        for column, i in enumerate(self.indicated, start=len(self.mapped) + 2 * n_angles):
            columns[names[i]].append(column)
        return columns

    def transform(self, table: np.ndarray | pd.DataFrame) -> np.ndarray:
        """Return inputs float32 [n, d_in] of features: an array [n, d] in order, or a table in any order.

        Raise `SplitsError` where a feature is missing.
        """
        values = self._arrange(table)
        inputs = np.empty((len(values), self.d_in), np.float32)
        for index, i in enumerate(self.mapped):
            column = np.asarray(values[:, i], np.float32)
            filled = np.where(np.isnan(column), self.fill[i], column)
            inputs[:, index] = self._map(filled, self.x_knots[i], self.z_knots[i])
        first_indicator = self.d_in - len(self.indicated)
        if len(self.azimuths):
            inputs[:, len(self.mapped) : first_indicator] = turn_azimuths(values, self.azimuths)
        inputs[:, first_indicator:] = np.isnan(values[:, self.indicated])
        return inputs

    def save(self, path: Path) -> None:
        """Write a .npz file."""
        np.savez(
            path,
            features=np.array(self.features, dtype=np.str_),
            fill=self.fill,
            x_knots=self.x_knots,
            z_knots=self.z_knots,
            clamped=self.clamped,
            indicated=self.indicated,
            azimuths=self.azimuths,
        )

    @classmethod
    def load(cls, path: Path, *, advice: str = RESTORE) -> Preprocessing:
        """Read what `save` wrote. Raise `DamagedFileError`, with this advice."""
        archive = io.BytesIO(read_archive(path, advice=advice))
        with expect_form(path, advice=advice), np.load(archive, allow_pickle=False) as arrays:
            content: dict[str, Any] = dict(arrays)
            if missing := {kept.name for kept in fields(cls)} - content.keys():
                raise ValueError(f"it is of an older version, without {name_all(sorted(missing))}")
            content["features"] = tuple(content["features"].tolist())
            return cls(**content | {"clamped": bool(content["clamped"])})

    def _arrange(self, table: np.ndarray | pd.DataFrame) -> np.ndarray:
        """Return the features as an array [n, d], in order."""
        if not isinstance(table, np.ndarray):
            if missing := [name for name in self.features if name not in table.columns]:
                raise SplitsError(f"Features must be those of training, but there is no {name_all(missing)}.")
            table = table[list(self.features)].to_numpy()
        if table.ndim != 2 or table.shape[1] != len(self.features):
            raise SplitsError(f"Features must be an array [n, {len(self.features)}], but have shape {table.shape}.")
        return table

    def _map(self, x: np.ndarray, x_knots: np.ndarray, z_knots: np.ndarray) -> np.ndarray:
        """Return the piecewise-linear function of x [n] that goes through the knots [k]."""
        if self.clamped:
            return np.asarray(np.interp(x, x_knots, z_knots))
        start, end = x_knots[:2].astype(np.float64)
        return np.asarray(z_knots[0] + (z_knots[1] - z_knots[0]) * ((x - start) / (end - start)))


def fit_preprocessing(values: np.ndarray, features: tuple[str, ...], preparation: Preparation) -> Preprocessing:
    """Fit on features [n, d] of the train part, not-a-number where undefined. Event weights do not enter.

    Raise `SplitsError` where azimuths that the preparation names are no angles in radian.
    """
    if preparation.azimuths == "auto":
        azimuths = find_azimuths(values, features)
    else:
        azimuths = locate_azimuths(values, features, preparation.azimuths)
    knots, fill = [], np.zeros(len(features), np.float32)
    for i in range(len(features)):
        defined = values[~np.isnan(values[:, i]), i].astype(np.float32)
        if len(defined) == 0:
            defined = np.zeros(1, np.float32)
        fill[i] = np.median(defined)
        knots.append(_find_knots(defined, preparation))
    n_knots = max(len(x) for x, _ in knots)
    padded = np.array([[np.pad(k, (0, n_knots - len(k)), mode="edge") for k in pair] for pair in knots], np.float32)
    undefined = np.isnan(values).mean(axis=0)
    return Preprocessing(
        features=features,
        fill=fill,
        x_knots=padded[:, 0],
        z_knots=padded[:, 1],
        clamped=preparation.scaling == "quantile",
        indicated=np.flatnonzero((undefined > 0) & (undefined < 1)),
        azimuths=azimuths,
    )


def _find_knots(defined: np.ndarray, preparation: Preparation) -> tuple[np.ndarray, np.ndarray]:
    """Return knots x and z of one feature from its defined train values [n]."""
    if preparation.scaling == "quantile":
        return _find_quantile_knots(defined, preparation.n_quantiles)
    if preparation.scaling == "none":
        return np.array([0, 1], np.float32), np.array([0, 1], np.float32)
    mean, sd = defined.mean(dtype=np.float64), defined.std(dtype=np.float64)
    lower, upper = np.array([mean, mean + (sd or 1)], np.float32)
    return np.array([lower, max(upper, np.nextafter(lower, np.float32(np.inf)))]), np.array([0, 1], np.float32)


def _find_quantile_knots(defined: np.ndarray, n_quantiles: int) -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles, each once, and the normal score of each: of the middle of its levels where it has several.

    The outermost scores are those of the levels 1/2n and 1 - 1/2n.
    """
    n = len(defined)
    levels = np.linspace(0, 1, min(n_quantiles, n) if n > 1 else 2)
    quantiles = np.quantile(defined, levels).astype(np.float32)
    x, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
    middle = (levels[first] + levels[first + counts - 1]) / 2
    normal = NormalDist()
    z = [normal.inv_cdf(level) for level in np.clip(middle, 0.5 / n, 1 - 0.5 / n)]
    return x, np.array(z, np.float32)
