"""Copies are found exactly, and coincidences of coarse values are none."""

import numpy as np
import pandas as pd
import pytest

from tuner.events import read_events
from tuner.events.checks.copies import count_copies, find_copies


def make_continuous(rng, n):
    return rng.normal(size=(n, 3))


COARSE = {
    "five yes-or-no features": lambda rng, n: rng.integers(0, 2, (n, 5)),
    "counts": lambda rng, n: rng.poisson(5, (n, 4)),
    "two decimals": lambda rng, n: np.round(rng.normal(size=(n, 2)), 2),
    "one decimal": lambda rng, n: np.round(rng.normal(size=(n, 4)), 1),
    "a feature and functions of it": lambda rng, n: np.stack([(k := rng.integers(0, 1000, n)), k, k // 2], axis=1),
    "a category as columns": lambda rng, n: np.c_[np.eye(10)[rng.integers(0, 10, n)], rng.integers(0, 50, n)],
}


@pytest.mark.parametrize("kind", COARSE)
def test_equal_rows_of_coarse_values_are_no_copies(kind):
    for seed in range(5):
        values = COARSE[kind](np.random.default_rng(seed), 4000).astype(np.float32)
        assert len(np.unique(values, axis=0)) < 4000
        assert find_copies(values) is None


@pytest.mark.parametrize("n_copies", [1, 30, 3000])
def test_copies_are_those_that_pandas_finds(n_copies):
    rng = np.random.default_rng(1)
    values = make_continuous(rng, 6000).astype(np.float32)
    values[::7, 1] = np.nan
    values[:40, 2] = 0.0
    rows = rng.permutation(6000)[: 2 * n_copies].reshape(2, -1)
    values[rows[0]] = values[rows[1]]
    table = pd.DataFrame(values)
    expected = table.groupby([0, 1, 2], dropna=False, sort=False).ngroup().to_numpy()
    first = {group: row for row, group in reversed(list(enumerate(expected)))}
    np.testing.assert_array_equal(find_copies(table), [first[group] for group in expected])
    assert count_copies(find_copies(values)) == table.duplicated().sum() == n_copies


def test_zeros_of_either_sign_are_equal():
    values = make_continuous(np.random.default_rng(0), 100)
    values[3], values[50] = (0.0, 1.0, 2.0), (-0.0, 1.0, 2.0)
    assert find_copies(values)[50] == 3


def test_a_table_that_comes_twice_is_all_copies():
    values = make_continuous(np.random.default_rng(0), 500)
    np.testing.assert_array_equal(find_copies(np.concatenate([values, values])), np.tile(np.arange(500), 2))


def test_the_115_of_magic_are_found(data_folder):
    from studies.magic import study

    assert count_copies(find_copies(read_events(study.problem).table)) == 115
