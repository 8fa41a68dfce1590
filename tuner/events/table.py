"""Events: the table that was read, and the roles of its columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tuner.events.cut_flow import CutFlow
from tuner.mapped_arrays import release
from tuner.notebook_cards import write_card, write_lines, write_table
from tuner.progress.wording import say_value, write_count

N_SHOWN = 5
"""Events that a notebook shows."""
MAX_COLUMNS = 12
"""Features that a notebook shows."""


@dataclass(frozen=True, eq=False, repr=False)
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
    codes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, kw_only=True)
    """Texts of each feature that holds texts, by name: its values are their places in them, -1 for any other text."""
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    """What a person should know and that is not an error."""
    selected: np.ndarray | None = field(default=None, kw_only=True)
    """Whether an event to be scored fulfils the problem's selection, bool [n]; None where it has none, and where all
    events that do not are left out."""
    kept: pd.DataFrame | None = field(default=None, kw_only=True)
    """Columns that were asked for beside those of a role, as they came [n, k]; None where none were."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(self.table.columns)

    def __repr__(self) -> str:
        """Return how many events of how many features, and where they came from."""
        return f"{type(self).__name__}({self._count()}, from {self.source})"

    def _count(self) -> str:
        return f"{write_count(len(self.table), 'event')}, {write_count(len(self.features), 'feature')}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the first events, what is known of them, and notes."""
        known = {"label": self.labels, "weight": self.weights}
        head = self.table.iloc[:N_SHOWN, :MAX_COLUMNS].assign(
            **{name: values[:N_SHOWN] for name, values in known.items() if values is not None}
        )
        rows = [list(map(_write_value, row)) for row in head.itertuples(index=False, name=None)]
        n_more = len(self.features) - MAX_COLUMNS
        return write_card(
            self.source,
            self._count(),
            write_table([str(name) for name in head.columns], rows),
            write_lines([f"{write_count(n_more, 'feature')} more: `.table`"] if n_more > 0 else [], faint=True),
            write_lines(self.notes),
        )


@dataclass(frozen=True, eq=False, repr=False)
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
    cut_flow: CutFlow | None = None
    """What each part of the problem's selection left; None without a selection."""
    rows: np.ndarray | None = None
    """Places of the events among those that were read, int64 [n]; None without a selection: all are here."""
    given_parts: np.ndarray | None = field(default=None, kw_only=True)
    """Part that each event's file says, int8 [n]: 0 train, of which others may be drawn, 1 validation, 2 test."""

    def _count(self) -> str:
        n_signal = int(self.labels.sum())
        return f"{super()._count()}: {n_signal:,} signal, {len(self.labels) - n_signal:,} background"


def _write_value(value: Any) -> str:
    return say_value(None if pd.isna(value) else value)


def compute_digest(
    table: pd.DataFrame,
    labels: np.ndarray,
    weights: np.ndarray,
    *,
    codes: Mapping[str, tuple[str, ...]] | None = None,
    given_parts: np.ndarray | None = None,
) -> str:
    """Return the SHA-256, in hexadecimal, of features [n, d], labels [n], weights [n], texts of codes, parts [n]."""
    digest = hashlib.sha256("\0".join(map(str, table.columns)).encode())
    for name in table.columns:
        column = table[name].to_numpy()
        digest.update(np.ascontiguousarray(column, np.float32).data)
        release(column)
    digest.update(np.ascontiguousarray(labels, np.int8).data)
    digest.update(np.ascontiguousarray(weights, np.float64).data)
    if codes:
        digest.update(json.dumps(codes, sort_keys=True).encode())
    if given_parts is not None:
        digest.update(np.ascontiguousarray(given_parts, np.int8).data)
    return digest.hexdigest()
