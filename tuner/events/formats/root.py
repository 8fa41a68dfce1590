"""Events in ROOT files: one tree, or one tree for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage, describe_error, name_all, suggest_name
from tuner.events.formats.root_columns import TreeColumn, find_columns
from tuner.events.listing import ALL_ROWS, ListedColumn, Wanted

_TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_BOOKKEEPING = {
    *("runs", "luminosityblocks", "lumis", "parametersets", "parentage", "eventmetadata", "metadata", "podio_metadata"),
    *("metadatahdr", "metadatahdrform", "poolcontainer", "poolcontainerform", "poolcollectiontree", "dataheader"),
    *("dataheaderform", "eventtag", "##params", "##shapes", "##links"),
}
"""Trees that CMS, ATLAS (POOL) and podio write beside the one of the events, in lower case."""


def read_tree(path: Path, wanted: Wanted, name: str | None, rows: slice = ALL_ROWS) -> pd.DataFrame:
    """Return the wanted columns of a tree; None stands for the only tree of events in the file.

    Only their branches are read. What is no number and no text per event is left out.
    """
    with _open(path) as file:
        tree = _find_tree(file, name, path)
        columns = find_columns(tree)
        chosen = [column for column in columns if not column.why_not and wanted(column.name)]
        n_events = len(range(tree.num_entries)[rows])
        table = _make_table(_read_columns(path, tree, chosen, rows), n_events)
    table.attrs["left_out"] = {column.name: column.why_not for column in columns if column.why_not}
    return table


def list_columns(path: Path, name: str | None) -> list[ListedColumn]:
    """Return the columns of a tree: their names, their types, and which are one number or text per event."""
    with _open(path) as file:
        columns = find_columns(_find_tree(file, name, path))
        return [ListedColumn(column.name, column.type, not column.why_not) for column in columns]


def list_stretches(path: Path, name: str | None, at_most: int) -> list[slice]:
    """Return the events of a tree cut into stretches of `at_most`."""
    with _open(path) as file:
        n_events = _find_tree(file, name, path).num_entries
    return [slice(start, min(start + at_most, n_events)) for start in range(0, n_events, at_most)]


def list_event_trees(path: Path) -> list[str]:
    """Return the trees of a file, without those that keep the books of others."""
    with _open(path) as file:
        return [tree for tree in _list_trees(file) if _is_of_events(tree)]


def read_arrays(path: Path, names: Sequence[str], name: str | None, rows: slice = ALL_ROWS) -> dict[str, Any]:
    """Return columns of a tree by name, lists for each event among them.

    Args:
        path: The file.
        names: Of columns that `list_columns` lists.
        name: Name of the tree. None: the only one of events.
        rows: Which of the events.

    Returns:
        A NumPy array [n] for each column of one number or text per event, an Awkward array [n, ...] for others.

    Raises:
        EventsError: The tree has no such column, or it cannot be read.
    """
    with _open(path) as file:
        tree = _find_tree(file, name, path)
        columns = {column.name: column for column in find_columns(tree)}
        if lacking := [name for name in names if name not in columns]:
            raise EventsError(
                f'Tree "{tree.name}" of "{path}" has no column {name_all(lacking)}.{suggest_name(lacking[0], columns)}'
            )
        return _read_columns(path, tree, [columns[name] for name in names], rows)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open a ROOT file, without caches that would keep what was read. Raise `MissingPackage`."""
    try:
        import uproot
    except ImportError as error:
        raise MissingPackage("uproot", "root", f'Reading "{path}"') from error
    with uproot.open(path, object_cache=None, array_cache=None) as file:
        yield file


def _list_trees(file: Any) -> list[str]:
    return [key for key, kind in file.classnames(recursive=True, cycle=False).items() if kind in _TREES]


def _is_of_events(tree: str) -> bool:
    return tree.rpartition("/")[2].lower() not in _BOOKKEEPING


def _find_tree(file: Any, name: str | None, path: Path) -> Any:
    """Return a tree by name, or the only one. Raise `EventsError` that names the trees there.

    The folder may be left out of the name where one tree has it; `tree;1` is an earlier cycle of the tree.
    """
    trees = _list_trees(file)
    if name is None:
        return _load(file, _find_only(trees, path), path)
    tree, semicolon, cycle = name.partition(";")
    matching = [tree] if tree in trees else [there for there in trees if there.endswith(f"/{tree}")]
    if len(matching) != 1:
        which = f'has several trees "{name}"' if matching else f'has no tree "{name}"'
        raise EventsError(
            f'"{path}" {which}. It has {name_all(matching or trees) or "none"}.{suggest_name(name, trees)}'
        )
    key = matching[0] + semicolon + cycle
    if cycle and key not in (cycles := file.keys(recursive=True)):
        there = [other for other in cycles if other.startswith(f"{matching[0]};")]
        raise EventsError(f'"{path}" has no cycle "{key}" of this tree. It has {name_all(there)}.')
    return _load(file, key, path)


