"""Events of large files: a few features are read at a time, into a file that is mapped into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from pyarrow import default_memory_pool

from tuner.errors import EventsError, raise_together
from tuner.events.assembly import assemble_events, take_inputs
from tuner.events.column_selection import FeatureGroup, read_needed
from tuner.events.diagnostics import Findings
from tuner.events.file_formats import find_format
from tuner.events.listing import Reasons
from tuner.events.reading_notes import note_reading
from tuner.events.sources import find_input_files
from tuner.events.table import Events, compute_digest
from tuner.mapped_arrays import allocate, release
from tuner.problem import EventSource, Problem

LARGE_FILES = 2**29
"""Bytes of files from which on events are read a few features at a time."""
BY_COLUMN = ("Parquet", "Feather", "HDF5", "ROOT", "NumPy", "FITS")
"""Formats of which a column can be read by itself."""
BYTES_AT_ONCE = 2**28
"""Bytes that the features that are read at a time take, at most, as numbers of 64 bits."""


def are_large(problem: Problem) -> bool:
    """Return whether a problem's events are read a few features at a time: their files are large, and no more is asked.

    Events with nuisances are read at once, as what they shift is compared with the rest; so are texts, which must be
    read whole whatever is wanted of them.
    """
    sources = (problem.events, problem.validation_events, problem.test_events)
    files = [path for source in sources if source is not None for path in find_input_files(source)]
    by_column = [path for path in files if path.exists() and find_format(path) in BY_COLUMN]
    return not problem.nuisances and sum(path.stat().st_size for path in by_column) >= LARGE_FILES


def read_in_groups(problem: Problem, source: EventSource) -> Events:
    """Return what `assemble_events` does, with features in a mapped file: a few of them are read at a time.

    Args:
        problem: Which columns have which role.
        source: Where the events are.

    Raises:
        EventsError: As `read_events` does; of several features that are unfit, those are told that are read first.
    """
    events, gathered = _begin(problem, source)
    at_most = max(1, BYTES_AT_ONCE // (8 * len(events.labels)))
    while not gathered.done.issuperset(gathered.names):
        group = FeatureGroup(at_most, frozenset(gathered.done), with_roles=False)
        _read_group(problem, source, group, events.labels, gathered)
        default_memory_pool().release_unused()  # Arrow keeps what it has read into
        if not group.taken:  # the rest are lists, or not in all sources
            break
    table = gathered.list_in_order()
    codes = {name: gathered.codes[name] for name in map(str, table.columns) if name in gathered.codes}
    digest = compute_digest(table, events.labels, events.weights, codes=codes, given_parts=events.given_parts)
    return replace(events, table=table, codes=codes, digest=digest, notes=tuple(gathered.notes))


def _begin(problem: Problem, source: EventSource) -> tuple[Events, _Gathered]:
    """Return the events with one feature, and where the others are to come; the table that was read is forgotten."""
    needed = read_needed(source, problem, group=FeatureGroup(at_most=1))
    events = assemble_events(problem, source, needed)
    gathered = _Gathered(needed.features, len(events.labels))
    gathered.keep(events.table)
    gathered.codes |= events.codes
    gathered.notes |= dict.fromkeys(events.notes)
    gathered.done |= {*map(str, needed.table.columns)}
    gathered.told |= {*needed.table.attrs.get("left_out", ())}
    return events, gathered


def _read_group(
    problem: Problem, source: EventSource, group: FeatureGroup, labels: np.ndarray, gathered: _Gathered
) -> None:
    """Read some more features. Raise `EventsError` where they are unfit."""
    part = read_needed(source, problem, group=group)
    if not group.taken:
        return
    left_out = part.table.attrs.get("left_out", {})
    part.table.attrs["left_out"] = Reasons({name: why for name, why in left_out.items() if name not in gathered.told})
    part.table.attrs["index"] = ()
    gathered.told |= {*left_out}
    found = Findings([*part.found.problems], [*note_reading(part.table), *part.found.notes])
    features, codes = take_inputs(part, [*group.taken], labels, found)
    raise_together(found.problems, EventsError, source.describe())
    gathered.keep(features)
    gathered.codes |= codes
    gathered.notes |= dict.fromkeys(found.notes)
    gathered.done |= group.taken.keys()


class _Gathered:
    """Features that are put together one after the other, and what is told of them."""

    def __init__(self, names: Sequence[str], n_events: int) -> None:
        """names: of all features that may come, in their order."""
        self.names = [*names]
        self.kept: set[str] = set()
        self.done: set[str] = set()
        """Columns that were read."""
        self.told: set[str] = set()
        """Columns that are left out, which a note has told."""
        self.codes: dict[str, tuple[str, ...]] = {}
        self.notes: dict[str, None] = {}
        self.values = allocate((n_events, len(names)), np.float32, order="F")

    def keep(self, table: pd.DataFrame) -> None:
        """Take some of the features, float32 [n, k]."""
        for name in map(str, table.columns):
            self.values[:, self.names.index(name)] = table[name].to_numpy()
            self.kept.add(name)
            release(self.values)

    def list_in_order(self) -> pd.DataFrame:
        """Return the features that came, float32 [n, d], in the order of all names."""
        came = [place for place, name in enumerate(self.names) if name in self.kept]
        for column, place in enumerate(came):
            if column != place:
                self.values[:, column] = self.values[:, place]
        return pd.DataFrame(self.values[:, : len(came)], columns=[self.names[place] for place in came], copy=False)
