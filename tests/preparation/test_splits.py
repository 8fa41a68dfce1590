"""No event is lost, none is in two parts, and nothing of validation or test is seen while fitting."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from tuner.errors import SplitsError
from tuner.events import read_events
from tuner.preparation import Preparation, load_splits, prepare_splits, save_splits
from tuner.preparation.splitting import split_rows


@pytest.fixture
def events(make_events, make_problem):
    return read_events(make_problem(make_events(1000)))


@pytest.fixture
def problem(make_events, make_problem):
    return make_problem(make_events(4))


@settings(deadline=None, max_examples=60)
@given(st.integers(40, 400), st.floats(0.2, 0.8), st.integers(0, 10**6), st.floats(0.3, 0.8), st.floats(0.2, 0.8))
def test_no_row_is_lost_or_doubled_and_each_class_is_split_alike(n, share, seed, train, cut):
    labels = (np.random.default_rng(seed).permutation(n) < share * n).astype(np.int8)
    fractions = (train, (1 - train) * cut, (1 - train) * (1 - cut))
    parts = split_rows(labels, None, Preparation(fractions=fractions, seed=seed))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    for rows, fraction in zip(parts, fractions, strict=True):
        assert abs(len(rows) - fraction * n) <= 2
        for label in (0, 1):
            assert abs((labels[rows] == label).sum() - fraction * (labels == label).sum()) <= 3


@settings(deadline=None, max_examples=60)
@given(st.integers(100, 400), st.integers(20, 60), st.integers(0, 10**6), st.booleans())
def test_groups_stay_whole(n, n_ids, seed, as_text):
    rng = np.random.default_rng(seed)
    labels, ids = rng.integers(0, 2, n).astype(np.int8), rng.integers(0, n_ids, n)
    ids = ids.astype(str) if as_text else ids
    parts = split_rows(labels, ids, Preparation(seed=seed))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    names = [set(ids[rows].tolist()) for rows in parts]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    for found, fraction in zip(names, (0.6, 0.2, 0.2), strict=True):
        assert abs(len(found) - fraction * len(set(ids.tolist()))) <= 2


def test_the_split_is_the_one_that_is_made_by_hand_with_scikit_learn(make_events):
    """So results of others on the same split can be compared: 60/20/20, stratified, the same seed."""
    labels = np.random.default_rng(0).integers(0, 2, 1000)
    rest, test = train_test_split(np.arange(1000), test_size=0.2, stratify=labels, random_state=0)
    train, validation = train_test_split(rest, test_size=0.25, stratify=labels[rest], random_state=0)
    parts = split_rows(labels, None, Preparation())
    for ours, theirs in zip(parts, (train, validation, test), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_ids_that_never_repeat_change_nothing():
    labels = np.arange(300) % 2
    without = split_rows(labels, None, Preparation())
    for ours, theirs in zip(split_rows(labels, np.arange(300)[::-1], Preparation()), without, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_seed_decides():
    labels = np.arange(300) % 2
    first, same, other = (split_rows(labels, None, Preparation(seed=seed))[2] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert set(first) != set(other)


def test_parts_hold_what_was_read(events, problem):
    splits = prepare_splits(events, problem)
    assert splits.events_digest == events.digest
    assert splits.d_in == 3
    for part in (splits.train, splits.validation, splits.test):
        assert part.x.dtype == part.labels.dtype == part.training_weights.dtype == np.float32
        np.testing.assert_array_equal(part.labels, events.labels[part.rows])
        np.testing.assert_array_equal(part.weights, events.weights[part.rows])
        np.testing.assert_array_equal(part.x[:, 2], events.table["b"].isna().to_numpy()[part.rows])
        np.testing.assert_array_equal(part.x, splits.preprocessing.transform(events.table.iloc[part.rows]))


def test_fitting_sees_train_only(events, problem):
    splits = prepare_splits(events, problem)
    table = events.table.copy()
    unseen = np.concatenate([splits.validation.rows, splits.test.rows])
    table.iloc[unseen] = table.iloc[unseen] * 1000 + 7
    changed = prepare_splits(dataclasses.replace(events, table=table), problem)
    np.testing.assert_array_equal(changed.train.x, splits.train.x)
    assert not np.array_equal(changed.test.x, splits.test.x)
    table.iloc[splits.train.rows[:300]] *= 3
    changed = prepare_splits(dataclasses.replace(events, table=table), problem)
    assert not np.array_equal(changed.preprocessing.x_knots, splits.preprocessing.x_knots)


def test_training_weights_are_balanced_with_mean_one(events, problem):
    for part in dataclasses.astuple(prepare_splits(events, problem))[:3]:
        _, labels, weights, training, _ = part
        assert training.mean() == pytest.approx(1, rel=1e-5)
        assert training[labels == 1].sum() == pytest.approx(training[labels == 0].sum(), rel=1e-5)
        ratio = training[labels == 1] / weights[labels == 1]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    plain = prepare_splits(events, problem, Preparation(training_weights="physics")).train
    np.testing.assert_allclose(plain.training_weights, plain.weights / plain.weights.mean(), rtol=1e-6)


@pytest.mark.parametrize("negative", ["keep", "absolute", "drop"])
@pytest.mark.parametrize("kind", ["balanced", "physics"])
def test_negative_weights_in_training(events, problem, negative, kind):
    weights = np.where(np.arange(1000) % 10 < 2, -0.5, 1.0)
    settings = Preparation(negative_weights=negative, training_weights=kind)
    splits = prepare_splits(dataclasses.replace(events, weights=weights), problem, settings)
    is_negative = splits.train.weights < 0
    assert is_negative.any()
    training = splits.train.training_weights
    assert training[training != 0].mean() == pytest.approx(1, rel=1e-5)
    sign = {"keep": -1, "absolute": 1, "drop": 0}[negative]
    assert (np.sign(training[is_negative]) == sign).all()
    for part in (splits.validation, splits.test):
        np.testing.assert_array_equal(part.training_weights < 0, part.weights < 0)
        np.testing.assert_array_equal(part.weights, weights[part.rows])


def test_round_trip_through_a_folder(tmp_path, events, problem):
    splits = prepare_splits(events, problem)
    folder = tmp_path / "run" / "splits"
    save_splits(splits, folder)
    save_splits(splits, folder)
    loaded = load_splits(folder)
    for ours, theirs in zip(dataclasses.astuple(splits)[:3], dataclasses.astuple(loaded)[:3], strict=True):
        for saved, read in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(saved, read)
            assert saved.dtype == read.dtype
    assert loaded.events_digest == splits.events_digest
    np.testing.assert_array_equal(
        loaded.preprocessing.transform(events.table), splits.preprocessing.transform(events.table)
    )
    assert [path.name for path in folder.parent.iterdir()] == ["splits"]


WRITE_OVER = """
import sys
from pathlib import Path
from tuner.preparation import load_splits
x = load_splits(Path(sys.argv[1])).train.x
x[:] = 0
assert not x.any()
"""


def test_parts_are_mapped_and_what_one_process_writes_no_other_sees(tmp_path, events, problem):
    save_splits(prepare_splits(events, problem), tmp_path / "splits")
    loaded = load_splits(tmp_path / "splits")
    assert isinstance(loaded.train.x, np.memmap)
    assert loaded.train.x.flags.writeable  # torch.from_numpy warns of arrays that are not
    before = loaded.train.x.copy()
    subprocess.run([sys.executable, "-c", WRITE_OVER, tmp_path / "splits"], check=True, timeout=60)
    np.testing.assert_array_equal(loaded.train.x, before)
    np.testing.assert_array_equal(load_splits(tmp_path / "splits").train.x, before)


def test_a_folder_without_splits_is_told():
    with pytest.raises(SplitsError, match=r'"nowhere" must hold prepared events'):
        load_splits(Path("nowhere"))


def test_too_few_events_of_a_class(events, problem):
    labels = np.zeros(1000, np.int8)
    labels[:1] = 1
    with pytest.raises(SplitsError, match=r"1 signal and 999 background events are too few"):
        prepare_splits(dataclasses.replace(events, labels=labels), problem)


def test_a_part_without_a_class_or_with_weights_that_cancel(events, problem):
    ids = np.where(events.labels == 1, np.arange(1000) // 2 % 2, np.arange(1000))
    with pytest.raises(
        SplitsError, match=r"(?s)part must hold both classes of \"y\", but has no signal.*Use more events"
    ):
        prepare_splits(dataclasses.replace(events, event_id=ids), problem)
    weights = np.where(events.labels == 1, 0.0, 1.0)
    with pytest.raises(SplitsError, match=r"Weights of signal in the train part must add up to more than 0"):
        prepare_splits(dataclasses.replace(events, weights=weights), problem)
