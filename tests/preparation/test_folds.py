"""Folds: every event in one, each class alike, ids whole."""

from __future__ import annotations

import numpy as np
import pytest

from tuner.errors import SplitsError
from tuner.preparation.folds import assign_folds


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
