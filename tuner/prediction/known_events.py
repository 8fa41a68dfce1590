"""Events of the search among those that are to be scored, known again by their ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.checked_files import expect_form, read_table
from tuner.errors import EventsError
from tuner.events.event_ids import hash_ids
from tuner.preparation.splitting import PARTS
from tuner.tuning.search import Search

UNKNOWN = -1
"""Stands for the part or the fold of an event that the search has not."""

ADVICE = "Restore it from a copy; or delete evaluation.json and run `tuner evaluate`, which writes it again."


@dataclass(frozen=True, eq=False)
class KnownEvents:
    """The events of a search that have ids, by the hash of the id."""

    hashes: np.ndarray
    """Uint64 [m], rising."""
    parts: np.ndarray
    """Place of each one's part in `PARTS`, int8 [m]."""
    folds: np.ndarray
    """Fold of the bag that each is in, int64 [m]; `UNKNOWN` where it is in none."""

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return part, int8 [n], and fold, int64 [n], of events by their ids [n]; `UNKNOWN` where there is none."""
        hashes = hash_ids(ids)
        places = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        is_known = self.hashes[places] == hashes
        return np.where(is_known, self.parts[places], np.int8(UNKNOWN)), np.where(is_known, self.folds[places], UNKNOWN)


def open_known_events(search: Search) -> KnownEvents | None:
    """Return the events of a search with parts and folds; None where their ids are not kept.

    Raises:
        DamagedFileError: The file of the bag's folds is damaged.
    """
    if search.study.problem.event_id is None:
        return None
    try:
        hashes = search.open_events().id_hashes
    except EventsError:
        return None  # the ranges of training are not known either, of which a warning tells
    if hashes is None or not len(hashes):
        return None
    parts = np.full(len(hashes), UNKNOWN, np.int8)
    for number, name in enumerate(PARTS):
        parts[getattr(search.splits, name).rows] = number
    folds = np.full(len(hashes), UNKNOWN, np.int64)
    path = search.folder.bag_out_of_fold
    if path.exists():
        table = read_table(path, advice=ADVICE)
        with expect_form(path, advice=ADVICE):
            folds[table["row"].to_numpy()] = table["fold"].to_numpy()
    order = np.argsort(hashes, kind="stable")
    return KnownEvents(hashes[order], parts[order], folds[order])
