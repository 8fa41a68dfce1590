"""Events of large files are read a few features at a time, and are the same as when they are read at once."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from tuner import mapped_arrays
from tuner.errors import EventsError
from tuner.events import File, large_files, read_events
from tuner.preparation import prepare_splits


@pytest.fixture
def as_large(monkeypatch):
    """Return a function from a problem to its events, read two features at a time into a mapped file."""

    def read(problem, n_features=2):
        with monkeypatch.context() as patch:
            patch.setattr(large_files, "LARGE_FILES", 0)
            patch.setattr(large_files, "BYTES_AT_ONCE", 8 * 2000 * n_features)
            patch.setattr(mapped_arrays, "LARGE", 0)
            return read_events(problem)

    return read


def assert_same(one, other):
    for field in fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, pd.DataFrame):
            pd.testing.assert_frame_equal(first, second)
        elif isinstance(first, np.ndarray):
            np.testing.assert_array_equal(first, second)
        elif field.name == "notes":
            assert set(first) <= set(second)
        else:
            assert first == second, field.name


def write(table, path):
    match path.suffix:
        case ".csv":
            table.to_csv(path, index=False)
        case ".parquet":
            table.to_parquet(path)
        case ".h5":
            h5py = pytest.importorskip("h5py")
            with h5py.File(path, "w") as file:
                for name, column in table.items():
                    is_text = column.dtype == object or isinstance(column.dtype, pd.StringDtype)
                    file[name] = column.to_numpy(object if is_text else None)
        case ".root":
            uproot = pytest.importorskip("uproot")
            with uproot.recreate(path) as file:
                file["events"] = {name: column.to_numpy() for name, column in table.items()}
    return path


@pytest.fixture
def table(make_events):
    table = make_events(2000)
    rng = np.random.default_rng(3)
    for number in range(5):
        table[f"x{number}"] = rng.normal(size=2000)
    table.loc[::7, "x3"] = -999.0
    return table


@pytest.mark.parametrize("suffix", [".parquet", ".h5", ".root"])
def test_they_are_the_same(as_large, make_problem, table, tmp_path, suffix):
    problem = make_problem(events=write(table, tmp_path / f"events{suffix}"), undefined=-999.0)
    events = as_large(problem)
    assert mapped_arrays.find_map(events.table.to_numpy()) is not None
    assert_same(read_events(problem), events)


@pytest.mark.parametrize(
    "changes",
    [
        {"features": ("x3", "a", "x0")},
        {"features": ("x*", "b")},
        {"ignored": ("x0", "x4")},
        {"observers": ("x[12]",)},
        {"selection": "x0 > -1 & abs(x1) < 2"},
        {"columns": {"ratio": "x0 / x1", "sum": "ratio + x2"}},
        {"columns": {"ratio": "x0 / x1"}, "features": ("ratio", "x0")},
        {"categories": ("kind",)},
    ],
    ids=str,
)
def test_they_are_the_same_whatever_is_asked(as_large, make_problem, table, tmp_path, changes):
    table["kind"] = np.array(["ee", "mumu", "emu"])[np.arange(2000) % 3]
    problem = make_problem(events=write(table, tmp_path / "events.parquet"), undefined=-999.0, **changes)
    assert_same(read_events(problem), as_large(problem))


def test_each_column_but_those_of_the_selection_is_read_once(as_large, make_problem, table, tmp_path, monkeypatch):
    table["jets"] = [[1.0] * (i % 3) for i in range(2000)]
    asked = []
    read_columns, read_lists = File.read_columns, File.read_lists

    def watch_columns(self, wanted):
        read = read_columns(self, wanted)
        asked.extend(read.columns)
        return read

    def watch_lists(self, names):
        asked.extend(names)
        return read_lists(self, names)

    monkeypatch.setattr(File, "read_columns", watch_columns)
    monkeypatch.setattr(File, "read_lists", watch_lists)
    problem = make_problem(
        events=write(table, tmp_path / "events.parquet"), selection="x0 > -1",
        columns={"ratio": "x1 / x2", "n": "len(jets)"}, features=("ra*", "n", "x*"),
    )  # fmt: skip
    events = as_large(problem)
    assert {"ratio", "n", "x4"} <= {*events.features}
    assert {name for name in asked if asked.count(name) > 1} == {"x0"}


def test_lists_and_constant_texts_are_left_out(as_large, make_problem, table, tmp_path):
    table.insert(1, "era", "late")
    table.insert(2, "jets", [[1.0, 2.0]] * 2000)
    problem = make_problem(events=write(table, tmp_path / "events.parquet"))
    events, expected = as_large(problem), read_events(problem)
    assert_same(replace(expected, notes=()), events)
    assert not {"era", "jets"} & {*events.features}
    (told,), notes = expected.notes, " ".join(events.notes)
    assert all(note.count('"era"') == note.count('"jets"') == 1 for note in (told, notes))


def test_features_that_the_selection_fixes_are_left_out_of_each_group(as_large, make_problem, table, tmp_path):
    odd = np.arange(2000) // 2 % 2
    table = table.assign(x2=odd, x3=odd + 1.0)
    problem = make_problem(events=write(table, tmp_path / "events.parquet"), selection="x2 == 1")
    events, expected = as_large(problem), read_events(problem)
    assert_same(replace(expected, notes=()), events)
    assert not {"x2", "x3"} & {*events.features}
    assert all('"x3" (2)' in " ".join(one.notes) for one in (events, expected))


def test_what_does_not_hold_is_told(as_large, make_problem, table, tmp_path):
    table["x4"] = 1.0
    with pytest.raises(EventsError, match=r"same in all events: .x4 = 1"):
        as_large(make_problem(events=write(table, tmp_path / "events.parquet")))
    with pytest.raises(EventsError, match=r'"no" \(label\) is not there'):
        as_large(make_problem(events=tmp_path / "events.parquet", label="no"))


def test_parts_are_the_same_and_mapped(as_large, make_problem, table, tmp_path, monkeypatch):
    problem = make_problem(events=write(table, tmp_path / "events.parquet"), undefined=-999.0)
    expected = prepare_splits(read_events(problem), problem)
    events = as_large(problem)
    monkeypatch.setattr(mapped_arrays, "LARGE", 0)
    splits = prepare_splits(events, problem)
    assert mapped_arrays.find_map(splits.train.x) is not None
    np.testing.assert_array_equal(splits.train.x, expected.train.x)
    np.testing.assert_array_equal(splits.test.x, expected.test.x)
    assert splits.fingerprint == expected.fingerprint
