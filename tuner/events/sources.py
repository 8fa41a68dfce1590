"""Sources of events: files, and data sets of OpenML. Light to import; each format is imported when read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuner.errors import EventsError, name_all
from tuner.events.file_formats import describe_unknown, find_format, read_lists, read_table
from tuner.events.listing import ALL_ROWS, Wanted
from tuner.events.paths import describe_missing, find_files, find_in_data_folder, find_partitions
from tuner.given_events import GivenEvents
from tuner.problem import EventSource

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class File:
    """One file, or several that a pattern or a folder names, by their endings.

    Text (.csv, .tsv, .txt, .data, .dat, .tab), Parquet, Feather and Arrow (.feather, .arrow), HDF5 (.h5, .hdf5), ROOT,
    NumPy (.npy, .npz), FITS (.fits, .fit), ECSV, ARFF and JSON lines (.jsonl, .ndjson); text also compressed (.gz,
    .bz2, .xz, .zst). A relative path is looked for in the working folder, then in the folder that `$TUNER_DATA` names.

    Several files must have the same columns, of those that are needed. A folder stands for the Parquet or Feather files
    in it and in its folders; where those are called `year=2016`, they stand for a column `year`.
    """

    path: str | Path
    """Path, glob pattern or folder. `events.root:tree` names the tree too."""
    columns: tuple[str, ...] | None = None
    """Names of the columns of a text file without a header line, or of a two-dimensional data set of HDF5 or NumPy. An
    error where a text file names its columns itself."""
    tree: str | None = None
    """ROOT: name of the tree, with its folder where several have the name; `Events;1` is an earlier cycle. HDF5: path
    of the data set, or of the group of columns. FITS: name or number of the extension. None: the only one there, which
    trees that keep the books of others (`Runs`, `MetaData`) do not hinder; `jets` or `events` of several data sets of
    HDF5; FITS' first table."""
    trees: Mapping[str, str] | None = None
    """What holds one class each, to what the label column is to say: trees of a ROOT file, `{"TreeS": "signal", ...}`;
    data sets or groups of an HDF5 file; files of the folder that `path` names, `{"sig.root:Events": "signal",
    "qcd*.root": "background"}`. Columns that not all of them have are left out, but for those of `fill`."""
    label: str = "label"
    """Name of the label column that `trees` makes."""
    fill: Mapping[str, float] = field(default_factory=dict)
    """Value of a column where a tree has none, such as `{"weight": 1.0}`."""
    decimal: Literal[".", ","] | None = None
    """Decimal mark of a text file. None: judged by all of its numbers."""
    encoding: str | None = None
    """How a text file's letters are encoded, such as "latin-1". None: judged by its first bytes."""
    is_moved: bool = field(default=False, repr=False)
    """Set by `at`: another file may name its columns itself, and may hold one tree of any name."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError`, `MissingPackage`."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns. Raise `EventsError`, `MissingPackage`."""
        from tuner.events.class_sources import ClassSource, read_classes
        from tuner.events.joining import join_parts

        path, tree = self._split_path()
        if classes := self._list_classes():
            parts = read_classes([ClassSource(*one) for one in classes], wanted, self.label, self.fill)
            for _, table in parts:
                if len(table.attrs["parts"]) == 1:  # it is called by its file alone, without its tree
                    del table.attrs["parts"]
        else:
            parts = [(str(file), self._read_file(file, tree, wanted)) for file in self._find_own(path)]
            _add_partitions(parts, path, wanted)
        (first, read), *others = parts
        for name, other in others:
            if lacking := sorted(set(read.columns) ^ set(other.columns)):
                raise EventsError(f'"{first}" and "{name}" must have the same columns, but differ in '
                                  f"{name_all(lacking)}.")  # fmt: skip
        return join_parts(parts)

    def read_lists(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of lists by name as `ListSource` says. Raise `EventsError`, `MissingPackage`."""
        path, tree = self._split_path()
        if classes := self._list_classes():
            parts = [source.read_lists(names) for source, _, _ in classes]
        else:
            parts = [self._read_file_lists(file, tree, names) for file in self._find_own(path)]
        if len(parts) == 1:
            return parts[0]
        import awkward as ak

        return {name: ak.concatenate([part[name] for part in parts]) for name in names}

    def find_files(self) -> list[Path]:
        """Return the files that are read. Raise `EventsError` where there are none."""
        if self._has_class_files():
            return [file for source, _, _ in self._list_classes() for file in source.find_files()]
        return find_files(self._split_path()[0])

    def describe(self) -> str:
        """Return the path as it was given, with its trees."""
        path, tree = self._split_path()
        is_told = self.trees and (not self.is_moved or self._has_class_files())
        named = " and ".join(self.trees or ()) if is_told else tree
        return f"{path}:{named}" if named else path

    @property
    def _rows(self) -> slice:
        """Which events of a file are read."""
        return ALL_ROWS

    def _find_own(self, path: str) -> list[Path]:
        """Return the files that events are read from."""
        return find_files(path)

    def at(self, path: Path) -> File:
        """Return the same file at another path; a folder stands for the file of the same name in it.

        A tree that the path names, `new.root:tree`, is read instead of those that this file names.
        """
        if self._has_class_files():
            return replace(self, path=path, trees=self.trees if path.is_dir() else None, is_moved=True)
        name = Path(self._split_path()[0]).name
        is_there = (path / name).exists() or has_magic(name)
        return replace(self, path=path / name if path.is_dir() and is_there else path, is_moved=True)

    def _split_path(self) -> tuple[str, str | None]:
        """Return path and tree of `path:tree`."""
        path, colon, tree = str(self.path).rpartition(":")
        return (path, tree) if colon and find_format(Path(path)) else (str(self.path), self.tree)

    def _has_class_files(self) -> bool:
        """Return whether classes are files of a folder, not trees of a file."""
        return any(find_format(Path(name.partition(":")[0])) for name in self.trees or ())

    def _list_classes(self) -> list[tuple[File, str | None, str]]:
        """Return the files, trees of ROOT or groups of HDF5 that hold a class each, with its label and its name.

        None where no classes are named.
        """
        path, tree = self._split_path()
        trees: Mapping[str, str | None] = self.trees or {}
        kind = find_format(Path(path))
        if not self._has_class_files() and (not trees or kind not in ("HDF5", "ROOT")):
            return []
        alone = replace(self, trees=None)
        if self._has_class_files():
            found = [(replace(alone, path=Path(path) / name), value) for name, value in trees.items()]
            return [(source, value, f'"{source.describe()}"') for source, value in found]
        classes: list[tuple[File, str | None, str]] = []
        for file in find_files(path):
            chosen: list[str | None] = [*self._choose_trees(file, kind, tree)]
            classes += [
                (replace(alone, path=file, tree=name), trees.get(name or ""), f'"{name}"') for name in chosen or [tree]
            ]
        return classes

    def _choose_trees(self, file: Path, kind: str | None, tree: str | None) -> list[str]:
        """Return the trees or groups of a file that are read; of another file than the study's those that it has."""
        if not self.is_moved:
            return [*(self.trees or {})]
        if tree:
            return [tree]
        from tuner.events.damage import tell_damage

        with tell_damage(file, kind or ""):
            if kind == "HDF5":
                from tuner.events.formats.hdf5 import find_keys

                return find_keys(file, [*(self.trees or {})])
            from tuner.events.formats.root import list_event_trees

            there = list_event_trees(file)
        return there if len(there) == 1 else [*(self.trees or {})]

    def _read_file(self, path: Path, tree: str | None, wanted: Wanted) -> pd.DataFrame:
        """Return the wanted columns of one file."""
        from tuner.events.damage import tell_damage

        kind = find_format(path)
        if kind is None:
            raise EventsError(describe_unknown(path))
        habits = {"decimal": self.decimal, "encoding": self.encoding, "may_have_header": self.is_moved}
        with tell_damage(path, kind):
            return read_table(path, kind, wanted, tree=tree, columns=self.columns, habits=habits, rows=self._rows)

    def _read_file_lists(self, path: Path, tree: str | None, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of lists of one file."""
        from tuner.events.damage import tell_damage

        kind = find_format(path) or ""
        with tell_damage(path, kind):
            return read_lists(path, kind, names, tree, self.columns, rows=self._rows)


def _add_partitions(parts: list[tuple[str, pd.DataFrame]], path: str, wanted: Wanted) -> None:
    """Add the columns that the files' folders stand for, `year=2016`: numbers where all of their values are numbers.

    A column that is in the file stays as it is there.
    """
    import pandas as pd

    found = [find_partitions(path, Path(name)) for name, _ in parts]
    for column in dict.fromkeys(column for values in found for column in values):
        texts = [values.get(column) for values in found]
        known = pd.Series([None if text == _NOTHING else text for text in texts], dtype=object)
        numbers = pd.to_numeric(known, errors="coerce")
        values = numbers if (numbers.notna() == known.notna()).all() and known.notna().any() else known
        for number, (value, text) in enumerate(zip(values, texts, strict=True)):
            name, table = parts[number]
            if text is None or column in table or not wanted(column):
                continue
            is_text = isinstance(value, str)
            added = pd.Categorical([value], sorted(set(known.dropna()))).repeat(len(table)) if is_text else value
            parts[number] = (name, pd.concat([table, pd.DataFrame({column: added}, index=table.index)], axis=1))
            parts[number][1].attrs = table.attrs


_NOTHING = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Given:
    """Events that a program gave: what `Problem(events=...)` makes of a table or of arrays."""

    events: GivenEvents
    """A copy of them."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns; those that hold no number or text per event are left out."""
        from tuner.events.formats.given import read_given

        return read_given(self.events.table, wanted)

    def read_lists(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of lists by name, Awkward arrays [n, ...]. Raise `MissingPackage`."""
        from tuner.events.formats.lists import wrap_lists

        return {name: wrap_lists(self.events.table[name].to_numpy(object)) for name in names}

    def describe(self) -> str:
        """Return how many events of how many columns."""
        return str(self.events)

    def at(self, path: Path) -> File:
        """Return a file of such events."""
        return File(path, is_moved=True)


@dataclass(frozen=True)
class OpenML:
    """A data set of openml.org. A local copy is read where there is one; else scikit-learn downloads and keeps it."""

    data_id: int
    """Number of the data set."""
    file: str | None = None
    """Name of a local copy: looked for where `--events` says, and in the folder that `$TUNER_DATA` names."""
    columns: tuple[str, ...] | None = None
    """Names of the local copy's columns, where it has no header line."""
    path: Path | None = None
    """File, or folder that holds `file`; set by `at`."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError`."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns. Raise `EventsError`."""
        local = self._find_local()
        if local is not None:
            return File(local, columns=self.columns, is_moved=True).read_columns(wanted)
        from tuner.events.formats.text_layout import clean_name

        table = self._fetch()
        table.columns = [clean_name(name) for name in table.columns]
        return table[[name for name in table.columns if wanted(name)]]

    def find_files(self) -> list[Path]:
        """Return the local copy; none where there is none."""
        local = self._find_local()
        return [local] if local and local.is_file() else []

    def describe(self) -> str:
        """Return the number of the data set and the local file that stands for it."""
        local = self.path or (find_in_data_folder(self.file) if self.file else None)
        return f"OpenML {self.data_id}" + (f" ({local.name})" if local else "")

    def at(self, path: Path) -> OpenML:
        """Return the same data set, read from a file, or from the folder that holds it."""
        return replace(self, path=path)

    def _find_local(self) -> Path | None:
        """Return the local copy; None where there is none."""
        if self.path is None:
            return find_in_data_folder(self.file) if self.file else None
        if self.path.is_dir():
            if self.file is None:
                raise EventsError(f'"{self.path}" is a folder. Name the file in it.')
            return find_files(self.path / self.file)[0]
        return self.path

    def _fetch(self) -> pd.DataFrame:
        """Download the data set, or take it from scikit-learn's folder of data sets."""
        from http.client import HTTPException

        from sklearn.datasets import fetch_openml

        try:
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                table: pd.DataFrame = fetch_openml(data_id=self.data_id, as_frame=True, parser="pandas").frame
        except (OSError, ValueError, HTTPException) as error:
            missing = f" {describe_missing(self.file)}" if self.file else ""
            folder = f" as {self.file} into a folder and set TUNER_DATA to that folder" if self.file else ""
            raise EventsError(
                f"Data set {self.data_id} of OpenML could not be downloaded ({type(error).__name__}: {error})."
                f"{missing} Connect this machine to the network; or download the table elsewhere, as CSV from "
                f"https://www.openml.org/d/{self.data_id}, and name the file with --events PATH"
                + (f", or put it{folder}." if folder else ".")
            ) from error
        return table


def find_source(events: EventSource | str | Path | GivenEvents) -> EventSource:
    """Return the source of a problem's events: a path stands for a file."""
    if isinstance(events, GivenEvents):
        return Given(events)
    return File(events) if isinstance(events, (str, Path)) else events


def find_input_files(events: EventSource | str | Path | GivenEvents) -> list[Path]:
    """Return the files that a problem's events are read from; none where they are gone or the source has no files."""
    source = find_source(events)
    try:
        return list(source.find_files()) if hasattr(source, "find_files") else []
    except EventsError:
        return []


def count_unnamed_columns(events: str | Path) -> int:
    """Return the number of columns of a text file that does not name them; 0 for any other file."""
    path = find_files(events)[0] if find_format(Path(events)) == "text" else None
    if path is None:
        return 0
    from tuner.events.damage import tell_damage
    from tuner.events.formats.text_layout import find_layout

    with tell_damage(path, "text"):
        layout = find_layout(path)
    return 0 if layout.names is not None else layout.n_columns
