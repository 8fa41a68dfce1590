"""Which events go into the train, the validation and the test part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from tuner.errors import SplitsError, raise_together
from tuner.preparation.settings import Preparation


def split_rows(
    labels: np.ndarray, event_id: np.ndarray | None, preparation: Preparation, copies: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Return rows of train, validation and test, int64, in random order; each class is split alike.

    labels: [n] in {0, 1}. event_id: [n]; rows that share an id come into one part, and the fractions are those of the
    ids. copies: as `find_copies` returns them, [n]; equal events come into one part, too. First the test part is taken,
    then validation from the rest, as one does by hand with scikit-learn; then a copy follows the first of its kind.
    Raise `SplitsError` where a class is too small to be in each part.
    """
    group = None if event_id is None else _number_groups(event_id, copies)
    if group is None:
        return join_copies(_split_units(labels, preparation, "events"), copies)
    kind = np.bincount(group, weights=labels) >= 0.5 * np.bincount(group)
    rng = np.random.default_rng(preparation.seed)
    train, validation, test = (
        rng.permutation(np.flatnonzero(np.isin(group, units))) for units in _split_units(kind, preparation, "ids")
    )
    return train, validation, test


def join_copies(parts: tuple[np.ndarray, ...], copies: np.ndarray | None) -> tuple[np.ndarray, ...]:
    """Return parts in which equal events are in one: each copy goes where the first of its kind is, behind the others.

    All other events stay where and in the order they are.

    Args:
        parts: Rows of each part.
        copies: The first row that each row is a copy of, [n]; None where none is (`find_copies`).
    """
    if copies is None:
        return parts
    part_of = np.full(len(copies), -1)
    for number, rows in enumerate(parts):
        part_of[rows] = number
    goal = part_of[copies]
    goal[goal < 0] = part_of[goal < 0]  # of a first row that is in none of the parts
    moved = np.flatnonzero(goal != part_of)
    return tuple(
        np.concatenate([rows[goal[rows] == number], moved[goal[moved] == number]]) for number, rows in enumerate(parts)
    )


def check_parts(parts: Mapping[str, np.ndarray], labels: np.ndarray, weights: np.ndarray, column: str) -> None:
    """Raise `SplitsError` where a part lacks a class, or where the weights of one do not add up to more than 0."""
    problems = []
    for name, rows in parts.items():
        for label, kind in ((1, "signal"), (0, "background")):
            chosen = rows[labels[rows] == label]
            if len(chosen) == 0:
                problems.append(f'The {name} part must hold both classes of "{column}", but has no {kind}.')
            elif (total := weights[chosen].sum()) <= 0:
                problems.append(
                    f"Weights of {kind} in the {name} part must add up to more than 0, but add up to {total:g} "
                    f"({len(chosen):,} events)."
                )
    if problems:
        problems[-1] += " Use more events, other `fractions`, or another `seed` of Preparation."
    raise_together(problems, SplitsError, "The split")


def _number_groups(event_id: np.ndarray, copies: np.ndarray | None) -> np.ndarray | None:
    """Return the number of each row's group, int64 [n]; None where no id occurs twice.

    Rows that share an id are in one group, and so are rows that are copies of each other.
    """
    ids, group = np.unique(event_id, return_inverse=True)
    if len(ids) == len(event_id):
        return None
    if copies is None:
        return np.asarray(group)
    links = coo_array((np.ones(len(group), np.int8), (group, group[copies])), shape=(len(ids), len(ids)))
    joined: np.ndarray = connected_components(links, directed=False)[1]
    return joined[group]


def _split_units(kind: np.ndarray, preparation: Preparation, unit: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the numbers of the units (events, or groups of them) in each part; kind: [n_units], split alike."""
    train, validation, test = preparation.fractions
    everything = np.arange(len(kind))
    try:
        rest, tested = train_test_split(everything, test_size=test, stratify=kind, random_state=preparation.seed)
        trained, validated = train_test_split(
            rest, test_size=validation / (train + validation), stratify=kind[rest], random_state=preparation.seed
        )
    except ValueError as error:
        n_signal = int(kind.sum())
        raise SplitsError(
            f"Each class must be in each part, but {n_signal:,} signal and {len(kind) - n_signal:,} background {unit} "
            f"are too few to be split {train:g} : {validation:g} : {test:g}. Use more events, or other `fractions`."
        ) from error
    return trained, validated, tested


def assign_folds(
    labels: np.ndarray,
    event_id: np.ndarray | None,
    *,
    folds: int,
    seed: int = 0,
    copies: np.ndarray | None = None,
) -> np.ndarray:
    """Return the fold of each event, int64 [n] in 0 .. folds - 1, in random order (scikit-learn).

    labels [n] in {0, 1}. event_id [n]: rows that share an id come into one fold; None: each row is its own. copies: as
    `find_copies` returns them, [n]; equal events come into one fold, too. Raise `SplitsError` where a class has fewer
    events, or ids, than there are folds.
    """
    n_signal, n_background = int((labels == 1).sum()), int((labels == 0).sum())
    if min(n_signal, n_background) < folds:
        raise SplitsError(
            f"Each of {folds} folds must hold both classes, but there are {n_signal:,} signal and {n_background:,} "
            "background events. Use fewer folds, or more events."
        )
    group = None if event_id is None else _number_groups(event_id, copies)
    if group is None:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    else:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, group)
    assigned = np.empty(len(labels), dtype=np.int64)
    for fold, (_, rows) in enumerate(splitter):
        assigned[rows] = fold
    if copies is not None:
        assigned = assigned[copies]
    for fold in range(folds):
        if len(np.unique(labels[assigned == fold])) < 2:
            raise SplitsError(f"Each of {folds} folds must hold both classes, but fold {fold} does not: use fewer.")
    return assigned
