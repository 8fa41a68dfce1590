"""How features go with each other, with observers, and with the event weight."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tuner.errors import name_all
from tuner.events.checks.examined import Examined
from tuner.events.checks.finding import Finding

STRONG = 0.98
"""Correlation, in both classes, above which two features say nearly the same."""
FUNCTION = 0.97
"""Chatterjee's coefficient above which a feature is a function of an observer. It is 1 - O(1/n) for a function and
0 +- sqrt(2/5n) where there is none; two Gaussians of correlation 0.999 have 0.95."""
SCULPTING, SCULPTING_SIGMAS = 0.3, 5.0
"""Rank correlation in background, and its multiple of 1 / sqrt(n), above which a cut will shape an observer."""
N_CORRELATED, N_SORTED = 20_000, 20_000
MIN_EVENTS = 100
MIN_VALUES = 20
"""Distinct values of an observer from which on a feature may be called a function of it."""


def check_relations(examined: Examined) -> Iterator[Finding]:
    """Check pairs of columns. Weights enter where a distribution counts (sculpting), not where a rule of each does."""
    twins = _group_equal(examined)
    yield from _tell_twins(twins, examined)
    yield from _find_correlated(examined, {name for group in twins for name in group[1:]})
    yield from _find_observers(examined)
    yield from _find_weight(examined)


def _group_equal(examined: Examined) -> list[list[str]]:
    """Return groups of features that have the same value, or none, in each event."""
    groups: dict[bytes, list[str]] = {}
    for name, values in examined.columns():
        groups.setdefault((np.nan_to_num(values, nan=np.inf) + 0.0).tobytes(), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _tell_twins(twins: list[list[str]], examined: Examined) -> Iterator[Finding]:
    if twins:
        told = "; ".join(name_all(names) for names in twins[:6]) + ("; and more" if len(twins) > 6 else "")
        yield Finding(
            code="identical-features",
            severity="warning",
            sentence=f"These features have the same values in each event: {told}{examined.only}. Copies teach nothing "
            "new, slow training down, and share importance between them.",
            advice="Leave all but one of each out with `ignored`.",
            columns=tuple(name for names in twins for name in names),
        )


def _find_correlated(examined: Examined, known: set[str]) -> Iterator[Finding]:
    names = [name for name in examined.names if name not in known]
    table = pd.DataFrame(examined.values, columns=list(examined.names), copy=False)[names]
    classes = [table.iloc[_draw_rows(examined, label)] for label in (0, 1)]
    if min(map(len, classes)) < MIN_EVENTS // 2:
        return
    strength = np.nan_to_num(np.fmin(*map(_correlate, classes)))
    first, second = np.nonzero(np.triu(strength, 1) > STRONG)
    if len(first):
        order = np.argsort(-strength[first, second], kind="stable")
        pairs = [f"{names[i]} with {names[j]}" for i, j in zip(first[order], second[order], strict=True)]
        yield Finding(
            code="correlated-features",
            severity="note",
            sentence=f"These features say nearly the same (|correlation| above {STRONG:g} in both classes): "
            f"{name_all(pairs)}. That does no harm to a network, but importances are shared between them.",
            advice="One of each pair may do.",
            columns=tuple(
                dict.fromkeys(names[i] for pair in zip(first[order], second[order], strict=True) for i in pair)
            ),
            figures={"correlation": float(strength[first, second].max())},
        )


def _draw_rows(examined: Examined, label: int) -> np.ndarray:
    """Return places of events of a class, int64 [n <= `N_CORRELATED`], drawn at random: files may be sorted."""
    rows = np.flatnonzero(examined.labels == label)
    return rows if len(rows) <= N_CORRELATED else np.random.default_rng(0).permutation(rows)[:N_CORRELATED]


def _correlate(table: pd.DataFrame) -> np.ndarray:
    """Return absolute correlations [d, d] over the events for which both are defined; not-a-number for too few."""
    if table.isna().to_numpy().any():
        return np.asarray(table.corr(min_periods=MIN_EVENTS // 2).abs())
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(np.atleast_2d(np.corrcoef(table.to_numpy(np.float64), rowvar=False))))


def _find_observers(examined: Examined) -> Iterator[Finding]:
    for name, column in examined.observers.items():
        observer = column.to_numpy()
        equal = [one for one, values in examined.columns() if _is_same(observer, values)]
        if equal:
            yield Finding(
                code="observer-in-features",
                severity="error",
                sentence=f'Feature {name_all(equal)} is observer "{name}" in the same numbers. What is an observer is '
                "never to be learnt from.",
                advice="Leave the feature out with `ignored`.",
                columns=(*equal, str(name)),
            )
        functions = {
            one: found
            for one, values in examined.columns()
            if one not in equal and (found := _measure_function(observer, values)) > FUNCTION
        }
        if functions:
            yield Finding(
                code="observer-function",
                severity="warning",
                sentence=f'Feature {name_all(functions)} follows from observer "{name}" in each event (Chatterjee\'s '
                f"coefficient {max(functions.values()):.3f}). A network learns the observer from it all the same.",
                advice="Leave the feature out with `ignored`.",
                columns=(*functions, str(name)),
                figures={"coefficient": max(functions.values())},
            )
        yield from _find_sculpting(str(name), observer, examined, {*equal, *functions})


def _is_same(observer: np.ndarray, values: np.ndarray) -> bool:
    """Return whether an observer [m] is a feature [m], as float32 holds both, in each event."""
    with np.errstate(over="ignore"):
        return np.array_equal(observer.astype(np.float32), values, equal_nan=True)


def _measure_function(observer: np.ndarray, values: np.ndarray) -> float:
    """Return Chatterjee's coefficient (doi:10.1080/01621459.2020.1758115): 1 where a feature is a function of it.

    1 - n sum |r_(i+1) - r_i| / (2 sum l_i (n - l_i)), events in the order of the observer; r_i: how many values of the
    feature are up to the i-th, l_i: how many are at least as large. 0 where there are too few events or values.
    """
    both = np.flatnonzero(~np.isnan(observer) & ~np.isnan(values))
    both = np.random.default_rng(0).permutation(both)[:N_SORTED]  # ties of the observer in random order
    n = len(both)
    if n < MIN_EVENTS or len(np.unique(observer[both][:MIN_EVENTS])) < MIN_VALUES:
        return 0.0
    y = values[both][np.argsort(observer[both], kind="stable")]
    ordered = np.sort(y)
    r = np.searchsorted(ordered, y, "right")
    at_least = n - np.searchsorted(ordered, y, "left")
    spread = 2.0 * float((at_least * (n - at_least)).sum())
    # A feature that hardly varies is as good a function of anything.
    if spread < 0.1 * n**3 / 3:
        return 0.0
    return 1 - n * float(np.abs(np.diff(r)).sum()) / spread


def _find_sculpting(name: str, observer: np.ndarray, examined: Examined, known: set[str]) -> Iterator[Finding]:
    background = _draw_rows(examined, 0)
    strengths = {
        one: abs(_correlate_ranks(observer[background], values[background], examined.weights[background]))
        for one, values in examined.columns()
        if one not in known
    }
    strongest = max(strengths, key=lambda one: strengths[one], default="")
    if strongest and strengths[strongest] > max(SCULPTING, SCULPTING_SIGMAS / np.sqrt(len(background))):
        yield Finding(
            code="sculpting",
            severity="note",
            sentence=f'Observer "{name}" goes with feature "{strongest}" in background (rank correlation '
            f"{strengths[strongest]:.2f}). A cut on the score will shape its distribution.",
            advice="Look at it after the cut before a bump is believed.",
            columns=(strongest, name),
            figures={"correlation": strengths[strongest]},
        )


def _correlate_ranks(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted correlation of ranks over the events for which both are defined; 0 where it has none."""
    both = ~np.isnan(first) & ~np.isnan(second)
    w = weights[both]
    if both.sum() < MIN_EVENTS or w.sum() <= 0:
        return 0.0
    a, b = (pd.Series(own[both]).rank().to_numpy() for own in (first, second))
    a, b = (own - np.average(own, weights=w) for own in (a, b))
    spread = float((w * a**2).sum() * (w * b**2).sum())
    return float((w * a * b).sum()) / np.sqrt(spread) if spread > 0 else 0.0


def _find_weight(examined: Examined) -> Iterator[Finding]:
    """Find features that are the event weight times a factor, in each event or in each class."""
    weights = examined.weights
    if len(np.unique(weights)) < MIN_VALUES:
        return
    found = [name for name, values in examined.columns() if _is_proportional(values, weights)]
    if found:
        yield Finding(
            code="weight-in-features",
            severity="warning",
            sentence=f"Feature {name_all(found)} is the event weight, up to a factor. Weights know how an event was "
            "simulated, and real events have none.",
            advice="Leave it out with `ignored`.",
            columns=tuple(found),
        )


def _is_proportional(values: np.ndarray, weights: np.ndarray) -> bool:
    there = weights != 0
    if np.isnan(values).any() or there.sum() < MIN_EVENTS:
        return False
    ratio = values[there] / weights[there]
    middle = float(np.median(ratio))
    return middle != 0 and bool((np.abs(ratio - middle) < 1e-4 * abs(middle)).mean() > 0.999)
