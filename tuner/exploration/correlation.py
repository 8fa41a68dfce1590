"""Weighted correlations of features, of their values and of their ranks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

MAX_EVENTS = 50_000
MAX_VALUES = 10_000_000
"""Events, and values of all features together, at most, whose ranks are compared: known to 0.005 then."""
SEED = 0
"""Of the choice of these events."""
_CHUNK = 1 << 21
"""Values that are summed at a time: 16 MB as float64."""
WORTH_SAYING = 0.3
"""Correlation, or difference of two, from which a pair is named."""
N_NAMED = 3


def correlate(table: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Return Pearson's correlation of each pair of columns [d, d] for event weights [n], over all events.

    Each pair over the events for which both are defined; not-a-number where a column does not vary.
    """
    values = table.to_numpy()
    centre, sums = _find_centres(values), np.zeros((4, values.shape[1], values.shape[1]))
    step = max(1, _CHUNK // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        _add_moments(sums, values[start : start + step] - centre, weights[start : start + step])
    total, first, square, product = sums
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = product / total - (first / total) * (first.T / total)
        variance = square / total - (first / total) ** 2
        variance[variance <= 1e-12 * square / np.abs(total)] = np.nan
        matrix = covariance / np.sqrt(variance * variance.T)
    return pd.DataFrame(np.clip(matrix, -1, 1), index=table.columns, columns=table.columns)


def correlate_by_rank(table: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Return Spearman's correlation of each pair of columns [d, d] for event weights [n]: any monotone relation.

    An event's rank is the weight of all events with smaller values and half of that with the same, among those for
    which the column is defined: with whole weights, as if each event were there so many times. Of more than 50,000
    events, or 10 million values, as many are drawn at random, with a fixed seed.
    """
    chosen = draw_rows(len(table), table.shape[1])
    values, of_chosen = table.iloc[chosen], weights[chosen]
    ranks = {name: _rank(column.to_numpy(np.float64), of_chosen) for name, column in values.items()}
    return correlate(pd.DataFrame(ranks, columns=table.columns), of_chosen)


def _rank(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted rank of each value [n], ties at their middle; not-a-number where it is undefined."""
    ranks, defined = np.full(len(values), np.nan), ~np.isnan(values)
    _, place = np.unique(values[defined], return_inverse=True)
    tied = np.bincount(place, weights[defined])
    ranks[defined] = (np.cumsum(tied) - tied / 2)[place]
    return ranks


def draw_rows(n_events: int, n_features: int) -> np.ndarray | slice:
    """Return the rows whose ranks are compared, int64 in rising order; all of them where they are few enough."""
    most = min(MAX_EVENTS, MAX_VALUES // max(1, n_features))
    if n_events <= most:
        return slice(None)
    return np.sort(np.random.default_rng(SEED).choice(n_events, most, replace=False, shuffle=False))


def name_strongest(linear: Mapping[str, pd.DataFrame], ranks: Mapping[str, pd.DataFrame]) -> tuple[str, ...]:
    """Return which features go together most in signal and in background, and where the classes differ, in words.

    Args:
        linear: Class to the matrix [d, d] that `correlate` returned.
        ranks: Class to the matrix [d, d] that `correlate_by_rank` returned.
    """
    signal, background = linear["signal"], linear["background"]
    told = [f"{kind.capitalize()}: {pairs}." for kind in linear if (pairs := _list_pairs(linear[kind]))]
    differing = [
        f"{a} with {b} ({_read(signal, a, b):+.2f} in signal, {_read(background, a, b):+.2f} in background)"
        for a, b, _ in _find_pairs(signal - background)
    ]
    told += [f"The classes differ most in {'; '.join(differing)}."] if differing else []
    for kind in linear:
        told += _compare_ranks(kind, linear[kind], ranks[kind])
    return tuple(told) or (f"No two features have a correlation beyond {WORTH_SAYING:g} in either class.",)


def _compare_ranks(kind: str, linear: pd.DataFrame, ranks: pd.DataFrame) -> Iterator[str]:
    """Yield the pair of features whose ranks go together otherwise than their values do, and what that means."""
    for a, b, _ in [*_find_pairs(ranks - linear)][:1]:
        by_rank, by_value = _read(ranks, a, b), _read(linear, a, b)
        why = "the relation is bent" if abs(by_rank) > abs(by_value) else "few events far out make the latter"
        yield (f"{kind.capitalize()}: ranks of {a} and {b} have {by_rank:+.2f}, but values {by_value:+.2f}: {why}.")


def _read(matrix: pd.DataFrame, row: str, column: str) -> float:
    return float(matrix[column][row])


def _list_pairs(matrix: pd.DataFrame) -> str:
    """Return the strongest pairs in words."""
    return ", ".join(f"{a} with {b} {value:+.2f}" for a, b, value in _find_pairs(matrix))


def _find_pairs(matrix: pd.DataFrame) -> Iterator[tuple[str, str, float]]:
    """Yield the pairs of the largest absolute values, at most three, the largest first."""
    values = np.triu(np.nan_to_num(matrix.to_numpy()), 1)
    for place in np.argsort(-np.abs(values), axis=None, kind="stable")[:N_NAMED]:
        row, column = np.unravel_index(place, values.shape)
        if abs(values[row, column]) < WORTH_SAYING:
            return
        yield str(matrix.index[row]), str(matrix.columns[column]), float(values[row, column])


def _find_centres(values: np.ndarray) -> np.ndarray:
    """Return a value near the middle of each column [d], so that few digits are lost: the mean of the first events."""
    first = values[: _CHUNK // max(1, values.shape[1])].astype(np.float64)
    defined = ~np.isnan(first)
    middles: np.ndarray = np.where(defined, first, 0).sum(0) / np.maximum(defined.sum(0), 1)
    return middles


def _add_moments(sums: np.ndarray, centred: np.ndarray, weights: np.ndarray) -> None:
    """Add the events' part to sums [4, d, d] over those for which both columns i and j are defined.

    [i, j] of 1, of x_i, of x_i^2 and of x_i x_j, each times the event weight.
    """
    w = weights[:, None]
    defined = ~np.isnan(centred)
    if defined.all():
        for place, powers in enumerate((np.ones_like(centred), centred, centred**2)):
            sums[place] += (weights @ powers)[:, None]
    else:
        centred = np.where(defined, centred, 0)
        there = defined.astype(np.float64)
        weighted = w * there
        for place, powers in enumerate((there, centred, centred**2)):
            sums[place] += powers.T @ weighted
    sums[3] += centred.T @ (w * centred)
