"""The arrays that every figure of merit takes: labels, scores and event weights, checked once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tuner.errors import EventsError


class Arrays(NamedTuple):
    """Checked arrays, all [n]."""

    is_signal: np.ndarray
    """Bool."""
    scores: np.ndarray
    """Float64; higher is more signal-like."""
    weights: np.ndarray
    """Float64 event weights."""


def check_arrays(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> Arrays:
    """Return labels [n] in {0, 1}, scores [n] and event weights [n] (None: ones) as arrays that figures can be made of.

    Raise `EventsError` where shapes differ, a label is neither 0 nor 1, a score is not a number, a weight is not
    finite, or a class is missing or has no positive total weight (no efficiency is defined then).
    """
    label, score = np.asarray(labels).reshape(-1), np.asarray(scores, dtype=np.float64).reshape(-1)
    weight = np.ones(len(label)) if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1)
    if not len(label) == len(score) == len(weight):
        raise EventsError(
            "Labels, scores and weights must have one value for each event, but there are "
            f"{len(label)} labels, {len(score)} scores and {len(weight)} weights."
        )
    is_signal = label == 1
    if not np.all(is_signal | (label == 0)):
        raise EventsError(
            f"Labels must be 1 (signal) or 0 (background), but {label[~is_signal & (label != 0)][0]} came."
        )
    if np.isnan(score).any():
        raise EventsError(f"Scores must be numbers, but {np.isnan(score).sum()} of {len(score)} are not.")
    if not np.isfinite(weight).all():
        raise EventsError(f"Weights must be finite, but {(~np.isfinite(weight)).sum()} of {len(weight)} are not.")
    for name, chosen in (("signal", is_signal), ("background", ~is_signal)):
        if not (total := weight[chosen].sum()) > 0:
            raise EventsError(
                f"There must be {name} events of positive total weight, but there are {chosen.sum()} "
                f"with a total of {total:g}."
            )
    return Arrays(is_signal, score, weight)


def balance_classes(labels: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
    """Return event weights [n] scaled so that signal and background each add up to n / 2.

    Networks are trained on such weights, so their scores are probabilities with respect to these, not to the
    physical abundances. Raise `EventsError` as `check_arrays` does.
    """
    is_signal, _, weight = check_arrays(labels, np.zeros(np.size(labels)), weights)
    totals = np.where(is_signal, weight[is_signal].sum(), weight[~is_signal].sum())
    balanced: np.ndarray = weight * (len(weight) / 2) / totals
    return balanced


def effective_number(weights: ArrayLike) -> float:
    """Return (sum w)^2 / sum w^2: how many unweighted events would have the same relative error; 0 for none."""
    weight = np.asarray(weights, dtype=np.float64)
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def negative_fraction(weights: ArrayLike) -> float:
    """Return the share of the absolute weight that is carried by events of negative weight, 0 to 1."""
    weight = np.asarray(weights, dtype=np.float64)
    total = float(np.abs(weight).sum())
    return float(np.abs(weight[weight < 0]).sum()) / total if total > 0 else 0.0
