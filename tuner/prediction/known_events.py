"""Events of the search among those that are to be scored, known again by their ids and features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tuner.checked_files import expect_form, read_table
from tuner.errors import EventsError
from tuner.events.categories import recode
from tuner.events.event_ids import hash_ids
from tuner.events.table import Events
from tuner.preparation.splitting import PARTS
from tuner.tuning.search import Search

UNKNOWN = -1
"""Stands for the part or the fold of an event that the search has not."""

CLOSE = 1e-5
"""Relative difference up to which features are the same: CSV files have few digits."""

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
    rows: np.ndarray
    """Place of each one in `events`, int64 [m]."""
    events: Events
    """With their features: other samples have the same ids, often numbers from 1 on."""
    codes: Mapping[str, tuple[str, ...]]
    """Texts of each feature that holds texts, as events to be found have them coded."""

    def find(self, ids: np.ndarray, features: pd.DataFrame) -> FoundEvents:
        """Return which events to be scored are events of the search: those of the same id and the same features.

        Args:
            ids: Of the events to be scored [n].
            features: Theirs, float32 [n, d], coded as `codes` has it.
        """
        hashes = hash_ids(ids)
        first, end = (np.searchsorted(self.hashes, hashes, side=side) for side in ("left", "right"))
        found = np.full(len(hashes), UNKNOWN)
        is_open = np.flatnonzero(first < end)
        step = 0
        while len(is_open):  # several events may share an id: each of them is compared
            places = first[is_open] + step
            is_same = self._compare(self.rows[places], features.iloc[is_open])
            found[is_open[is_same]] = places[is_same]
            step += 1
            is_open = is_open[~is_same & (places + 1 < end[is_open])]
        is_known = found != UNKNOWN
        return FoundEvents(
            np.where(is_known, self.parts[found], np.int8(UNKNOWN)),
            np.where(is_known, self.folds[found], UNKNOWN),
            n_other=int(((first < end) & ~is_known).sum()),
        )

    def _compare(self, rows: np.ndarray, features: pd.DataFrame) -> np.ndarray:
        """Return whether events of the search have the features of others, bool [n], as far as text files keep them."""
        own = recode(self.events.table.iloc[rows], self.events.codes, self.codes)[list(features)]
        is_close = np.isclose(own.to_numpy(), features.to_numpy(), rtol=CLOSE, atol=0, equal_nan=True)
        return np.asarray(is_close.all(axis=1))


@dataclass(frozen=True, eq=False)
class FoundEvents:
    """Which of the events to be scored are events of the search."""

    parts: np.ndarray
    """Place of each one's part in `PARTS`, int8 [n]; `UNKNOWN` where it is none of the search."""
    folds: np.ndarray
    """Fold of the bag that each is in, int64 [n]; `UNKNOWN` where it is in none."""
    n_other: int
    """Events that have the id of one of the search, but other features."""


def open_known_events(search: Search) -> KnownEvents | None:
    """Return the events of a search with parts and folds; None where their ids are not kept.

    Raises:
        DamagedFileError: The file of the bag's folds is damaged.
    """
    if search.study.problem.event_id is None:
        return None
    try:
        kept = search.open_events()
    except EventsError:
        return None  # the ranges of training are not known either, of which a warning tells
    hashes = kept.id_hashes
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
    codes = search.splits.preprocessing.codes
    return KnownEvents(hashes[order], parts[order], folds[order], order, kept.events, codes)
