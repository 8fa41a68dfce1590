"""Events that are too many for the memory: a file as sources of a stretch of its events each."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from tuner.events.damage import tell_damage
from tuner.events.file_formats import CUT, find_format, list_stretches
from tuner.events.listing import ALL_ROWS
from tuner.events.paths import find_files
from tuner.events.sources import File
from tuner.problem import EventSource

_SMALL = 2**28
"""Bytes of files that are read together where their format cannot be cut."""


@dataclass(frozen=True)
class FileStretch(File):
    """Some events of one of a source's files, one after the other."""

    file: Path = Path()
    rows: slice = field(default_factory=lambda: ALL_ROWS, hash=False)

    def describe(self) -> str:
        """Return the path as it was given, with its trees, and which events of which file."""
        if self.rows == ALL_ROWS:
            return f"{super().describe()} ({self.file.name})"
        return f"{super().describe()} (events {self.rows.start + 1:,} to {self.rows.stop:,} of {self.file.name})"

    @property
    def _rows(self) -> slice:
        return self.rows

    def _find_own(self, path: str) -> list[Path]:  # noqa: ARG002 - the path stands for all files
        return [self.file]

    def list_rows(self, at_most: int) -> list[slice]:
        """Return the stretches of the file's events, of `at_most` each where the format can be cut."""
        _, tree = self._split_path()
        kind = find_format(self.file) or ""
        with tell_damage(self.file, kind):
            return list_stretches(self.file, kind, at_most, tree=tree, columns=self.columns)

    @classmethod
    def list_of(cls, source: File, at_most: int) -> list[FileStretch]:
        """Return a source's events as stretches, file by file."""
        same = {each.name: getattr(source, each.name) for each in fields(source)}
        files = find_files(source._split_path()[0])
        if not all(find_format(file) in CUT for file in files) and sum(file.stat().st_size for file in files) < _SMALL:
            return []
        return [
            cls(**same, file=file, rows=rows) for file in files for rows in cls(**same, file=file).list_rows(at_most)
        ]


def split_source(source: EventSource, at_most: int) -> list[EventSource]:
    """Return the same events, in their order, as sources that hold some of them each.

    Parquet (by row groups), ROOT and HDF5 are cut; text and other formats are read a file at a time. What holds classes
    apart, a table of a program and small files that cannot be cut stay one source.

    Args:
        source: Where the events are.
        at_most: Events of a source, where the format can be cut so.

    Raises:
        EventsError: There is no such file, or one cannot be read.
    """
    if not isinstance(source, File) or source.trees:
        return [source]
    return [*FileStretch.list_of(source, at_most)] or [source]
