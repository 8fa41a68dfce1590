"""Sources that read some of their columns, and how the tables of several become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from tuner.events.listing import Wanted
from tuner.events.reading_notes import join_notes
from tuner.problem import EventSource


@runtime_checkable
class SelectiveSource(EventSource, Protocol):
    """A source that can leave out columns that nobody wants."""

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with those of their columns that are wanted."""
        ...


@runtime_checkable
class ListSource(EventSource, Protocol):
    """A source that can read columns of lists, one list an event."""

    def read_lists(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of all events by name, in their order, Awkward arrays [n, ...]."""
        ...


def read_source(source: EventSource, wanted: Wanted) -> pd.DataFrame:
    """Return the events of a source with the wanted columns."""
    if isinstance(source, SelectiveSource):
        return source.read_columns(wanted)
    table = source.read()
    return table[[name for name in table.columns if wanted(name)]]


def join_parts(parts: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Return tables of the same columns as one, with what their readers noted; `attrs["parts"]` names their files.

    Args:
        parts: Name and table of each, of which a table may have been joined of several itself.
    """
    tables = [table for _, table in parts]
    filled = [table.reset_index(drop=True) for table in tables if len(table)]  # a part of no events has no types
    joined = pd.concat(filled, ignore_index=True) if len(filled) > 1 else filled[0] if filled else tables[0]
    files = [file for name, table in parts for file in table.attrs.get("parts", [(name, len(table))])]
    joined.attrs = {**join_notes(tables), "parts": files}
    return joined
