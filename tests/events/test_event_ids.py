"""Hashes of event ids: one id has one hash, however it was read and whatever stands beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tuner.events.event_ids import hash_ids

NUMBERS = [1, 0, -7, 10_000_000_000_000_001, 10_000_000_000_000_003]


@pytest.mark.parametrize(
    "ids",
    [
        np.array(NUMBERS),
        np.array(NUMBERS, object),
        [str(number) for number in NUMBERS],
        [f"{number}.0" for number in NUMBERS],
        np.array([str(number).encode() for number in NUMBERS]),
        np.array([str(number).encode() for number in NUMBERS], object),
        pd.array([*map(str, NUMBERS)], "string"),
    ],
)
@pytest.mark.parametrize("beside", [[], ["run2-44"], [None], [1.5], [2**64 - 1]])
def test_an_id_has_one_hash_in_whatever_form_and_beside_whatever_others(ids, beside):
    mixed = np.array([*np.asarray(ids, object), *beside], object)
    np.testing.assert_array_equal(hash_ids(mixed)[: len(NUMBERS)], hash_ids(np.array(NUMBERS)))
    assert len(set(hash_ids(mixed))) == len(mixed)


def test_numbers_that_are_not_whole_and_unsigned_ones_are_equal_to_their_texts():
    np.testing.assert_array_equal(hash_ids([1.0, 2.5, np.nan, 1e16]), hash_ids(["1", "2.50", None, "1e16"]))
    np.testing.assert_array_equal(hash_ids([1.0, 10.0**16]), hash_ids([1, 10**16]))
    np.testing.assert_array_equal(hash_ids(np.array([2**64 - 1], np.uint64)), hash_ids([b"18446744073709551615"]))


def test_texts_stay_apart_and_few_at_a_time_have_the_hashes_of_all():
    ids = np.array(["a", "A", "1a", "", "1_0", "nan", "inf", "7", "007b"], object)
    assert len(set(hash_ids(ids))) == len(ids)
    np.testing.assert_array_equal(hash_ids(ids), np.concatenate([hash_ids([each]) for each in ids]))
