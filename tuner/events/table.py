"""Events: the table that was read, and the roles of its columns."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class NewEvents:
    """Events to be scored. What they were, and what they count, need not be known."""

    table: pd.DataFrame
    """Features, float32 [n, d]. Undefined values are not-a-number."""
    labels: np.ndarray | None
    """The label column as it came [n]: any classes, or none that is known; None where it is not there."""
    weights: np.ndarray | None
    """Event weights, float64 [n]; None where the column is not there."""
    observers: pd.DataFrame
    """Columns that are looked at but are never inputs [n, n_observers]."""
    event_id: np.ndarray | None
    """What names the event [n]; None where there is no such column."""
    source: str
    """Where the events came from."""
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What a person should know and that is not an error."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(self.table.columns)


@dataclass(frozen=True, eq=False)
class Events(NewEvents):
    """Labelled events, checked. Signal is 1, background 0."""

    labels: np.ndarray
    """Int8 [n] in {0, 1}, both of them there."""
    weights: np.ndarray
    """Event weights, float64 [n], finite; ones where the problem names none."""
    digest: str
    """SHA-256 over names and values of features, labels and weights."""
    optimum: str | None = None
    """Observer that no network can beat, where the problem names one."""


def compute_digest(table: pd.DataFrame, labels: np.ndarray, weights: np.ndarray) -> str:
    """Return the SHA-256 of features [n, d] with their names, labels [n] and weights [n], as hexadecimal digits."""
    digest = hashlib.sha256("\0".join(map(str, table.columns)).encode())
    for name in table.columns:
        digest.update(np.ascontiguousarray(table[name], np.float32).data)
    digest.update(np.ascontiguousarray(labels, np.int8).data)
    digest.update(np.ascontiguousarray(weights, np.float64).data)
    return digest.hexdigest()
