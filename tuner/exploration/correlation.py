"""Weighted correlations of features."""

from __future__ import annotations

import numpy as np
import pandas as pd

MAX_EVENTS = 200_000


def correlate(table: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """Return Pearson's correlation of each pair of columns [d, d] for event weights [n].

    Each pair over the events for which both are defined; not-a-number where a column does not vary. Of more than
    200,000 events every k-th is used.
    """
    step = max(1, -(-len(table) // MAX_EVENTS))
    values = table.to_numpy(np.float64)[::step]
    w = weights[::step, None]
    defined = ~np.isnan(values)
    mean = np.where(defined, values, 0).sum(0) / np.maximum(defined.sum(0), 1)
    centred = np.where(defined, values - mean, 0)
    there = defined.astype(np.float64)
    # Sums over the events for which both columns i and j are defined: [i, j] of x_i, and of x_i x_j.
    total = there.T @ (w * there)
    first = centred.T @ (w * there)
    square = (centred**2).T @ (w * there)
    product = centred.T @ (w * centred)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = product / total - (first / total) * (first.T / total)
        variance = square / total - (first / total) ** 2
        variance[variance <= 1e-12 * square / np.abs(total)] = np.nan
        matrix = covariance / np.sqrt(variance * variance.T)
    return pd.DataFrame(np.clip(matrix, -1, 1), index=table.columns, columns=table.columns)


def correlate_ranks(observer: np.ndarray, table: pd.DataFrame, weights: np.ndarray) -> pd.Series:
    """Return the correlation [d] of an observer's ranks with each column's: it sees any monotone relation."""
    step = max(1, -(-len(table) // MAX_EVENTS))
    ranks = table.iloc[::step].rank()
    ranks["\0observer"] = pd.Series(observer[::step], index=ranks.index).rank()
    return correlate(ranks, weights[::step])["\0observer"].drop("\0observer")