def _find_only(trees: Sequence[str], path: Path) -> str:
    """Return the only tree, or the only one that does not keep the books of other trees."""
    of_events = [tree for tree in trees if _is_of_events(tree)]
    for among in (trees, of_events):
        if len(among) == 1:
            return among[0]
    if not trees:
        raise EventsError(f'"{path}" must hold a tree (TTree or RNTuple), but has none. Is it the right file?')
    raise EventsError(
        f'"{path}" must hold one tree, or the tree must be named, but it has {name_all(trees)}. Name one, '
        f'"{path}:{(of_events or trees)[0]}", or one for each class: File(..., trees={{"TREE": "signal", ...}}).'
    )


def _load(file: Any, key: str, path: Path) -> Any:
    """Return a tree. Raise `EventsError` where it was written in a way that uproot does not know."""
    try:
        tree = file[key]
        n_events = tree.num_entries
    except Exception as error:
        raise EventsError(
            f'Tree "{key}" of "{path}" cannot be read ({describe_error(error)}). If the file is damaged, copy or make '
            "it again; an RNTuple must be written by ROOT 6.34 or newer."
        ) from error
    if n_events < 0:
        raise EventsError(f'Tree "{key}" of "{path}" is damaged: it tells of {n_events} events. Copy or make it again.')
    return tree


def _make_table(values: Mapping[str, Any], n: int) -> pd.DataFrame:
    return pd.DataFrame(values, index=pd.RangeIndex(n), copy=False)


def _read_columns(path: Path, tree: Any, columns: Sequence[TreeColumn], rows: slice = ALL_ROWS) -> dict[str, Any]:
    """Return columns by name: NumPy arrays [n], Awkward arrays of what is no number and no text per event."""
    if not hasattr(tree, "branches"):
        return _read_fields(path, tree, columns, rows)
    arrays: dict[str, Any] = {}
    for _, of_branch in groupby(columns, key=lambda column: id(column.holder)):
        arrays |= _read_branch(path, tree, list(of_branch), rows)
    return arrays


def _read_branch(path: Path, tree: Any, columns: Sequence[TreeColumn], rows: slice) -> dict[str, Any]:
    """Return columns of one branch by name. Raise `EventsError` that names them."""
    first = columns[0]
    branch, ends = first.holder, {"entry_start": rows.start, "entry_stop": rows.stop}
    try:
        if not first.path and not first.why_not:
            return {first.name: branch.array(library="np", **ends)}
        array = branch.array(library="ak", **ends)
        return {column.name: _take(array, column) for column in columns}
    except Exception as error:  # uproot raises whatever it stumbles on
        raise _tell_damage(path, tree, [column.name for column in columns], error) from error


def _read_fields(path: Path, tree: Any, columns: Sequence[TreeColumn], rows: slice) -> dict[str, Any]:
    """Return columns of an RNTuple. Raise `EventsError` that names the fields.

    Those of one top field are read together, and others apart: uproot looks through all fields for each of a tree's.
    It finds no field by itself that has a full stop in its name: these are read together.
    """
    of_top: dict[str, list[TreeColumn]] = {}
    for column in columns:
        of_top.setdefault("" if "." in column.path[0] else column.path[0], []).append(column)
    tops = {field.name: field for field in tree.fields} | {"": tree}
    taken: dict[str, Any] = {}
    for top, inner in of_top.items():
        holders = {column.holder for column in inner}
        try:
            arrays = tops[top].arrays(
                filter_field=lambda field, holders=holders: field.path in holders,
                entry_start=rows.start,
                entry_stop=rows.stop,
            )
            taken |= {column.name: _take(arrays, column) for column in inner}
        except Exception as error:
            raise _tell_damage(path, tree, [column.name for column in inner], error) from error
    return {column.name: taken[column.name] for column in columns}


def _tell_damage(path: Path, tree: Any, names: Sequence[str], error: Exception) -> EventsError:
    said = describe_error(error).rstrip(".")
    return EventsError(
        f'Column {name_all(names, most=3)} of tree "{tree.name}" in "{path}" cannot be read ({said}). If the file is '
        "damaged, copy or make it again; else leave the column out with `ignored`."
    )


def _take(array: Any, column: TreeColumn) -> Any:
    """Return a column of an Awkward array: NumPy where it is one number (not-a-number where absent) or text."""
    import awkward as ak

    for name in column.path:
        array = array[name]
    if column.why_not:
        return array
    if column.is_text:
        return np.array(array.to_list(), dtype=object)
    if not array.layout.is_option:
        return ak.to_numpy(array)
    return np.ma.filled(ak.to_numpy(array).astype(np.float64), np.nan)
