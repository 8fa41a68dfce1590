"""The table as it is: its columns, how much memory they take, and a few of its events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from tuner.events.table import Events
from tuner.progress.wording import write_count

FEW = 2
N_EACH = 2
"""Events that are listed from the start, the middle and the end."""


def list_columns(events: Events, measured: Mapping[str, tuple[int, str]]) -> pd.DataFrame:
    """Return one row a column: role, type, kind (what its values are, in words), distinct, undefined, memory.

    undefined: share of the events. memory: bytes. The columns of label, weights and ids are called by their roles.

    Args:
        events: The events.
        measured: Number of distinct values and kind of each feature, by name.
    """
    rows = [_describe(column, role, measured if role == "feature" else {}) for role, column in _walk(events)]
    return pd.DataFrame(rows).set_index("column")


def list_events(events: Events) -> pd.DataFrame:
    """Return a few events from the start, the middle and the end, with all their columns, by number from 1."""
    n = len(events.labels)
    middle = max(0, n // 2 - N_EACH // 2)
    wanted = [*range(N_EACH), *range(middle, middle + N_EACH), *range(n - N_EACH, n)]
    places = sorted({place for place in wanted if 0 <= place < n})
    columns = {
        str(column.name): _write_texts(column.iloc[places].to_numpy(), events.codes.get(str(column.name), ()))
        for _, column in _walk(events)
    }
    return pd.DataFrame(columns, index=pd.Index([place + 1 for place in places], name="event"))


def _write_texts(values: np.ndarray, texts: tuple[str, ...]) -> np.ndarray | list[str | None]:
    """Return the texts that codes stand for; other values as they are."""
    if not texts:
        return values
    return [None if np.isnan(code) else "unknown" if code < 0 else texts[int(code)] for code in values]


def _walk(events: Events) -> Iterator[tuple[str, pd.Series]]:
    """Yield each column with its role."""
    yield "label", pd.Series(events.labels, name="(label)")
    yield "weight", pd.Series(events.weights, name="(weight)")
    if events.event_id is not None:
        yield "event id", pd.Series(events.event_id, name="(event id)")
    for role, table in (("feature", events.table), ("observer", events.observers)):
        for name in table.columns:
            yield role, table[name]


def _describe(column: pd.Series, role: str, measured: Mapping[str, tuple[int, str]]) -> dict[str, object]:
    """Return what is known of one column; what was not measured is counted."""
    known = measured.get(str(column.name))
    if known is None:
        distinct = column.dropna().unique()
        known = len(distinct), name_kind(distinct)
    return {
        "column": str(column.name),
        "role": role,
        "type": str(column.dtype),
        "kind": known[1],
        "distinct": known[0],
        "undefined": float(column.isna().mean()),
        "memory": int(column.memory_usage(index=False, deep=True)),
    }


def name_kind(distinct: np.ndarray) -> str:
    """Return what the distinct values of a column are, in words."""
    if len(distinct) <= FEW:
        return ("never defined", "constant", "two values")[len(distinct)]
    if not pd.api.types.is_numeric_dtype(distinct.dtype):
        return "text"
    return "numbers" if (distinct % 1).any() else "whole numbers"


def write_size(n_bytes: float) -> str:
    """Return an amount of memory: 812 bytes, 1.4 MB."""
    if n_bytes < 1000:
        return write_count(int(n_bytes), "byte")
    power = min(3, int(np.log10(n_bytes) // 3))
    return f"{n_bytes / 1000**power:.3g} {('', 'kB', 'MB', 'GB')[power]}"
