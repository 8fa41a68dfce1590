"""Sources of events: files, and data sets of OpenML. Light to import; each format is imported when read."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from tuner.errors import EventsError, name_all
from tuner.events.listing import Wanted
from tuner.events.paths import describe_missing, find_files, find_in_data_folder
from tuner.problem import EventSource

if TYPE_CHECKING:
    import pandas as pd

_TEXT = (".csv", ".txt", ".data", ".tsv")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_FORMATS = {
    **dict.fromkeys(_TEXT, "text"),
    ".parquet": "Parquet",
    **dict.fromkeys((".h5", ".hdf5"), "HDF5"),
    ".root": "ROOT",
}


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
        """Return columns of all events by name, Awkward arrays [n, ...], in the order of the events."""
        ...


@dataclass(frozen=True)
class File:
    """One file, or several that a pattern names: CSV (also .txt, .data, .gz), Parquet, HDF5, ROOT.

    A relative path is looked for in the working folder, then in the folder that `$TUNER_DATA` names.
    """

    path: str | Path
    """Path or glob pattern. `events.root:tree` names the tree too."""
    columns: tuple[str, ...] | None = None
    """Names of the columns of a text file without a header line, or of a two-dimensional HDF5 data set. An error
    where a text file names its columns itself."""
    tree: str | None = None
    """ROOT: name of the tree. HDF5: path of the data set, or of the group of columns. None: the only one there."""
    trees: Mapping[str, str] | None = None
    """Trees of a ROOT file that hold one class each, to what the label column is to say: `{"TreeS": "signal", ...}`.
    Columns that not all of the trees have are left out, but for those of `fill`."""
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
        import pandas as pd

        from tuner.events.reading_notes import join_notes

        path, tree = self._split_path()
        parts = [part for file in find_files(path) for part in self._read_parts(file, tree, wanted)]
        (first, table), *others = parts
        for name, other in others:
            if lacking := sorted(set(table.columns) ^ set(other.columns)):
                raise EventsError(f'"{first}" and "{name}" must have the same columns, but differ in '
                                  f"{name_all(lacking)}.")  # fmt: skip
        joined = (
            table if not others else pd.concat([part.reset_index(drop=True) for _, part in parts], ignore_index=True)
        )
        joined.attrs = join_notes([part for _, part in parts]) | {"parts": [(name, len(part)) for name, part in parts]}
        return joined

    def read_lists(self, names: Sequence[str]) -> dict[str, Any]:
        """Return columns of lists by name, Awkward arrays [n, ...], in the order of the events.

        Raise `EventsError`, `MissingPackage`.
        """
        path, tree = self._split_path()
        parts = [part for file in find_files(path) for part in self._read_part_lists(file, tree, names)]
        if len(parts) == 1:
            return parts[0]
        import awkward as ak

        return {name: ak.concatenate([part[name] for part in parts]) for name in names}

    def find_files(self) -> list[Path]:
        """Return the files that are read. Raise `EventsError` where there are none."""
        return find_files(self._split_path()[0])

    def describe(self) -> str:
        """Return the path as it was given, with its trees."""
        path, tree = self._split_path()
        named = " and ".join(self.trees) if self.trees and not (tree and self.is_moved) else tree
        return f"{path}:{named}" if named else path

    def at(self, path: Path) -> File:
        """Return the same file at another path; a folder stands for the file of the same name in it.

        A tree that the path names, `new.root:tree`, is read instead of those that this file names.
        """
        name = Path(self._split_path()[0]).name
        return replace(self, path=path / name if path.is_dir() else path, is_moved=True)

    def _split_path(self) -> tuple[str, str | None]:
        """Return path and tree of `path:tree`."""
        path, colon, tree = str(self.path).rpartition(":")
        return (path, tree) if colon and find_format(Path(path)) else (str(self.path), self.tree)

    def _read_parts(self, path: Path, tree: str | None, wanted: Wanted) -> list[tuple[str, pd.DataFrame]]:
        """Return name and table of a file (of each tree, where trees are classes)."""
        kind = find_format(path)
        if kind is None:
            raise EventsError(
                f'The ending of "{path}" must name a format: {", ".join(_FORMATS)} (text also compressed: '
                f"{', '.join(_COMPRESSED)})."
            )
        from tuner.events.damage import tell_damage

        with tell_damage(path, kind):
            match kind:
                case "text":
                    from tuner.events.formats.text import read_text

                    table = read_text(
                        path,
                        wanted,
                        self.columns,
                        may_have_header=self.is_moved,
                        decimal=self.decimal,
                        encoding=self.encoding,
                    )
                    return [(str(path), table)]
                case "Parquet":
                    from tuner.events.formats.parquet import read_parquet

                    return [(str(path), read_parquet(path, wanted))]
                case "HDF5":
                    from tuner.events.formats.hdf5 import read_hdf5

                    return [(str(path), read_hdf5(path, wanted, tree, self.columns))]
                case _:
                    from tuner.events.formats.root import read_classes, read_tree

                    if self.trees:
                        return read_classes(
                            path, wanted, self.trees, self.label, self.fill, is_moved=self.is_moved, name=tree
                        )
                    return [(str(path), read_tree(path, wanted, tree))]

    def _read_part_lists(self, path: Path, tree: str | None, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of lists of a file, or of each of its trees, where trees are classes."""
        from tuner.events.damage import tell_damage

        kind = find_format(path) or ""
        with tell_damage(path, kind):
            if kind == "Parquet":
                from tuner.events.formats.parquet import read_arrays

                return [read_arrays(path, names)]
            if kind == "ROOT":
                from tuner.events.formats import root

                trees = [tree]
                if self.trees:
                    trees = [*root.list_trees(path, self.trees, tree, is_moved=self.is_moved)]
                return [root.read_arrays(path, name, names) for name in trees]
        raise EventsError(
            f"Lists for each event, {name_all(names)} of {self.describe()}, are read only from ROOT and Parquet files. "
            "Write what you need of them as columns of numbers."
        )


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
        return [local] if local else []

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
        from sklearn.datasets import fetch_openml

        try:
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                table: pd.DataFrame = fetch_openml(data_id=self.data_id, as_frame=True, parser="pandas").frame
        except (OSError, ValueError) as error:
            missing = f" {describe_missing(self.file)}" if self.file else ""
            folder = f" as {self.file} into a folder and set TUNER_DATA to that folder" if self.file else ""
            raise EventsError(
                f"Data set {self.data_id} of OpenML could not be downloaded ({type(error).__name__}: {error})."
                f"{missing} Connect this machine to the network; or download the table elsewhere, as CSV from "
                f"https://www.openml.org/d/{self.data_id}, and name the file with --events PATH"
                + (f", or put it{folder}." if folder else ".")
            ) from error
        return table


def find_source(events: EventSource | str | Path) -> EventSource:
    """Return the source of a problem's events: a path stands for a file."""
    return File(events) if isinstance(events, (str, Path)) else events


def find_input_files(events: EventSource | str | Path) -> list[Path]:
    """Return the files that a problem's events are read from; none where they are gone or the source has no files."""
    source = find_source(events)
    try:
        return source.find_files() if isinstance(source, File | OpenML) else []
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


def find_format(path: Path) -> str | None:
    """Return the format that the ending of a path names; None where it names none."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        return "text" if len(suffixes) > 1 and suffixes[-2] in _TEXT else None
    return _FORMATS.get(suffixes[-1]) if suffixes else None
