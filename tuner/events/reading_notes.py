"""What a reader found in a file and a person should know, in words."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any

import pandas as pd

from tuner.events.diagnostics import locate
from tuner.events.listing import Reasons

Marks = dict[str, dict[str, tuple[int, int]]]
"""Of each column that has any: each mark that stands for "not defined" among its numbers, with how often it stands
there and the first row that has it."""

MAX_TOLD = 4
"""Columns that a sentence names, at most."""


def join_notes(parts: Collection[pd.DataFrame]) -> dict[Hashable, Any]:
    """Return what the readers of several files noted, as attributes of the table that joins these."""
    marks: Marks = {}
    start = 0
    for part in parts:
        for column, found in part.attrs.get("marks", {}).items():
            known = marks.setdefault(column, {})
            for mark, (n, row) in found.items():
                n_before, first = known.get(mark, (0, start + row))
                known[mark] = (n_before + n, first)
        start += len(part)
    return {
        "marks": marks,
        "notes": list(dict.fromkeys(note for part in parts for note in part.attrs.get("notes", ()))),
        "index": tuple(dict.fromkeys(name for part in parts for name in part.attrs.get("index", ()))),
        "left_out": Reasons({name: why for part in parts for name, why in part.attrs.get("left_out", {}).items()}),
    }


def note_reading(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each thing that a reader noted: how letters were read, and marks that are undefined."""
    notes = list(table.attrs.get("notes", ()))
    columns: dict[str, list[tuple[str, int, int]]] = {}
    for column, found in table.attrs.get("marks", {}).items():
        for mark, (n, row) in found.items():
            columns.setdefault(mark, []).append((column, n, row))
    for mark, counts in columns.items():
        n, row = sum(n for _, n, _ in counts), min(row for _, _, row in counts)
        told = ", ".join(f'{n:,} of "{column}"' for column, n, _ in counts[:MAX_TOLD])
        more = f" and others of {len(counts) - MAX_TOLD} more columns" if len(counts) > MAX_TOLD else ""
        where = f' of "{counts[0][0]}"' if len(counts) == 1 else f", {told}{more}"
        first = f", the first of them in {locate(table, row)}" if n > 1 else f", in {locate(table, row)}"
        notes.append(f'"{mark}" counts as undefined in {n:,} {"value" if n == 1 else "values"}{where}{first}.')
    return notes
