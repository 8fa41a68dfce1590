"""Folds: every event in one, each class alike, ids whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tuner.errors import SplitsError
from tuner.events.checks.copies import find_copies
from tuner.preparation import Preparation
from tuner.preparation.folds import assign_folds
from tuner.preparation.groups import join_groups
from tuner.preparation.splitting import split_rows


def test_each_class_is_spread_evenly_and_in_random_order():
    labels = np.repeat([0, 1], [70, 30])
    folds = assign_folds(labels, None, folds=5, seed=1)
    assert [np.bincount(labels[folds == fold]).tolist() for fold in range(5)] == [[14, 6]] * 5
    assert not (np.diff(folds[:70]) >= 0).all()
    np.testing.assert_array_equal(folds, assign_folds(labels, None, folds=5, seed=1))
    assert (folds != assign_folds(labels, None, folds=5, seed=2)).any()


def test_rows_that_share_an_id_stay_together():
    ids = np.repeat(np.arange(60), 3)
    labels = (ids % 3 == 0).astype(int)
    folds = assign_folds(labels, ids, folds=4)
    assert all(len(set(folds[ids == one])) == 1 for one in range(60))
    assert set(folds) == {0, 1, 2, 3}


@pytest.mark.parametrize("ids", [None, np.array([0, 0, 0, 1, 1, 1, 2, 3, 4, 5])])
def test_too_few_of_a_class_are_refused(ids):
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]) if ids is not None else np.array([1, 1] + [0] * 8)
    with pytest.raises(SplitsError, match="fold"):
        assign_folds(labels, ids, folds=3)


def make_copied(seed):
    """Make events of which some are copies of others: their first of each, labels, ids that several share."""
    rng = np.random.default_rng(seed)
    values, labels, ids = rng.normal(size=(600, 3)), rng.integers(0, 2, 600), rng.integers(0, 250, 600)
    values[rng.integers(0, 600, 80)] = values[rng.integers(0, 600, 80)]
    return find_copies(values), labels, ids


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("has_ids", [False, True])
def test_equal_events_stay_in_one_part_and_in_one_fold(seed, has_ids):
    copies, labels, ids = make_copied(seed)
    ids = ids if has_ids else None
    linked = join_groups([ids, copies])
    parts = split_rows(labels, ids, Preparation(), linked=linked)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(600))
    part_of = np.empty(600, int)
    for number, rows in enumerate(parts):
        part_of[rows] = number
    folds = assign_folds(labels, linked, folds=4)
    for assigned in (part_of, folds):
        np.testing.assert_array_equal(assigned, assigned[copies])
        if has_ids:
            assert all(len(set(assigned[ids == one])) == 1 for one in set(ids.tolist()))


def test_only_copies_leave_the_part_that_they_had():
    copies, labels, _ = make_copied(0)
    is_copied = np.isin(copies, copies[copies != np.arange(600)])
    for before, after in zip(
        split_rows(labels, None, Preparation()), split_rows(labels, None, Preparation(), linked=copies), strict=True
    ):
        np.testing.assert_array_equal(before[~is_copied[before]], after[~is_copied[after]])


def test_groups_are_joined_by_what_they_share_and_missing_values_share_nothing():
    run = np.array(["a", "a", "b", None, None, "c"], object)
    joined = join_groups([run, None, np.array([1.0, 2.0, 2.0, np.nan, np.nan, 5.0])])
    np.testing.assert_array_equal(pd.factorize(joined)[0], [0, 0, 0, 1, 2, 3])
    assert join_groups([np.arange(6), None]) is None
