"""Which events belong together, and so come into one part and into one fold: of one id, of one run, or equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MOST_EQUAL = 20
"""Events that are equal in all features and still are copies of one another. More are no copies: their features take
few values, or are undefined."""


def find_copies(table: pd.DataFrame) -> np.ndarray | None:
    """Return a number for each event, int64 [n], the same for those that are equal in all features; None without such.

    Undefined values are equal. Events of which more than `MOST_EQUAL` are equal have a number of their own each.

    Args:
        table: Features, float32 [n, d].
    """
    # Hashes find the few rows that may be equal; only these are compared.
    values = table.to_numpy()
    hashes = np.zeros(len(table), np.uint64)
    for column in values.T:  # adding 0 makes -0 the 0 that it equals
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + pd.util.hash_array(np.ascontiguousarray(column) + 0.0)
    rows = np.flatnonzero(pd.Series(hashes).duplicated(keep=False).to_numpy())
    if len(rows) == 0:
        return None
    _, number, counts = np.unique(
        np.nan_to_num(values[rows] + 0.0, nan=np.inf), axis=0, return_inverse=True, return_counts=True
    )
    number = number.reshape(-1)
    together = (counts[number] > 1) & (counts[number] <= MOST_EQUAL)
    if not together.any():
        return None
    groups = np.arange(len(table)) + len(counts)
    groups[rows[together]] = number[together]
    return groups


def join_groups(keys: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Return the number of each event's group, int64 [n]: events that agree in one of the keys are in one group.

    None where each event is a group of its own.

    Args:
        keys: Values [n] of which equal ones belong together, or None.
    """
    joined: np.ndarray | None = None
    for key in keys:
        if key is None:
            continue
        number = pd.factorize(key)[0].astype(np.int64)
        if number.max(initial=-1) + 1 == len(number):
            continue
        joined = number if joined is None else _join(joined, number)
    return joined


def _join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return groups [n] of events that are linked by either of two numbers [n], through others, too."""
    n_first = int(first.max()) + 1
    n = n_first + int(second.max()) + 1
    links = coo_array((np.ones(len(first), np.int8), (first, n_first + second)), shape=(n, n))
    component = connected_components(links, directed=False)[1]
    return np.asarray(component[first], np.int64)


def follow_first(assigned: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return what is assigned to events [n], each group's as its first event has it."""
    if groups is None:
        return assigned
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    followed: np.ndarray = assigned[first[number.reshape(-1)]]
    return followed
