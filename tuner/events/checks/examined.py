"""What checks look at: events in the order of their source, thinned where there are very many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tuner.events.table import Events

N_EXAMINED = 100_000
"""Events, at most, that are looked at, drawn at random: a share of 1 % is known to 0.03 % then."""


@dataclass(frozen=True, eq=False)
class Examined:
    """Events that checks look at, in the order of their source."""

    events: Events
    """All events, those of other parts too: no check of labels uses them."""
    rows: np.ndarray
    """Which of them are looked at, int64 [m], ascending."""
    values: np.ndarray
    """Their features, float32 [m, d]; not-a-number where undefined."""
    labels: np.ndarray
    """In {0, 1} [m]."""
    weights: np.ndarray
    """Event weights, float64 [m]."""
    share: float
    """Of the events that could be looked at."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return self.events.features

    @property
    def observers(self) -> pd.DataFrame:
        """Observers of these events that are numbers, without the optimum, float64 [m, k]."""
        table = self.events.observers
        chosen = [n for n in table if n != self.events.optimum and pd.api.types.is_numeric_dtype(table[n].dtype)]
        return table[chosen].iloc[self.rows].astype(np.float64)

    @property
    def event_id(self) -> np.ndarray | None:
        """What names these events [m]; None where nothing does."""
        return None if self.events.event_id is None else np.asarray(self.events.event_id)[self.rows]

    @property
    def only(self) -> str:
        """A clause that says that not all events were looked at; empty where all were."""
        return "" if self.share == 1 else f" ({len(self.rows):,} events, drawn at random, were looked at)"

    def columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield name and values [m] of each feature."""
        for number, name in enumerate(self.names):
            yield name, self.values[:, number]


def examine(events: Events, rows: np.ndarray | None = None) -> Examined:
    """Return events as checks look at them.

    Args:
        events: As they were read.
        rows: Those that may be looked at, with their labels [n]. None: all.
    """
    rows = np.arange(len(events.labels)) if rows is None else np.sort(rows)
    n = len(rows)
    if n > N_EXAMINED:
        rows = np.sort(np.random.default_rng(0).choice(rows, N_EXAMINED, replace=False))
    values = np.asfortranarray(events.table.to_numpy()[rows])
    return Examined(events, rows, values, events.labels[rows], events.weights[rows], len(rows) / n)
