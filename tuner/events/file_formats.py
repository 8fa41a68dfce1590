"""Formats of files, told by their endings. Each is imported when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import EventsError, name_all
from tuner.events.listing import ALL_ROWS, Wanted

if TYPE_CHECKING:
    import pandas as pd

_TEXT = (".csv", ".txt", ".data", ".tsv", ".dat", ".tab")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_FORMATS = {
    **dict.fromkeys(_TEXT, "text"),
    ".parquet": "Parquet",
    **dict.fromkeys((".feather", ".arrow"), "Feather"),
    **dict.fromkeys((".h5", ".hdf5"), "HDF5"),
    ".root": "ROOT",
    **dict.fromkeys((".npy", ".npz"), "NumPy"),
    **dict.fromkeys((".fits", ".fit"), "FITS"),
    ".ecsv": "ECSV",
    ".arff": "ARFF",
    **dict.fromkeys((".jsonl", ".ndjson"), "JSON lines"),
}
CUT = ("Parquet", "HDF5", "ROOT")
"""Formats of which some events can be read by themselves."""
_COMPRESSIBLE = ("text", "FITS", "ECSV", "ARFF", "JSON lines")
_REFUSED = {
    **dict.fromkeys(
        (".pkl", ".pickle", ".joblib", ".pt", ".pth"),
        "is a pickle, which runs whatever program is in it when it is loaded, so none is. Write its table as Parquet "
        "where you trust it: pandas.read_pickle(PATH).to_parquet(...)",
    ),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "is a spreadsheet. Save the sheet with the events as CSV"),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z"), "is an archive. Unpack it, and name the file in it"),
    ".json": 'is JSON. Write a line an event: frame.to_json("events.jsonl", orient="records", lines=True)',
    **dict.fromkeys((".sqlite", ".db"), "is a database. Write the table with the events as Parquet or CSV"),
    ".mat": "is of MATLAB. Write its table as CSV: writetable(t, 'events.csv')",
}
"""What files of other endings are, and what to do."""


def find_format(path: Path) -> str | None:
    """Return the format that the ending of a path names; None where it names none."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        kind = _FORMATS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return kind if kind in _COMPRESSIBLE else None
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def names_events(path: Path) -> bool:
    """Return whether a path names events and no Python file: by its ending, with a tree or not, or as a folder."""
    name = str(path)
    return find_format(path) is not None or find_format(Path(name.rpartition(":")[0])) is not None or path.is_dir()


def read_table(  # noqa: PLR0911
    path: Path,
    kind: str,
    wanted: Wanted,
    *,
    tree: str | None,
    columns: tuple[str, ...] | None,
    habits: Mapping[str, Any],
    rows: slice = ALL_ROWS,
) -> pd.DataFrame:
    """Return the wanted columns of a file that holds one table.

    Args:
        path: The file.
        kind: Its format, as `find_format` names it.
        wanted: Says which columns.
        tree: Tree, data set or extension; None where there is one.
        columns: Names of columns that have none in the file.
        habits: Arguments of `read_text`, of text alone.
        rows: Which of the events, in a format of `CUT`.
    """
    match kind:
        case "text":
            from tuner.events.formats.text import read_text

            return read_text(path, wanted, columns, **habits)
        case "Parquet":
            from tuner.events.formats.parquet import read_parquet

            return read_parquet(path, wanted, rows)
        case "Feather":
            from tuner.events.formats.feather import read_feather

            return read_feather(path, wanted)
        case "HDF5":
            from tuner.events.formats.hdf5 import read_hdf5

            return read_hdf5(path, wanted, tree, columns, rows)
        case "ROOT":
            from tuner.events.formats.root import read_tree

            return read_tree(path, wanted, tree, rows)
        case "NumPy":
            from tuner.events.formats.numpy_files import read_numpy

            return read_numpy(path, wanted, columns)
        case "FITS":
            from tuner.events.formats.astropy_tables import read_fits

            return read_fits(path, wanted, tree)
        case "ECSV":
            from tuner.events.formats.astropy_tables import read_ecsv

            return read_ecsv(path, wanted)
        case "ARFF":
            from tuner.events.formats.arff import read_arff

            return read_arff(path, wanted)
        case _:
            from tuner.events.formats.json_lines import read_json_lines

            return read_json_lines(path, wanted)


_OF_LISTS = {
    "Parquet": "parquet",
    "Feather": "feather",
    "JSON lines": "json_lines",
    "ROOT": "root",
    "HDF5": "hdf5",
    "NumPy": "numpy_files",
    "FITS": "astropy_tables",
    "ECSV": "astropy_tables",
}
"""Module of each format whose columns may hold a list for each event."""


def read_lists(
    path: Path,
    kind: str,
    names: Sequence[str],
    tree: str | None,
    columns: tuple[str, ...] | None,
    *,
    rows: slice = ALL_ROWS,
) -> dict[str, Any]:
    """Return columns of lists by name, Awkward arrays [n, ...]; arguments are those of `read_table`.

    Raise `EventsError` where the format has none.
    """
    if kind not in _OF_LISTS:
        raise EventsError(
            f'Lists for each event, {name_all(names)} of "{path}", are read only from {", ".join(_OF_LISTS)}. '
            "Write what you need of them as columns of numbers."
        )
    module = import_module(f"tuner.events.formats.{_OF_LISTS[kind]}")
    read: Callable[..., dict[str, Any]] = module.read_arrays
    if kind == "NumPy":
        return read(path, names, columns)
    some = {"rows": rows} if kind in CUT else {}
    return read(path, names, tree, **some) if kind in ("ROOT", "HDF5", "FITS") else read(path, names, **some)


def list_stretches(
    path: Path, kind: str, at_most: int, *, tree: str | None, columns: tuple[str, ...] | None
) -> list[slice]:
    """Return the events of a file cut into stretches of `at_most`, or of a row group; of another format all at once.

    Arguments are those of `read_table`. Raise `EventsError` where the file cannot be read.
    """
    if kind == "Parquet":
        from tuner.events.formats import parquet

        return parquet.list_stretches(path, at_most)
    if kind == "ROOT":
        from tuner.events.formats import root

        return root.list_stretches(path, tree, at_most)
    if kind == "HDF5":
        from tuner.events.formats import hdf5

        return hdf5.list_stretches(path, tree, columns, at_most)
    return [ALL_ROWS]


def describe_unknown(path: Path) -> str:
    """Return why a file is not read by its ending, and what can be."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in _REFUSED:
        return f'"{path}" {_REFUSED[suffixes[-1]]}.'
    if len(suffixes) > 1 and suffixes[-1] in _COMPRESSED and suffixes[-2] in _FORMATS:
        return f'"{path}" is compressed, which {_FORMATS[suffixes[-2]]} is inside of its files. Decompress it.'
    return (
        f'The ending of "{path}" must name a format: {", ".join(_FORMATS)}; text, FITS, ECSV, ARFF and JSON lines also '
        f"compressed ({', '.join(_COMPRESSED)}). Give the file the ending of what it holds."
    )
