"""Events of which each class is a source of its own: a file, or several, or a tree of signal, another of background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, StudyError, name_all
from tuner.events.listing import Reason, Wanted
from tuner.events.part_sources import read_source
from tuner.events.reading_notes import join_notes
from tuner.events.sources import File, find_input_files, find_source
from tuner.problem import EventSource


@dataclass(frozen=True)
class ClassFiles:
    """A source for each class: `ClassFiles({"signal": "sig.root", "background": "bkg/*.root"})`.

    The sources may be of different formats. A column that not all of them have is left out, but for those of `fill`.
    """

    classes: Mapping[str, EventSource | str | Path]
    """What the label column is to say, to the source of these events: a path as `File` takes it, or another source."""
    label: str = "label"
    """Name of the label column, which the sources must not have."""
    fill: Mapping[str, float] = field(default_factory=dict)
    """Value of a column where a source has none, such as `{"weight": 1.0}`."""

    def __post_init__(self) -> None:
        """Raise `StudyError` where there is less than one class, or a class is given a table of events."""
        if not isinstance(self.classes, Mapping) or not self.classes:
            raise StudyError(
                'A file for each class must be written ClassFiles({"signal": "sig.root", "background": "bkg.root"}).'
            )
        for name, source in self.classes.items():
            if not isinstance(source, (str, Path, EventSource)):
                raise StudyError(
                    f'Class "{name}" must be a path or a source of events, but is {type(source).__name__}.'
                )

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError`, `MissingPackage`."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns, class by class. Raise `EventsError`, `MissingPackage`."""
        there: dict[str, set[str]] = {name: set() for name in self.classes}
        tables = {name: self._read_class(name, wanted, there[name]) for name in self.classes}
        parts = list(tables.values())
        left_out = self._find_left_out(tables, there)
        order = dict.fromkeys([*(str(column) for part in parts for column in part.columns), *self.fill])
        names = [column for column in order if column not in left_out]
        joined = pd.concat([self._fill(part, names) for part in parts], ignore_index=True)
        if wanted(self.label):
            codes = np.repeat(np.arange(len(parts), dtype=np.int8), [len(part) for part in parts])
            joined[self.label] = pd.Categorical.from_codes(codes, categories=pd.Index(list(tables)))
        named = [(find_source(self.classes[name]).describe(), table) for name, table in tables.items()]
        files = [file for name, table in named for file in table.attrs.get("parts", [(name, len(table))])]
        joined.attrs = {**join_notes(parts), "left_out": left_out, "parts": files}
        return joined

    def read_lists(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of lists by name, Awkward arrays [n, ...]. Raise `EventsError` where a source cannot."""
        import awkward as ak

        readers: list[Callable[[Sequence[str]], dict[str, Any]]] = []
        for given in self.classes.values():
            source = find_source(given)
            if not hasattr(source, "read_lists"):
                raise EventsError(f"{source.describe()} must be a file, so that lists can be read: {name_all(names)}.")
            readers.append(source.read_lists)
        found = [read(names) for read in readers]
        return {name: ak.concatenate([lists[name] for lists in found]) for name in names}

    def find_files(self) -> list[Path]:
        """Return the files that are read."""
        return [file for source in self.classes.values() for file in find_input_files(source)]

    def describe(self) -> str:
        """Return the sources in a few words."""
        return "; ".join(f"{name}: {find_source(source).describe()}" for name, source in self.classes.items())

    def at(self, path: Path) -> EventSource:
        """Return the same classes in another folder; a file stands for events of any class, which may lack a label."""
        sources = {name: find_source(source) for name, source in self.classes.items()}
        if path.is_dir() and all((path / file.name).exists() for file in self.find_files()):
            return replace(self, classes={name: source.at(path) for name, source in sources.items()})
        first = next(iter(sources.values()))
        return first.at(path) if isinstance(first, File) else File(path, is_moved=True)

    def _read_class(self, name: str, wanted: Wanted, there: set[str]) -> pd.DataFrame:
        """Return the events of a class; add the names of its wanted columns."""

        def note(column: str) -> bool:
            if is_wanted := column == self.label or wanted(column):
                there.add(column)
            return is_wanted

        table = read_source(find_source(self.classes[name]), note).reset_index(drop=True)
        there &= {*map(str, table.columns)}
        if self.label in table:
            raise EventsError(
                f'The label column that is made must have a name of its own, but the events of "{name}" have a column '
                f'"{self.label}". Give it another: ClassFiles(..., label="class").'
            )
        return table

    def _find_left_out(self, tables: Mapping[str, pd.DataFrame], there: Mapping[str, set[str]]) -> dict[str, str]:
        """Return why columns are left out: what cannot be read of one class, or is not there for all of them."""
        left_out = {name: why for table in tables.values() for name, why in table.attrs.get("left_out", {}).items()}
        for column in sorted(set().union(*there.values()) - {*self.fill, *left_out}):
            having = [name for name, names in there.items() if column in names]
            if len(having) < len(tables):
                advice = f'fill={{"{column}": VALUE}} gives it a value elsewhere'
                left_out[column] = Reason(f"is only in the events of {name_all(having)}: {advice}", is_elsewhere=True)
        return left_out

    def _fill(self, table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
        """Return the named columns of a table, with the value of `fill` where it has none."""
        values = {name: table[name] if name in table else self.fill[name] for name in names}
        return pd.DataFrame(values, index=table.index, copy=False)
