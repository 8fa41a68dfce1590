"""Files that tables of scores are written to, part by part: Parquet, CSV, ROOT and HDF5, by the ending."""

from __future__ import annotations

import gzip
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from tuner.checked_files import warn_once
from tuner.errors import FolderError, MissingPackage, describe_error
from tuner.events.columns import is_number
from tuner.run_folder import check_ending, make_parent

ENDINGS = (".parquet", ".root", ".h5", ".hdf5", ".csv", ".csv.gz")
"""Formats that scores are written in."""

TREE = "scores"
"""Name of the tree in a ROOT file, and of the group in an HDF5 file."""

_CHUNK = 65_536
"""Events of a chunk of HDF5."""


class ScoreWriter(Protocol):
    """Takes tables of the same columns, one after the other."""

    def write(self, table: pd.DataFrame) -> None:
        """Add events."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


@contextmanager
def open_writer(path: Path) -> Iterator[ScoreWriter]:
    """Open a file for scores; it stands at its path when the block ends well, whole or not at all.

    Raises:
        FolderError: Its ending names no format that is written, or it cannot be written.
        MissingPackage: What writes the format is not installed.
    """
    check_ending(path, ENDINGS)
    make_parent(path)
    name = path.name.lower()
    ending = next(ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.endswith(ending))
    partial = path.with_name(f".{path.stem}.{os.getpid()}{ending}")
    try:
        writer = _WRITERS[ending](partial)
        try:
            yield _CheckedWriter(writer, path)
        finally:
            writer.close()
        partial.replace(path)
    except OSError as error:
        raise FolderError(
            f'"{path}" must be writable, but is not ({error.strerror or error}). Free some space or fix its '
            "permissions, or choose another place with --output."
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class _CheckedWriter:
    """A writer that tells in plain words what it cannot write."""

    writer: ScoreWriter
    path: Path

    def write(self, table: pd.DataFrame) -> None:
        try:
            self.writer.write(table)
        except (ValueError, TypeError, OverflowError) as error:
            raise FolderError(
                f'The scores cannot be written to "{self.path}" ({describe_error(error)}). Keep fewer columns, or '
                "write them as CSV, which holds any, with an --output that ends in .csv.gz."
            ) from error

    def close(self) -> None:
        self.writer.close()


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path.open("wb")
        self.writer: Any = None

    def write(self, table: pd.DataFrame) -> None:
        import pyarrow as pa

        new = pa.Table.from_pandas(table, preserve_index=False)
        if self.writer is None:
            self._begin(new.schema)
        schema = self.writer.schema
        if not new.schema.equals(schema):
            new = _take_whole(new, schema)
            wide = pa.unify_schemas([schema, new.schema], promote_options="permissive")
            if not wide.equals(schema):
                self._begin_again(wide)
            new = new.cast(wide)
        self.writer.write_table(new)

    def _begin(self, schema: Any) -> None:
        from pyarrow.parquet import ParquetWriter

        self.writer = ParquetWriter(self.file, schema)

    def _begin_again(self, schema: Any) -> None:
        """Write what was written with other types: a column without a value says nothing of its type."""
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        self.writer.close()
        self.file.close()
        with _set_aside(self.path) as narrow:
            self.file = self.path.open("wb")
            self._begin(schema)
            with ParquetFile(narrow) as before:
                for number in range(before.num_row_groups):
                    self.writer.write_table(pa.table(before.read_row_group(number)).cast(schema))

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.file.close()


@contextmanager
def _set_aside(path: Path) -> Iterator[Path]:
    """Yield the path of a file that is to be written anew under its name; it goes afterwards."""
    before = path.with_name(f"{path.name}.narrow")
    path.rename(before)
    try:
        yield before
    finally:
        before.unlink()


def _take_whole(table: Any, schema: Any) -> Any:
    """Return a table whose columns of whole numbers and nothing are integers again where the schema has integers."""
    import pyarrow as pa

    for place, field in enumerate(schema):
        column = table.column(place)
        if pa.types.is_integer(field.type) and pa.types.is_floating(column.type):
            with suppress(pa.ArrowInvalid):
                table = table.set_column(place, field, column.cast(field.type))
    return table


class _TextWriter:
    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.content: Any = gzip.GzipFile(fileobj=self.file, mode="wb") if path.suffix == ".gz" else self.file
        self.is_begun = False

    def write(self, table: pd.DataFrame) -> None:
        self.content.write(table.to_csv(index=False, header=not self.is_begun).encode())
        self.is_begun = True

    def close(self) -> None:
        self.content.close()
        self.file.close()


class _TreeWriter:
    """A TTree: of its entries the n-th is the n-th of the events, so that it can be a friend of their tree."""

    def __init__(self, path: Path) -> None:
        try:
            import uproot
        except ImportError as error:
            raise MissingPackage("uproot", "root", f'Writing "{path}"') from error
        with path.open("wb"):  # where it cannot be, the system says why
            pass
        self.path, self.file = path, uproot.recreate(path)
        self.kinds: dict[str, np.dtype | None] = {}
        self.tree: Any = None

    def write(self, table: pd.DataFrame) -> None:
        branches = _name_apart([str(name) for name in table if name != "candidate"], _name_branch)
        columns = {branches[str(name)]: _make_plain(table[name]) for name in table if name != "candidate"}
        if self.tree is None:
            kinds = {name: None if values.dtype == object else values.dtype for name, values in columns.items()}
            by = f"scores by the {table['candidate'].iloc[0]}" if "candidate" in table and len(table) else "scores"
            self.kinds = kinds
            self.title = by
            self._begin()
        wide = {name: _widen(values, self.kinds[name]) for name, values in columns.items()}
        if wide != self.kinds:
            self._begin_again(wide)
        self.tree.extend({name: _make_strings(values) for name, values in columns.items()})

    def _begin(self) -> None:
        branches = {name: "string" if kind is None else kind for name, kind in self.kinds.items()}
        self.tree = self.file.mktree(TREE, branches, title=self.title)

    def _begin_again(self, kinds: dict[str, np.dtype | None]) -> None:
        """Write what was written with other types: the type of a branch is fixed."""
        import uproot

        self.file.close()
        with _set_aside(self.path) as narrow:
            self.file, self.kinds = uproot.recreate(self.path), kinds
            self._begin()
            with uproot.open(narrow) as before:
                for chunk in before[TREE].iterate(step_size=_CHUNK, library="ak"):
                    columns = {name: chunk[name] for name in kinds}
                    self.tree.extend(
                        {
                            n: each if kinds[n] is None else _cast(each.to_numpy(), kinds[n])
                            for n, each in columns.items()
                        }
                    )

    def close(self) -> None:
        self.file.close()


class _HDF5Writer:
    """A group with a data set for each column."""

    def __init__(self, path: Path) -> None:
        try:
            import h5py
        except ImportError as error:
            raise MissingPackage("h5py", "hdf5", f'Writing "{path}"') from error
        with path.open("wb"):
            pass
        self.file = h5py.File(path, "w")
        self.group, self.text = self.file.create_group(TREE), h5py.string_dtype()

    def write(self, table: pd.DataFrame) -> None:
        labels = _name_apart([str(name) for name in table], lambda name: name.replace("/", "_"))
        for name in table:
            values, label = _make_plain(table[name]), labels[str(name)]
            if label not in self.group:
                self._create(label, shape=(0,), dtype=self.text if values.dtype == object else values.dtype)
            dataset = self.group[label]
            kind = None if dataset.dtype == object else dataset.dtype
            if (wide := _widen(values, kind)) != kind:
                before = _cast(dataset[()], wide)
                del self.group[label]
                dataset = self._create(label, data=before)
            start = len(dataset)
            dataset.resize(start + len(values), axis=0)
            dataset[start:] = values

    def _create(self, label: str, **content: Any) -> Any:
        """Return a new data set that may grow, with content or a shape and type as h5py takes them."""
        return self.group.create_dataset(label, maxshape=(None,), chunks=(_CHUNK,), compression="gzip", **content)

    def close(self) -> None:
        self.file.close()


_WRITERS: Mapping[str, Callable[[Path], ScoreWriter]] = {
    ".parquet": _ParquetWriter,
    ".csv": _TextWriter,
    ".csv.gz": _TextWriter,
    ".root": _TreeWriter,
    ".h5": _HDF5Writer,
    ".hdf5": _HDF5Writer,
}


def _make_plain(column: pd.Series) -> np.ndarray:
    """Return a column [n] as numbers of this machine's types, or as texts, which are empty where nothing is known."""
    if is_number(column):
        kind = np.float64 if column.isna().any() or column.dtype == np.float16 else None
        values = column.to_numpy(kind, na_value=np.nan) if kind else column.to_numpy()
        return (
            np.asarray(values, values.dtype.newbyteorder("=")) if values.dtype != object else values.astype(np.float64)
        )
    texts = column.astype(object)
    return np.asarray(texts.where(texts.notna(), "").map(str), dtype=object)


