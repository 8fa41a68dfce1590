"""Events of which the validation or the test part is a source of its own, read one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all
from tuner.events.joining import read_source
from tuner.events.listing import Reasons, Wanted
from tuner.events.sources import find_input_files, find_source
from tuner.problem import EventSource, Problem

PART_SIZES = "part_sizes"
"""Entry of a table's `attrs`: part, as a number, and number of events of each source, in their order."""


@dataclass(frozen=True)
class PartSources:
    """Sources of parts, of train first, as one source."""

    sources: tuple[EventSource, ...]
    parts: tuple[int, ...]
    """What each holds: 0 train, of which others may be drawn, 1 validation, 2 test."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError`."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns; a column that not all sources have is left out."""
        tables = [read_source(source, wanted) for source in self.sources]
        common = [name for name in tables[0].columns if all(name in table for table in tables[1:])]
        lacking = {
            str(name): f"is not in {name_all(self._name_without(name, tables))}"
            for table in tables
            for name in table.columns
            if name not in common
        }
        joined = pd.concat([table[common] for table in tables], ignore_index=True)
        joined.attrs = {
            "parts": [part for source, table in zip(self.sources, tables, strict=True)
                      for part in table.attrs.get("parts", [(source.describe(), len(table))])],
            "index": tuple(dict.fromkeys(name for table in tables for name in table.attrs.get("index", ()))),
            "left_out": Reasons(
                lacking | {n: why for table in tables for n, why in table.attrs.get("left_out", {}).items()}
            ),
            PART_SIZES: tuple(zip(self.parts, map(len, tables), strict=True)),
        }  # fmt: skip
        return joined

    def read_lists(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of lists by name, Awkward arrays [n, ...]. Raise `EventsError` where a source cannot."""
        readers: list[Callable[[Sequence[str]], dict[str, Any]]] = []
        for source in self.sources:
            if not hasattr(source, "read_lists"):
                raise EventsError(f"{source.describe()} must be a file, so that lists can be read: {name_all(names)}.")
            readers.append(source.read_lists)
        found = [read(names) for read in readers]
        import awkward as ak

        return {name: ak.concatenate([lists[name] for lists in found]) for name in names}

    def describe(self) -> str:
        """Return the sources in a few words."""
        names = ("", "validation: ", "test: ")
        return "; ".join(names[part] + s.describe() for part, s in zip(self.parts, self.sources, strict=True))

    def at(self, path: Path) -> EventSource:
        """Return the source of the train part, read from another file or folder."""
        return self.sources[0].at(path)

    def find_files(self) -> list[Path]:
        """Return the files that are read."""
        return [file for source in self.sources for file in find_input_files(source)]

    def _name_without(self, name: Any, tables: Sequence[pd.DataFrame]) -> list[str]:
        return [s.describe() for s, table in zip(self.sources, tables, strict=True) if name not in table]


def find_event_source(problem: Problem) -> EventSource:
    """Return the source of a problem's events, those of validation and test that are elsewhere among them."""
    events = (problem.events, problem.validation_events, problem.test_events)
    given = [(part, find_source(source)) for part, source in enumerate(events) if source is not None]
    if len(given) == 1:
        return given[0][1]
    return PartSources(tuple(source for _, source in given), tuple(part for part, _ in given))


def find_given_parts(table: pd.DataFrame) -> np.ndarray | None:
    """Return the part that the source of each event says, int8 [n]; None where there is one source.

    Args:
        table: Events, of which the index tells the places among those that were read.
    """
    sizes = table.attrs.get(PART_SIZES)
    if sizes is None:
        return None
    parts, counts = zip(*sizes, strict=True)
    return np.asarray(np.repeat(np.array(parts, np.int8), counts)[table.index.to_numpy()])
