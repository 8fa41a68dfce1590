"""Events of which each class is a source of its own: a file, or several, or a tree of signal, another of background."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import EventsError, StudyError, name_all
from tuner.events.class_sources import ClassSource, read_classes
from tuner.events.joining import join_parts
from tuner.events.listing import Wanted
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
        found = {name: find_source(source) for name, source in self.classes.items()}
        sources = [ClassSource(source, name, f'the events of "{name}"') for name, source in found.items()]
        return join_parts(read_classes(sources, wanted, self.label, self.fill))

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
