"""Files, or groups of a file, that hold one class each: in every format, with a label that they make."""

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

from tuner.errors import EventsError
from tuner.events import File, read_events, read_features
from tuner.problem import Problem

X = {"signal": np.arange(6.0), "background": -np.arange(4.0)}
W = np.full(4, 2.0)


def make_tables():
    signal, background = (pd.DataFrame({"x": values, "z": values**2}) for values in X.values())
    return signal, background.assign(w=W)


def write_root(table, path):
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: table[name].to_numpy() for name in table.columns})


def write_hdf5(table, path):
    with h5py.File(path, "w") as file:
        file["jets"] = table.to_records(index=False)


WRITERS = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "parquet": lambda table, path: table.to_parquet(path),
    "feather": lambda table, path: table.to_feather(path),
    "h5": write_hdf5,
    "root": write_root,
}


def check(source):
    table = source.read()
    assert table["label"].tolist() == ["signal"] * 6 + ["background"] * 4
    np.testing.assert_array_equal(table["x"], [*X["signal"], *X["background"]])
    assert list(table.columns) == ["x", "z", "label"]
    (told,) = table.attrs["left_out"].values()
    assert told.startswith("is only in ")
    assert told.endswith('fill={"w": VALUE} gives it a value elsewhere')
    weighted = File(source.path, trees=source.trees, fill={"w": 1.0})
    problem = Problem(question="?", label="label", signal="signal", weight="w", events=weighted)
    np.testing.assert_array_equal(read_events(problem).weights, [*np.ones(6), *W])
    assert read_events(problem).features == ("x", "z")
    return problem


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_for_each_class(tmp_path, ending):
    for name, table in zip(("s", "b"), make_tables(), strict=True):
        WRITERS[ending](table, tmp_path / f"{name}.{ending}")
    trees = {f"s.{ending}": "signal", f"b.{ending}": "background"}
    problem = check(File(tmp_path, trees=trees))
    assert [path.name for path in problem.events.find_files()] == [*trees]
    new = read_features(problem, tmp_path / f"b.{ending}")
    np.testing.assert_array_equal(new.table["x"], X["background"])
    assert new.labels is None


def test_several_files_of_one_class_and_lists_in_them(tmp_path):
    for number, (name, kind) in enumerate((("sig", 1.0), ("qcd_1", 2.0), ("qcd_2", 3.0))):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("Events", {"jets": ak.Array([[kind], []]), "x": np.array([number, number], float)})
    source = File(tmp_path, trees={"sig.root": "signal", "qcd_*.root:Events": "background"})
    table = source.read()
    assert table["x"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["label"].tolist() == ["signal"] * 2 + ["background"] * 4
    assert source.read_lists(["jets"])["jets"].to_list() == [[1.0], [], [2.0], [], [3.0], []]


def test_a_group_of_one_file_for_each_class(tmp_path):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        for name, table in zip(("TreeS", "TreeB"), make_tables(), strict=True):
            for column in table.columns:
                file[f"{name}/{column}"] = table[column].to_numpy()
    problem = check(File(path, trees={"TreeS": "signal", "TreeB": "background"}))
    assert len(read_features(problem, f"{path}:TreeB").table) == 4
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["Data/x"], file["Data/z"] = np.arange(3.0), np.arange(3.0)
    new = read_features(problem, tmp_path / "data.h5")
    assert (len(new.table), new.labels) == (3, None)
    with pytest.raises(EventsError, match=r'has no "TreeX". It has "TreeB"'):
        File(path, trees={"TreeX": "signal", "TreeB": "background"}).read()
