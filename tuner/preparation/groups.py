"""Which events belong together, and so come into one part and into one fold: of one id, of one run, or equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def join_groups(keys: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Return the number of each event's group, int64 [n]: events that agree in one of the keys are in one group.

    None where each event is a group of its own.

    Args:
        keys: Values [n] of which equal ones belong together, or None. One that is missing is equal to no other.
    """
    joined: np.ndarray | None = None
    for key in keys:
        if key is None:
            continue
        number = pd.factorize(key)[0].astype(np.int64)
        absent = np.flatnonzero(number < 0)
        number[absent] = number.max(initial=-1) + 1 + np.arange(len(absent))
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
