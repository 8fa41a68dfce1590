"""Tables that warm starts are chosen by: simulations, and real events that come with scikit-learn. None is a study's.

Each is features [n, d] and whether an event is signal [n]. `HELD_OUT` have no part in the choice: searches are
compared on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from tuner.events import Resonance
from tuner.events.reading import read_events
from tuner.events.simulation import FEATURES, NO_JET
from tuner.preparation.settings import Preparation
from tuner.preparation.splits import Splits, prepare_splits
from tuner.problem import Problem

Events = tuple[np.ndarray | pd.DataFrame, np.ndarray]
"""Features [n, d], and which events are signal [n]."""

N_TEST = 8_000
"""Test events of a simulation: they cost next to nothing, and make its figures sharp."""


@dataclass(frozen=True)
class Table:
    """Where events of two classes come from."""

    draw: Callable[[int, np.random.Generator], Events]
    """Return n events."""
    n_train: int = 0
    """Events to train on, and a third as many to validate; 0 for a real table, of which half and a quarter are."""

    def prepare(self, seed: int = 0) -> Splits:
        """Return the prepared parts."""
        problem, preparation = self.frame(seed)
        return prepare_splits(read_events(problem), problem, preparation)

    def frame(self, seed: int = 0) -> tuple[Problem, Preparation]:
        """Return the events with their question, and how they are split."""
        n_validation = self.n_train // 3
        x, y = self.draw(self.n_train + n_validation + N_TEST, np.random.default_rng(seed))
        table = pd.DataFrame(x).rename(columns=str).assign(label=np.where(y, "s", "b"))
        problem = Problem(question="Which?", events=table, label="label", signal="s", undefined=NO_JET)
        counts = (self.n_train, n_validation, N_TEST) if self.n_train else None
        return problem, Preparation(counts=counts, fractions=(0.5, 0.25, 0.25), seed=seed)


def draw_resonance(n: int, rng: np.random.Generator, *, resolution: float, purity: float = 1.0) -> Events:
    """Return the lepton pairs of `Resonance` with blurred momenta; of signal, 1 - purity is background in truth."""
    events = Resonance(n, seed=int(rng.integers(2**31))).read()
    x, y = events[list(FEATURES)].astype(float), (events["label"] == "signal").to_numpy()
    x[["lepton1_pt", "lepton2_pt"]] *= rng.lognormal(0, resolution, (n, 2))
    relabelled = ~y & (rng.random(n) < (1 - purity) / purity)
    return x, y | relabelled


def draw_momenta(n: int, rng: np.random.Generator, *, resolution: float) -> Events:
    """Return the lepton pairs as Cartesian momenta and energies, without the jet."""
    x, y = draw_resonance(n, rng, resolution=resolution)
    columns = [
        column
        for pt, eta, phi in np.split(np.asarray(x)[:, :6].T, 2)
        for column in (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    ]
    return np.stack(columns, axis=1), y


def draw_gaussians(n: int, rng: np.random.Generator, *, d: int, distance: float, same: bool) -> Events:
    """Return two Gaussians with correlated features, with the same covariance or not: the optimum is known."""
    y = rng.random(n) < 0.5
    of_background = rng.normal(size=(d, d)) / np.sqrt(d)
    of_signal = of_background if same else of_background + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d)
    z = rng.normal(size=(n, d))
    z[y] += distance / np.sqrt(d)
    return np.where(y[:, None], z @ of_signal, z @ of_background), y


def draw_rings(n: int, rng: np.random.Generator, *, d: int) -> Events:
    """Return signal in a shell between two of background."""
    y = rng.random(n) < 0.5
    direction = rng.normal(size=(n, d))
    inner = rng.random(n) < 0.5
    radius = np.where(y, 2.0, np.where(inner, 1.0, 3.0)) + 0.35 * rng.normal(size=n)
    return direction / np.linalg.norm(direction, axis=1, keepdims=True) * radius[:, None], y


def draw_checkerboard(n: int, rng: np.random.Generator, *, d: int, d_board: int, cells: int) -> Events:
    """Return the colours of a checkerboard in the first of d features, a tenth of them wrong."""
    x = rng.random((n, d))
    colour = np.floor(cells * x[:, :d_board]).sum(1) % 2 == 1
    return x, colour ^ (rng.random(n) < 0.1)


def draw_heavy_tails(n: int, rng: np.random.Generator, *, d: int) -> Events:
    """Return features of scales from 1e-4 to 1e5 with heavy tails, which differ in scale, place and correlation."""
    y = rng.random(n) < 0.5
    z = rng.standard_t(2.5, size=(n, d)) * np.where(y[:, None], rng.uniform(0.8, 1.4, d), 1.0)
    z += y[:, None] * rng.normal(0, 0.25, d)
    z[:, 0] += 0.7 * np.where(y, z[:, 1], -z[:, 1])
    z[:, 2::3] = np.exp(z[:, 2::3].clip(-20, 20))
    return z * np.logspace(-4, 5, d), y


def draw_missing(n: int, rng: np.random.Generator, *, d: int) -> Events:
    """Return mixtures of three Gaussians a class, of which values are undefined, more often for background."""
    y = rng.random(n) < 0.5
    centres = rng.normal(0, 0.8, size=(2, 3, d))
    x = centres[y.astype(int), rng.integers(3, size=n)] + rng.normal(size=(n, d))
    share = rng.uniform(0, 0.4, d) * np.where(y[:, None], 0.7, 1.0)
    return np.where(rng.random((n, d)) < share, NO_JET, x), y


def draw_counts(n: int, rng: np.random.Generator, *, d: int) -> Events:
    """Return Poisson counts whose means follow from two hidden numbers, otherwise in each class."""
    y = rng.random(n) < 0.5
    hidden = rng.normal(size=(n, 2))
    loads = rng.normal(0, 0.5, size=(2, 2, d))
    means = np.exp(1 + np.einsum("nh,nhd->nd", hidden, loads[y.astype(int)]) + 0.1 * y[:, None] * rng.normal(size=d))
    return rng.poisson(means.clip(0, 1e4)).astype(float), y


def draw_friedman(n: int, rng: np.random.Generator, *, d: int) -> Events:
    """Return classes whose log odds are Friedman's first function of five of d features."""
    x = rng.random((n, d))
    f = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, rng.random(n) < 1 / (1 + np.exp(14.4 - f))


