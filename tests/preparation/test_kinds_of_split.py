"""Parts by a remainder, by a column, in order, by files, by counts: known answers, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tuner import Preparation
from tuner.errors import SplitsError, StudyError
from tuner.events import read_events
from tuner.preparation import SplitByRemainder, SplitByValue, SplitInOrder, prepare_splits
from tuner.preparation.splits import take_split_inputs

N = 600
OBSERVERS = ("m", "number", "time", "run", "era", "use")


@pytest.fixture
def table(make_events):
    rng = np.random.default_rng(0)
    run = rng.integers(0, 60, N)
    return make_events(N).assign(
        number=rng.permutation(N) + 10**12, time=rng.permutation(N) / 7, run=run, era=np.where(run < 30, "A", "B"),
        use=np.where(run < 40, "t", np.where(run < 50, "b", "v")),
    )  # fmt: skip


@pytest.fixture
def split(table, make_problem):
    """Split the events by some settings; return the table of each part, and the splits."""

    def split(events=table, *, problem=None, **settings):
        problem = make_problem(events, **{"observers": OBSERVERS} | (problem or {}))
        splits = prepare_splits(read_events(problem), problem, Preparation(**settings))
        return [events.iloc[part.rows] for part in (splits.train, splits.validation, splits.test)], splits

    return split


def test_by_remainder(split, table):
    rule = SplitByRemainder(column="number", divisor=5, validation=(3,), test=(4,))
    (train, validation, test), _ = split(split=rule)
    assert set(train["number"] % 5) == {0, 1, 2}
    assert set(validation["number"] % 5) == {3}
    assert set(test["number"] % 5) == {4}
    assert sum(map(len, (train, validation, test))) == N
    drawn, _ = split(split=dataclasses.replace(rule, validation=()), fractions=(0.6, 0.3, 0.1))
    assert set(drawn[2]["number"] % 5) == {4}
    assert len(drawn[1]) == pytest.approx((N - len(drawn[2])) / 3, abs=2)
    as_id, _ = split(split=rule, problem={"event_id": "number", "observers": ("m", "time", "run", "era", "use")})
    for ours, theirs in zip(as_id, (train, validation, test), strict=True):
        np.testing.assert_array_equal(ours.index, theirs.index)


def test_by_value(split, table):
    rule = SplitByValue(column="use", train=("t",), validation="b", test=("v",))
    (train, validation, test), splits = split(split=rule)
    assert [set(part["use"]) for part in (train, validation, test)] == [{"t"}, {"b"}, {"v"}]
    assert not (np.diff(splits.train.rows) > 0).all(), "train rows are in random order"
    smaller, _ = split(split=SplitByValue(column="use", train=("t",), test=("v",), unused=("b",)))
    assert set(smaller[0]["use"]) == set(smaller[1]["use"]) == {"t"}
    assert len(smaller[1]) == pytest.approx(len(train) / 4, abs=2)
    by_number, _ = split(split=SplitByValue(column="run", train=tuple(range(40)), test=tuple(range(40, 60))))
    assert by_number[2]["run"].min() == 40


def test_in_order(split, table):
    (train, validation, test), _ = split(split=SplitInOrder(column="time"))
    assert train["time"].max() < validation["time"].min() <= validation["time"].max() < test["time"].min()
    assert [len(part) for part in (train, validation, test)] == [360, 120, 120]
    (train, validation, test), _ = split(split=SplitInOrder(column="run"), counts=(300, None, 100))
    assert train["run"].max() < validation["run"].min() <= validation["run"].max() < test["run"].min()
    assert 300 <= len(train) < 330
    moments = pd.Timestamp("2026-10-25", tz="UTC") + pd.to_timedelta(table["time"], unit="h")
    for kind in (str, "datetime64[ns, UTC]"):
        dated, _ = split(table.assign(time=moments.astype(kind)), split=SplitInOrder(column="time"))
        assert [len(part) for part in dated] == [360, 120, 120]
        assert dated[0].index.isin(table.sort_values("time").index[:360]).all()


def test_counts(split):
    parts, _ = split(counts=(None, 100, 150))
    assert [len(part) for part in parts] == [350, 100, 150]
    assert parts[2]["y"].sum() == 75
    with pytest.raises(SplitsError, match="must add up to the 600 events that there are, but adds up to 500"):
        split(counts=(300, 100, 100))
    with pytest.raises(SplitsError, match=r"leave some of the 600 events .* but asks for 700"):
        split(counts=(None, 300, 400))


def test_what_is_kept_together_stays_so_in_parts_and_folds(split):
    parts, splits = split(keep_together="run")
    runs = [set(part["run"]) for part in parts]
    assert not (runs[0] & runs[1] or runs[0] & runs[2] or runs[1] & runs[2])
    table = pd.concat(parts)
    np.testing.assert_array_equal(pd.factorize(splits.groups)[0], pd.factorize(table.sort_index()["run"])[0])


def test_by_files(split, table, make_problem, tmp_path):
    first, second, third = (table[table["use"] == use] for use in ("t", "b", "v"))
    second.to_csv(tmp_path / "validation.csv", index=False)
    third.assign(extra=1.0).to_csv(tmp_path / "test.csv", index=False)
    files = {"validation_events": tmp_path / "validation.csv", "test_events": tmp_path / "test.csv"}
    every = pd.concat([first, second, third])
    problem = make_problem(
        first.reset_index(drop=True), observers=("m", "use", "number"), ignored=("id", "time", "run", "era"), **files
    )
    events = read_events(problem)
    assert any('"extra" is not in' in note for note in events.notes)
    np.testing.assert_array_equal(events.observers["number"], every["number"])
    splits = prepare_splits(events, problem)
    for part, use in zip((splits.train, splits.validation, splits.test), "tbv", strict=True):
        assert set(events.observers["use"].iloc[part.rows]) == {use}
    only_test = dataclasses.replace(problem, events=tmp_path / "validation.csv", validation_events=None)
    splits = prepare_splits(read_events(only_test), only_test)
    assert len(splits.validation.rows) == pytest.approx(len(second) / 4, abs=2)
    assert len(splits.test.rows) == len(third)
    with pytest.raises(SplitsError, match="must be chosen in one way"):
        prepare_splits(events, problem, Preparation(split=SplitInOrder(column="number")))
    both = make_problem(
        first.reset_index(drop=True),
        observers=(),
        ignored=("id", "m", "use", "number", "time", "era"),
        event_id="run",
        test_events=tmp_path / "events.parquet",
    )
    with pytest.raises(SplitsError, match=r"Events of one id.* into several"):
        prepare_splits(read_events(both), both)


BY_VALUE = SplitByValue(column="use", train=("t",), test=("x",))
REFUSED = [
    ({"split": SplitInOrder(column="tme")}, r'`split` .* column "tme", which must be an obs.*Did you mean "time"\?'),
    ({"keep_together": "day"}, '`keep_together` of Preparation names column "day"'),
    ({"split": SplitInOrder(column="era")}, r'Column "era".* a number or a time for each event, but does not for 600'),
    ({"split": SplitByRemainder(column="time", divisor=2, test=(1,))}, 'Column "time" must hold whole numbers'),
    ({"split": BY_VALUE}, r'(?s)"x", which column "use" never holds.*do not: "(b|v)" \(\d+ events\), '),
    ({"split": SplitByValue(column="y2", train=(0,), test=(1,))}, 'test part must hold both classes of "y"'),
    ({"split": SplitByRemainder(column="run", divisor=2, test=(1,)), "keep_together": "era"}, "put 2 of them into"),
]


@pytest.mark.parametrize(("settings", "told"), REFUSED)
def test_what_cannot_be_split_is_told(split, table, settings, told):
    with pytest.raises(SplitsError, match=told):
        split(
            table.assign(y2=table["y"]),
            problem={"observers": ("m", "number", "time", "run", "era", "use", "y2")},
            **settings,
        )


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: SplitByRemainder(column="a", divisor=1, test=(0,)), "`divisor` must be at least 2"),
        (lambda: SplitByRemainder(column="a", divisor=2, test=(2,)), "Remainders must be from 0 to 1"),
        (lambda: SplitByRemainder(column="a", divisor=2, test=(0,), validation=(1,)), "none is left to train on"),
        (lambda: SplitByRemainder(column="a", divisor=3, test=(0,), validation=(0,)), "must belong to one part"),
        (lambda: SplitByValue(column="a", train=(), test=("b",)), "`train` names no value"),
        (lambda: SplitByValue(column="a", train=("b",), test=("b",)), "must belong to one part"),
        (lambda: Preparation(counts=(None, None, 3)), "of which one may be None"),
    ],
)
def test_what_cannot_be_meant_is_told(make, told):
    with pytest.raises(StudyError, match=told):
        make()


def test_fingerprints_tell_which_part_changed(split, table):
    splits = split(split=SplitByRemainder(column="number", divisor=5, validation=(3,), test=(4,)))[1]
    before = splits.fingerprints
    after = split(split=SplitByRemainder(column="number", divisor=5, validation=(2,), test=(4,)))[1].fingerprints
    assert [before[name] == after[name] for name in ("train", "validation", "test")] == [False, False, True]
    assert len(set(before.values())) == 3
    turned = dataclasses.replace(splits.test, rows=splits.test.rows[::-1])
    assert dataclasses.replace(splits, test=turned).fingerprints == before


def test_a_column_that_the_split_follows_from_changes_what_is_kept(table, make_problem):
    preparation = Preparation(split=SplitInOrder(column="time"))
    digests = []
    for events in (table, table.assign(time=-table["time"])):
        problem = make_problem(events, observers=("m", "time"), ignored=("id", "number", "run", "era", "use"))
        digests.append(take_split_inputs(read_events(problem), problem, preparation).digest)
    assert digests[0] != digests[1]


def test_training_weights_of_none_count_events(split):
    _, splits = split(training_weights="none")
    np.testing.assert_array_equal(splits.train.training_weights, 1)
