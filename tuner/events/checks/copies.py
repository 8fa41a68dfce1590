"""Events that are copies of others: equal in every feature, where that is no chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tuner.mapped_arrays import release

N_SAMPLED = 20_000
"""Rows, at most, from which the number of chance coincidences is estimated."""
N_TELLING = 3
"""Features, at most, whose values must coincide in that estimate: those with the fewest ties."""
TIED = 0.9
"""Rank correlation above which a feature adds nothing to the estimate, as it goes with one that is there already."""
FACTOR = 10.0
"""So many times more pairs of rows must be equal than chance would explain, as features that depend on each other
coincide more often than independent ones."""


def find_copies(values: np.ndarray | pd.DataFrame) -> np.ndarray | None:
    """Return the first row that each row is a copy of, itself where it is none, int64 [n]; None where none is a copy.

    Rows are copies where they are equal in every feature, undefined values included, and where more are so than the
    values explain: among five yes-or-no features equal rows mean nothing. Labels and weights do not enter.

    Args:
        values: Features [n, d], not-a-number where undefined.
    """
    table = pd.DataFrame(values, copy=False)
    hashes = _hash_rows(table)
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return None
    _, first, row, counts = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    n_pairs = float((counts.astype(np.float64) * (counts - 1)).sum() / 2)
    if n_pairs <= FACTOR * _estimate_coincidences(table):
        return None
    copied: np.ndarray = first[row].astype(np.int64)
    return copied


def count_copies(copies: np.ndarray | None) -> int:
    """Return how many rows are copies of an earlier one, of what `find_copies` returned."""
    return 0 if copies is None else int((copies != np.arange(len(copies))).sum())


def _hash_rows(table: pd.DataFrame) -> np.ndarray:
    """Return a hash of each row, uint64 [n], a column at a time, so that little memory is needed beside the table."""
    hashes = np.zeros(len(table), np.uint64)
    for name in table.columns:
        column = table[name].to_numpy()
        plain = np.where(np.isnan(column), np.nan, column).astype(column.dtype) + column.dtype.type(0)  # -0.0 is 0.0
        # An odd factor keeps apart what was apart; of two columns in turn, either order gives another hash.
        hashes *= np.uint64(0x9E3779B97F4A7C15)
        hashes ^= pd.util.hash_array(plain, categorize=False)
        release(column)
    return hashes


def _estimate_coincidences(table: pd.DataFrame) -> float:
    """Return how many pairs of rows would be equal by chance.

    It is n (n - 1) / 2 times the chance that two rows are equal in the few features that have the fewest ties and do
    not say the same as each other, taken as independent.
    """
    n = len(table)
    chosen = np.random.default_rng(0).permutation(n)[:N_SAMPLED]
    ranks = table.iloc[chosen].rank(method="dense").fillna(0.0).to_numpy()
    m = max(2, len(ranks))
    ties = np.array([_measure_ties(column, m) for column in ranks.T])
    telling: list[int] = []
    for i in np.argsort(ties, kind="stable"):
        if len(telling) < N_TELLING and ranks[:, i].any() and all(_go_apart(ranks[:, i], ranks[:, j]) for j in telling):
            telling.append(int(i))
    return 0.5 * n * (n - 1) * float(np.prod(ties[telling]))


def _measure_ties(ranks: np.ndarray, m: int) -> float:
    """Return the chance that two of m rows have the same value; where none have, what one pair would give."""
    counts = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    return max(1.0, float((counts * (counts - 1)).sum() / 2)) / (0.5 * m * (m - 1))


def _go_apart(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether the correlation of two columns of ranks is small."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return True
    return bool(abs(np.corrcoef(first, second)[0, 1]) < TIED)