def read_breast_cancer(n: int, rng: np.random.Generator) -> Events:
    """Return the 569 tumours that come with scikit-learn."""
    del n, rng
    x, y = load_breast_cancer(return_X_y=True)
    return x, y == 1


def read_digits(n: int, rng: np.random.Generator) -> Events:
    """Return the 1,797 images of digits that come with scikit-learn: odd or even."""
    del n, rng
    x, y = load_digits(return_X_y=True)
    return x[:, x.any(axis=0)], y % 2 == 1


TABLES: dict[str, Table] = {
    "resonance, 5 % resolution": Table(lambda n, rng: draw_resonance(n, rng, resolution=0.05), 6_000),
    "resonance, 20 % resolution": Table(lambda n, rng: draw_resonance(n, rng, resolution=0.2), 3_000),
    "resonance, 70 % purity": Table(lambda n, rng: draw_resonance(n, rng, resolution=0.02, purity=0.7), 6_000),
    "Gaussians, two covariances": Table(lambda n, rng: draw_gaussians(n, rng, d=12, distance=0.6, same=False), 4_500),
    "Gaussians, one covariance": Table(lambda n, rng: draw_gaussians(n, rng, d=20, distance=1.5, same=True), 1_500),
    "rings": Table(lambda n, rng: draw_rings(n, rng, d=6), 4_500),
    "checkerboard": Table(lambda n, rng: draw_checkerboard(n, rng, d=5, d_board=2, cells=4), 6_000),
    "heavy tails": Table(lambda n, rng: draw_heavy_tails(n, rng, d=9), 4_500),
    "missing values": Table(lambda n, rng: draw_missing(n, rng, d=12), 3_000),
    "counts": Table(lambda n, rng: draw_counts(n, rng, d=10), 3_000),
    "Friedman": Table(lambda n, rng: draw_friedman(n, rng, d=10), 6_000),
    "breast cancer": Table(read_breast_cancer),
    "digits": Table(read_digits),
}

HELD_OUT: dict[str, Table] = {"momenta": Table(lambda n, rng: draw_momenta(n, rng, resolution=0.08), 9_000)}
