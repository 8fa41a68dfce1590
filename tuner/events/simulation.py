"""Physics of the simulated resonance: draw a lepton pair in its rest frame, boost it to the laboratory.

Energies, momenta and masses in GeV, angles in radian, c = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

MOMENTUM_SCALES: dict[str, float] = {"nominal": 1.0, "scale_up": 1.01, "scale_down": 0.99}
FEATURES = ("lepton1_pt", "lepton1_eta", "lepton1_phi", "lepton2_pt", "lepton2_eta", "lepton2_phi", "jet_pt")
OBSERVERS = ("mass", "log_likelihood_ratio")
COLUMNS = (*FEATURES, "label", "weight", *OBSERVERS)
CHUNK = 65_536
NO_JET = -999.0
MASS, WIDTH = 125.0, 6.0
LOWEST, HIGHEST, SLOPE = 60.0, 180.0, 45.0
CONTINUUM_NORM = SLOPE * (np.exp(-LOWEST / SLOPE) - np.exp(-HIGHEST / SLOPE))
JET_THRESHOLD = 25.0
CLASSES = pd.CategoricalDtype(["background", "signal"])


@dataclass(frozen=True)
class Process:
    """In what signal and background differ, beside mass and decay angle."""

    mean_pt: float
    """Mean transverse momentum of the pair, exponential."""
    sd_rapidity: float
    """Standard deviation of the pair's rapidity, Gaussian."""
    p_jet: float
    """Probability of a jet."""
    mean_jet: float
    """Mean transverse momentum of the jet above its threshold, exponential."""


SIGNAL = Process(mean_pt=45.0, sd_rapidity=1.0, p_jet=0.6, mean_jet=60.0)
BACKGROUND = Process(mean_pt=30.0, sd_rapidity=1.4, p_jet=0.4, mean_jet=35.0)


@dataclass(frozen=True)
class Decays:
    """What is generated, each [n]. Angles are those of the first lepton in the pair's rest frame."""

    mass: np.ndarray
    cosine: np.ndarray
    phi: np.ndarray
    pair_pt: np.ndarray
    rapidity: np.ndarray
    pair_phi: np.ndarray
    jet_pt: np.ndarray
    weight: np.ndarray


def simulate_table(n: int, columns: list[str], *, seed: int, variant: str) -> pd.DataFrame:
    """Return `n` events with the given columns, in their order. Features are float32, all others float64.

    variant: one of `MOMENTUM_SCALES`.
    """
    arrays: dict[str, np.ndarray] = {name: np.empty(n, _dtype(name)) for name in columns}
    start = 0
    for chunk in _simulate(n, seed, variant):
        stop = start + len(chunk["label"])
        for name, array in arrays.items():
            array[start:stop] = chunk[name]
        start = stop
    return _tabulate(arrays)


def simulate_chunks(n: int, *, seed: int, variant: str) -> Iterator[pd.DataFrame]:
    """Yield the same events in tables of at most `CHUNK`."""
    for chunk in _simulate(n, seed, variant):
        yield _tabulate({name: chunk[name].astype(_dtype(name)) for name in COLUMNS})


def compute_log_ratio(decays: Decays) -> np.ndarray:
    """Return ln(p_signal / p_background) of each event: the densities that do not cancel."""
    ratio: np.ndarray = _log_density(decays, SIGNAL) - _log_density(decays, BACKGROUND)
    return ratio


def _dtype(name: str) -> type:
    return np.float32 if name in FEATURES else np.int8 if name == "label" else np.float64


