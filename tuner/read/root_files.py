"""Events in ROOT files: one tree, or one tree for each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import EventsError, MissingPackage, name_all, suggest_name
from tuner.read.places import Wanted


def read_tree(path: Path, wanted: Wanted, name: str | None) -> pd.DataFrame:
    """Return the wanted branches of a tree; None stands for the only tree of the file."""
    with _open(path) as file:
        tree = _find_tree(file, name, path)
        return _read_branches(tree, [b for b in tree.keys() if wanted(b)])  # noqa: SIM118


def read_classes(
    path: Path, wanted: Wanted, trees: Mapping[str, str], label: str, fill: Mapping[str, float]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and table of each tree, with a label column of what the tree stands for.

    Branches are those that all of the trees have, and those that `fill` gives a value for where a tree has none.
    """
    with _open(path) as file:
        found = {name: _find_tree(file, name, path) for name in trees}
        branches = {name: list(tree.keys()) for name, tree in found.items()}
        everywhere = set.intersection(*map(set, branches.values())) | set(fill)
        order = dict.fromkeys(b for names in branches.values() for b in names if b in everywhere and wanted(b))
        for name, tree in found.items():
            table = _read_branches(tree, [b for b in order if b in branches[name]])
            absent = {b: fill[b] for b in order if b not in branches[name]}
            table = table.assign(**absent)[list(order)]
            if wanted(label):
                table[label] = pd.Categorical([trees[name]] * len(table), categories=sorted(set(trees.values())))
            yield f"{path}:{name}", table


def _open(path: Path) -> Any:
    """Open a ROOT file. Raise `MissingPackage`, `EventsError`."""
    try:
        import uproot
    except ImportError as error:
        raise MissingPackage("uproot", "root", f'Reading "{path}"') from error
    try:
        return uproot.open(path)
    except (OSError, ValueError) as error:
        raise EventsError(f'"{path}" could not be read as ROOT: {error}') from error


def _find_tree(file: Any, name: str | None, path: Path) -> Any:
    """Return a tree by name, or the only one. Raise `EventsError` that names the trees there."""
    classes = file.classnames(recursive=True, cycle=False)
    trees = [key for key, kind in classes.items() if kind.startswith(("TTree", "TNtuple", "ROOT::RNTuple"))]
    if name is None and len(trees) == 1:
        return file[trees[0]]
    if name is None:
        example = trees[0] if trees else "TREE"
        raise EventsError(
            f'"{path}" must hold one tree, or the tree must be named, but it has {name_all(trees) or "none"}. '
            f'Name one, "{path}:{example}", or one for each class: File(..., trees={{"TREE": "signal", ...}}).'
        )
    if name not in trees:
        raise EventsError(f'"{path}" has no tree "{name}". It has {name_all(trees)}.{suggest_name(name, trees)}')
    return file[name]


def _read_branches(tree: Any, branches: list[str]) -> pd.DataFrame:
    """Return branches as columns; one that holds a list per event stays an object, which no feature may be."""
    arrays = tree.arrays(branches, library="np") if branches else {}
    return pd.DataFrame({b: list(arrays[b]) if arrays[b].ndim > 1 else arrays[b] for b in branches})