def _name_branch(name: str) -> str:
    """Return a name that ROOT's expressions can use."""
    return "".join(sign if sign.isalnum() or sign == "_" else "_" for sign in name)


def _name_apart(names: Sequence[str], make_plain: Callable[[str], str]) -> dict[str, str]:
    """Return for each column a name that the format has room for; those that would be one are numbered, and told."""
    taken, found = set(names), dict[str, str]()
    for name in names:
        plain = make_plain(name)
        wanted = itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(2)))
        found[name] = name if plain == name else next(each for each in wanted if each not in taken)
        taken.add(found[name])
        if found[name] not in (name, plain):
            warn_once(f'Column "{name}" is "{found[name]}" in the file, where another column is "{plain}".')
    return found


def _make_strings(values: np.ndarray) -> Any:
    """Return texts as an Awkward array, as uproot takes them; numbers as they are."""
    if values.dtype != object:
        return values
    import awkward as ak

    return ak.Array(values.tolist()) if len(values) else ak.Array([""])[:0]


def _widen(values: np.ndarray, kind: np.dtype | None) -> np.dtype | None:
    """Return the type that holds values [n] and those before, which have a kind; None for texts.

    Raises:
        TypeError: Some are texts and others numbers.
    """
    if (kind is None) != (values.dtype == object):
        raise TypeError(f"a column holds {values.dtype} where it held {'texts' if kind is None else kind} before")
    return None if kind is None else np.promote_types(kind, values.dtype)


def _cast(values: np.ndarray, kind: np.dtype | None) -> np.ndarray:
    """Return numbers [n] as a wider type. Raise `ValueError` where it cannot tell two of them apart."""
    wide = values.astype(kind)
    if not np.array_equal(wide.astype(values.dtype), values, equal_nan=values.dtype.kind == "f"):
        raise ValueError(f"a column holds {kind} where it held numbers before that need {values.dtype}")
    return wide
