"""Events in ROOT files: one tree, or one tree for each class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, MissingPackage, name_all, suggest_name
from tuner.events.listing import Wanted

_SCALARS = {
    *("bool", "char", "float", "double", "std::string"),
    *(f"std::{sign}int{width}_t" for sign in ("", "u") for width in (8, 16, 32, 64)),
}
"""Types of an RNTuple's fields that are one number, or one text, per event."""


@dataclass(frozen=True)
class _Column:
    """Where the values of a column are: in a branch, or in a leaf of one, which the path names from the outside in."""

    branch: str
    path: tuple[str, ...] = ()


def read_tree(path: Path, wanted: Wanted, name: str | None) -> pd.DataFrame:
    """Return the wanted branches of a tree; None stands for the only tree of the file."""
    with _open(path) as file:
        tree = _find_tree(file, name, path)
        columns, left_out = _find_columns(tree)
        return _read_columns(tree, {name: branch for name, branch in columns.items() if wanted(name)}, left_out)


def read_classes(
    path: Path,
    wanted: Wanted,
    trees: Mapping[str, str],
    label: str,
    fill: Mapping[str, float],
    *,
    is_moved: bool = False,
    name: str | None = None,
) -> list[tuple[str, pd.DataFrame]]:
    """Return name and table of each tree, with a label column of what the tree stands for.

    Branches are those that all of the trees have, and those that `fill` gives a value for where a tree has none.
    is_moved: another file than the study's, of which the tree `name` or the only tree is read, too; without a label
    where that is none of `trees`.
    """
    with _open(path) as file:
        there = _list_trees(file)
        one = [name] if name else there if len(there) == 1 else []
        chosen = one if is_moved and one else list(trees)
        found = {tree: _find_tree(file, tree, path) for tree in chosen}
        columns = {name: _find_columns(tree) for name, tree in found.items()}
        everywhere = set.intersection(*(set(here) for here, _ in columns.values())) | set(fill)
        named = [column for here, _ in columns.values() for column in here]
        order = [name for name in dict.fromkeys([*named, *fill]) if name in everywhere and wanted(name)]
        tables = [(f"{path}:{n}", _read_class(tree, *columns[n], order, fill)) for n, tree in found.items()]
    for tree, (_, table) in zip(chosen, tables, strict=True):
        if tree in trees and wanted(label):
            table[label] = pd.Categorical([trees[tree]] * len(table), categories=sorted(set(trees.values())))
    return tables


def _read_class(
    tree: Any, columns: Mapping[str, _Column], left_out: dict[str, str], order: list[str], fill: Mapping[str, float]
) -> pd.DataFrame:
    """Return the columns of a tree in an order, those that it lacks filled."""
    table = _read_columns(tree, {name: columns[name] for name in order if name in columns}, left_out)
    for name in order:
        if name not in columns:
            table[name] = fill[name]
    return table[order]


def _open(path: Path) -> Any:
    """Open a ROOT file. Raise `MissingPackage`."""
    try:
        import uproot
    except ImportError as error:
        raise MissingPackage("uproot", "root", f'Reading "{path}"') from error
    return uproot.open(path)


def _list_trees(file: Any) -> list[str]:
    classes = file.classnames(recursive=True, cycle=False)
    return [key for key, kind in classes.items() if kind.startswith(("TTree", "TNtuple", "ROOT::RNTuple"))]


def _find_tree(file: Any, name: str | None, path: Path) -> Any:
    """Return a tree by name, or the only one. Raise `EventsError` that names the trees there."""
    trees = _list_trees(file)
    if name is None and len(trees) == 1:
        return file[trees[0]]
    if name is None:
        example = trees[0] if trees else "TREE"
        raise EventsError(
            f'"{path}" must hold one tree, or the tree must be named, but it has {name_all(trees) or "none"}. '
            f'Name one, "{path}:{example}", or one for each class: File(..., trees={{"TREE": "signal", ...}}).'
        )
    if name not in trees:
        raise EventsError(
            f'"{path}" has no tree "{name}". It has {name_all(trees) or "none"}.{suggest_name(name, trees)}'
        )
    return file[name]


def _find_columns(tree: Any) -> tuple[dict[str, _Column], dict[str, str]]:
    """Return the columns of numbers or texts, and why others are left out, by name.

    The leaves of a branch are columns of their own, `branch.leaf`, as ROOT calls them.
    """
    columns: dict[str, _Column] = {}
    left_out: dict[str, str] = {}
    names = list(tree.keys())
    for name in names:
        branch = tree[name]
        if hasattr(branch, "interpretation"):
            found, others = _find_leaves(name, branch)
        else:
            found, others = _find_fields(name, branch)
        columns |= found
        left_out |= others
    groups = {name for name in left_out if any(other.startswith((f"{name}.", f"{name}/")) for other in names)}
    return columns, {name: why for name, why in left_out.items() if name not in groups}


def _find_leaves(name: str, branch: Any) -> tuple[dict[str, _Column], dict[str, str]]:
    """Return the columns of a TTree's branch, and what of it is left out."""
    from uproot.interpretation.numerical import AsDtype
    from uproot.interpretation.strings import AsStrings

    left_out = {name: f"holds {branch.typename} for each event"}
    if isinstance(branch.interpretation, AsStrings):
        return {name: _Column(name)}, {}
    if not isinstance(branch.interpretation, AsDtype):
        return {}, left_out
    dtype = np.dtype(branch.interpretation.to_dtype)
    if dtype.fields is None:
        return ({}, left_out) if dtype.shape else ({name: _Column(name)}, {})
    leaves = {f"{name}.{leaf}": (leaf, kind) for leaf, (kind, *_) in dtype.fields.items()}
    return (
        {full: _Column(name, (leaf,)) for full, (leaf, kind) in leaves.items() if not kind.shape},
        {full: f"holds {kind.shape[0]} values for each event" for full, (_, kind) in leaves.items() if kind.shape},
    )


def _find_fields(name: str, field: Any) -> tuple[dict[str, _Column], dict[str, str]]:
    """Return the column of an RNTuple's field; none where it, or a field it lies in, holds several per event."""
    kind = re.sub(r"^std::optional<(.*)>$", r"\1", field.typename)
    if kind not in _SCALARS:
        return {}, {name: f"holds {kind or 'records'} for each event"}
    outer = field.parent
    while getattr(outer, "record", None) is not None:
        if outer.record.struct_role.name != "RECORD":
            return {}, {name: f"holds several {kind} for each event"}
        outer = outer.parent
    return {name: _Column(name, tuple(name.split(".")[1:]))}, {}


def _read_columns(tree: Any, columns: Mapping[str, _Column], left_out: Mapping[str, str]) -> pd.DataFrame:
    """Return columns of a tree as a table that tells which others were left out."""
    table = pd.DataFrame(
        {name: _read_column(tree, column) for name, column in columns.items()}, index=pd.RangeIndex(tree.num_entries)
    )
    table.attrs["left_out"] = dict(left_out)
    return table


def _read_column(tree: Any, column: _Column) -> Any:
    """Return the values of a column [n]; not-a-number where an optional field has none."""
    (values,) = tree.arrays([column.branch], library="np").values()
    for name in column.path:
        values = values[name]
    return np.ma.filled(values.astype(np.float64), np.nan) if np.ma.isMaskedArray(values) else values
