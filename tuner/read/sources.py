"""Sources of events: files, and data sets of OpenML. Light to import; each format is imported when read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tuner.errors import EventsError, name_all
from tuner.problem import EventSource
from tuner.read.places import Wanted, describe_missing, find_files, find_in_data_folder

if TYPE_CHECKING:
    import pandas as pd

_TEXT = (".csv", ".txt", ".data", ".tsv")
_COMPRESSED = (".gz", ".bz2", ".xz")
_FORMATS = {
    **dict.fromkeys(_TEXT, "text"),
    ".parquet": "parquet",
    **dict.fromkeys((".h5", ".hdf5"), "hdf5"),
    ".root": "root",
}


@runtime_checkable
class SelectiveSource(EventSource, Protocol):
    """A source that can leave out columns that nobody wants."""

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with those of their columns that are wanted."""
        ...


@dataclass(frozen=True)
class File:
    """One file, or several that a pattern names: CSV (also .txt, .data, .gz), Parquet, HDF5, ROOT.

    A relative path is looked for in the working folder, then in the folder that `$TUNER_DATA` names.
    """

    path: str | Path
    """Path or glob pattern. `events.root:tree` names the tree too."""
    columns: tuple[str, ...] | None = None
    """Names of the columns of a text file without a header line, or of a two-dimensional HDF5 data set."""
    tree: str | None = None
    """ROOT: name of the tree. HDF5: path of the data set, or of the group of columns. None: the only one there."""
    trees: Mapping[str, str] | None = None
    """Trees of a ROOT file that hold one class each, to what the label column is to say: `{"TreeS": "signal", ...}`.
    Columns that not all of the trees have are left out, but for those of `fill`."""
    label: str = "label"
    """Name of the label column that `trees` makes."""
    fill: Mapping[str, float] = field(default_factory=dict)
    """Value of a column where a tree has none, such as `{"weight": 1.0}`."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError`, `MissingPackage`."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns. Raise `EventsError`, `MissingPackage`."""
        import pandas as pd

        path, tree = self._split_path()
        paths = find_files(path)
        names, tables = zip(*self._read_parts(paths, tree, wanted), strict=True)
        for name, table in zip(names[1:], tables[1:], strict=True):
            if lacking := sorted(set(tables[0].columns) ^ set(table.columns)):
                raise EventsError(f'"{names[0]}" and "{name}" must have the same columns, but differ in '
                                  f"{name_all(lacking)}.")  # fmt: skip
        joined: pd.DataFrame = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
        joined.attrs["parts"] = [(name, len(table)) for name, table in zip(names, tables, strict=True)]
        return joined

    def find_files(self) -> list[Path]:
        """Return the files that are read. Raise `EventsError` where there are none."""
        return find_files(self._split_path()[0])

    def describe(self) -> str:
        """Return the path as it was given, with its trees."""
        path, tree = self._split_path()
        named = " and ".join(self.trees) if self.trees else tree
        return f"{path}:{named}" if named else path

    def at(self, path: Path) -> File:
        """Return the same file at another path; a folder stands for the file of the same name in it."""
        name = Path(self._split_path()[0]).name
        return replace(self, path=path / name if path.is_dir() else path)

    def _split_path(self) -> tuple[str, str | None]:
        """Return path and tree of `path:tree`."""
        path, colon, tree = str(self.path).rpartition(":")
        return (path, tree) if colon and _find_format(Path(path)) else (str(self.path), self.tree)

    def _read_parts(self, paths: list[Path], tree: str | None, wanted: Wanted) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield name and table of each file (of each tree, where trees are classes)."""
        for path in paths:
            match _find_format(path):
                case "text":
                    from tuner.read.text_files import read_text

                    yield str(path), read_text(path, wanted, self.columns)
                case "parquet":
                    from tuner.read.parquet_files import read_parquet

                    yield str(path), read_parquet(path, wanted)
                case "hdf5":
                    from tuner.read.hdf5_files import read_hdf5

                    yield str(path), read_hdf5(path, wanted, tree, self.columns)
                case "root":
                    from tuner.read.root_files import read_classes, read_tree

                    if self.trees:
                        yield from read_classes(path, wanted, self.trees, self.label, self.fill)
                    else:
                        yield str(path), read_tree(path, wanted, tree)
                case _:
                    raise EventsError(
                        f'The ending of "{path}" must name a format: {", ".join(_FORMATS)} (text also compressed: '
                        f"{', '.join(_COMPRESSED)})."
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
    place: Path | None = None
    """File, or folder that holds `file`; set by `at`."""

    def read(self) -> pd.DataFrame:
        """Return all events, one a row. Raise `EventsError`."""
        return self.read_columns(lambda _: True)

    def read_columns(self, wanted: Wanted) -> pd.DataFrame:
        """Return all events with the wanted columns. Raise `EventsError`."""
        local = self._find_local()
        if local is not None:
            return File(local, columns=self.columns).read_columns(wanted)
        from tuner.read.text_files import clean_name

        table = self._fetch()
        table.columns = [clean_name(name) for name in table.columns]
        return table[[name for name in table.columns if wanted(name)]]

    def find_files(self) -> list[Path]:
        """Return the local copy; none where there is none."""
        local = self._find_local()
        return [local] if local else []

    def describe(self) -> str:
        """Return the number of the data set and the local file that stands for it."""
        local = self.place or (find_in_data_folder(self.file) if self.file else None)
        return f"OpenML {self.data_id}" + (f" ({local.name})" if local else "")

    def at(self, path: Path) -> OpenML:
        """Return the same data set, read from a file, or from the folder that holds it."""
        return replace(self, place=path)

    def _find_local(self) -> Path | None:
        """Return the local copy; None where there is none."""
        if self.place is None:
            return find_in_data_folder(self.file) if self.file else None
        if self.place.is_dir():
            if self.file is None:
                raise EventsError(f'"{self.place}" is a folder. Name the file in it.')
            return find_files(self.place / self.file)[0]
        return self.place

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


def _find_format(path: Path) -> str | None:
    """Return the format that the ending of a path names; None where it names none."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        return "text" if len(suffixes) > 1 and suffixes[-2] in _TEXT else None
    return _FORMATS.get(suffixes[-1]) if suffixes else None
