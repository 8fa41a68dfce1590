"""Files that tables of scores are written to, part by part: Parquet, CSV, ROOT and HDF5, by the ending."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

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
                f'The scores cannot be written to "{self.path}" ({describe_error(error)}). Write them as Parquet, '
                "with an --output that ends in .parquet, or keep fewer columns."
            ) from error

    def close(self) -> None:
        self.writer.close()


class _ParquetWriter:
    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.first: Any = None
        self.writer: Any = None

    def write(self, table: pd.DataFrame) -> None:
        import pyarrow as pa

        if self.writer is not None:
            self.writer.write_table(pa.Table.from_pandas(table, schema=self.writer.schema, preserve_index=False))
        elif self.first is None:
            self.first = pa.Table.from_pandas(table, preserve_index=False)
        else:
            # A column without a value among the first events says nothing of its type: text can hold any.
            schema = self.first.schema
            fields = [field.with_type(pa.string()) if pa.types.is_null(field.type) else field for field in schema]
            self._begin(pa.schema(fields, schema.metadata))
            self.write(table)

    def _begin(self, schema: Any) -> None:
        from pyarrow.parquet import ParquetWriter

        self.writer = ParquetWriter(self.file, schema)
        self.writer.write_table(self.first.cast(schema))
        self.first = None

    def close(self) -> None:
        if self.first is not None:
            self._begin(self.first.schema)
        if self.writer is not None:
            self.writer.close()
        self.file.close()


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
        self.file = uproot.recreate(path)
        self.tree: Any = None

    def write(self, table: pd.DataFrame) -> None:
        columns = {_name_branch(str(name)): _make_plain(table[name]) for name in table if name != "candidate"}
        if self.tree is None:
            kinds = {name: None if values.dtype == object else values.dtype for name, values in columns.items()}
            by = f"scores by the {table['candidate'].iloc[0]}" if "candidate" in table and len(table) else "scores"
            self.kinds = kinds
            branches = {name: "string" if kind is None else kind for name, kind in kinds.items()}
            self.tree = self.file.mktree(TREE, branches, title=by)
        for name, values in columns.items():
            _check_kind(values, self.kinds[name])
        self.tree.extend({name: _make_strings(values) for name, values in columns.items()})

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
        for name in table:
            values = _make_plain(table[name])
            label = str(name).replace("/", "_")
            if label not in self.group:
                kind = self.text if values.dtype == object else values.dtype
                self.group.create_dataset(label, (0,), kind, maxshape=(None,), chunks=(_CHUNK,), compression="gzip")
            dataset = self.group[label]
            _check_kind(values, None if dataset.dtype == object else dataset.dtype)
            start = len(dataset)
            dataset.resize(start + len(values), axis=0)
            dataset[start:] = values

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


def _make_strings(values: np.ndarray) -> Any:
    """Return texts as an Awkward array, as uproot takes them; numbers as they are."""
    if values.dtype != object:
        return values
    import awkward as ak

    return ak.Array(values.tolist()) if len(values) else ak.Array([""])[:0]


def _check_kind(values: np.ndarray, kind: np.dtype | None) -> None:
    """Raise `TypeError` where values [n] are not of the kind of those before: numbers of a type, or texts for None."""
    if (kind is None) != (values.dtype == object) or (kind is not None and not np.can_cast(values.dtype, kind)):
        raise TypeError(f"a column holds {values.dtype} where it held {'texts' if kind is None else kind} before")