def _tabulate(arrays: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return columns as a table, the label as a category."""
    table = pd.DataFrame(arrays, copy=False)
    if "label" in arrays:
        table["label"] = pd.Categorical.from_codes(arrays["label"], dtype=CLASSES)
    return table


def _simulate(n: int, seed: int, variant: str) -> Iterator[dict[str, np.ndarray]]:
    """Yield columns of one chunk after the other, each with a generator of its own. Signal and background alternate."""
    scale = MOMENTUM_SCALES[variant]
    for number, of_chunk in enumerate(np.random.SeedSequence(seed).spawn(-(-n // CHUNK))):
        n_here = min(CHUNK, n - number * CHUNK)
        rng = np.random.default_rng(of_chunk)
        signal = _draw_events(rng, (n_here + 1) // 2, True, scale)
        yield _interleave(signal, _draw_events(rng, n_here // 2, False, scale))


def _interleave(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return columns whose rows alternate between those of the first and of the second."""
    mixed = {}
    for name, values in first.items():
        mixed[name] = np.empty(len(values) + len(second[name]), values.dtype)
        mixed[name][0::2], mixed[name][1::2] = values, second[name]
    return mixed


def _draw_events(rng: np.random.Generator, n: int, is_signal: bool, scale: float) -> dict[str, np.ndarray]:
    """Return columns of `n` events of one class, their momenta measured `scale` times too high."""
    decays = _draw_decays(rng, n, is_signal)
    features = _measure_leptons(decays, scale)
    features.append(np.where(decays.jet_pt == NO_JET, NO_JET, scale * decays.jet_pt))
    return dict(zip(FEATURES, features, strict=True)) | {
        "label": np.full(n, is_signal, np.int8),
        "weight": decays.weight,
        "mass": scale * decays.mass,
        "log_likelihood_ratio": compute_log_ratio(decays),
    }


def _draw_decays(rng: np.random.Generator, n: int, is_signal: bool) -> Decays:
    """Return `n` decays. The mass of background is generated flat and weighted back to its exponential."""
    process = SIGNAL if is_signal else BACKGROUND
    if is_signal:
        mass, weight = rng.normal(MASS, WIDTH, n), np.ones(n)
        # 3/8 (1 + c^2) has the distribution function (c^3 + 3c + 4) / 8 = u: a cubic with one real root.
        half = 2 - 4 * rng.random(n)
        root = np.sqrt(half**2 + 1)
        cosine = np.clip(np.cbrt(root - half) - np.cbrt(root + half), -1, 1)
    else:
        mass = rng.uniform(LOWEST, HIGHEST, n)
        weight = np.exp(-mass / SLOPE) / CONTINUUM_NORM * (HIGHEST - LOWEST)
        cosine = rng.uniform(-1, 1, n)
    return Decays(
        mass=mass,
        cosine=cosine,
        phi=rng.uniform(-np.pi, np.pi, n),
        pair_pt=rng.exponential(process.mean_pt, n),
        rapidity=rng.normal(0, process.sd_rapidity, n),
        pair_phi=rng.uniform(-np.pi, np.pi, n),
        jet_pt=np.where(rng.random(n) < process.p_jet, JET_THRESHOLD + rng.exponential(process.mean_jet, n), NO_JET),
        weight=weight,
    )


def _log_density(decays: Decays, process: Process) -> np.ndarray:
    """Return the log density of decays under one process; both angles phi are flat in both and left out."""
    if process is SIGNAL:
        log_mass = -0.5 * ((decays.mass - MASS) / WIDTH) ** 2 - np.log(WIDTH * np.sqrt(2 * np.pi))
        log_angle = np.log(3 / 8 * (1 + decays.cosine**2))
    else:
        log_mass = -decays.mass / SLOPE - np.log(CONTINUUM_NORM)
        log_angle = np.full_like(decays.cosine, np.log(1 / 2))
    log_pt = -decays.pair_pt / process.mean_pt - np.log(process.mean_pt)
    log_rapidity = -0.5 * (decays.rapidity / process.sd_rapidity) ** 2 - np.log(process.sd_rapidity)
    log_jet = np.where(
        decays.jet_pt == NO_JET,
        np.log(1 - process.p_jet),
        np.log(process.p_jet / process.mean_jet) - (decays.jet_pt - JET_THRESHOLD) / process.mean_jet,
    )
    log_density: np.ndarray = log_mass + log_angle + log_pt + log_rapidity + log_jet
    return log_density


def _measure_leptons(decays: Decays, scale: float) -> list[np.ndarray]:
    """Return pt, eta, phi of the leading, then of the subleading lepton, each [n]."""
    energy, sine = decays.mass / 2, np.sqrt(1 - decays.cosine**2)
    direction = np.stack([sine * np.cos(decays.phi), sine * np.sin(decays.phi), decays.cosine])
    transverse_mass = np.hypot(decays.mass, decays.pair_pt)
    # The pair's four-momentum over its mass: the boost's gamma, and gamma times its velocity.
    gamma = transverse_mass * np.cosh(decays.rapidity) / decays.mass
    gamma_beta = np.stack([
        decays.pair_pt * np.cos(decays.pair_phi),
        decays.pair_pt * np.sin(decays.pair_phi),
        transverse_mass * np.sinh(decays.rapidity),
    ]) / decays.mass  # fmt: skip
    leptons = []
    for momentum in (energy * direction, -energy * direction):
        along = (gamma_beta * momentum).sum(0)
        px, py, pz = momentum + gamma_beta * (along / (gamma + 1) + energy)
        pt = np.hypot(px, py)
        leptons.append(np.stack([scale * pt, np.arcsinh(pz / pt), np.arctan2(py, px)]))
    first, second = leptons
    first_leads = first[0] >= second[0]
    return [*np.where(first_leads, first, second), *np.where(first_leads, second, first)]
