"""Every format gives the same events, reads only what is wanted, and names what is wrong with a file."""

import gzip
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

from tuner.errors import EventsError, MissingPackage
from tuner.problem import Problem
from tuner.read import File, read_events
from tuner.read.sources import SelectiveSource


def write_csv(table, path):
    table.to_csv(path, index=False)


def write_semicolons(table, path):
    table.to_csv(path, index=False, sep=";")


def write_blanks(table, path):
    table.to_csv(path, index=False, sep=" ")


def write_gzip(table, path):
    with gzip.open(path, "wt") as file:
        table.to_csv(file, index=False)


def write_parquet(table, path):
    table.set_index("a").reset_index().to_parquet(path)


def write_compound(table, path):
    with h5py.File(path, "w") as file:
        file["events"] = table.to_records(index=False)


def write_group(table, path):
    with h5py.File(path, "w") as file:
        for name in table.columns:
            file[f"sample/events/{name}"] = table[name].to_numpy()


def write_root(table, path):
    with uproot.recreate(path) as file:
        file["tree"] = {name: table[name].to_numpy() for name in table.columns}


def write_ntuple(table, path):
    with uproot.recreate(path) as file:
        file.mkrntuple("tree", {name: table[name].to_numpy() for name in table.columns})


FORMATS = {
    "events.csv": write_csv,
    "semicolons.csv": write_semicolons,
    "events.txt": write_blanks,
    "events.csv.gz": write_gzip,
    "events.parquet": write_parquet,
    "events.h5": write_compound,
    "group.hdf5": write_group,
    "events.root": write_root,
    "ntuple.root": write_ntuple,
}


@pytest.fixture(params=FORMATS)
def file(request, tmp_path, make_events):
    path = tmp_path / request.param
    FORMATS[request.param](make_events(), path)
    return path


def test_every_format_gives_the_same_events(file, make_events, make_problem):
    expected = make_events()
    events = read_events(make_problem(events=file, event_id="id", ignored=()))
    assert events.features == ("a", "b")
    np.testing.assert_array_equal(events.table["a"], expected["a"].astype(np.float32))
    np.testing.assert_array_equal(events.table["b"].isna(), expected["b"] == -999)
    np.testing.assert_array_equal(events.labels, expected["y"])
    np.testing.assert_allclose(events.weights, expected["w"], rtol=1e-12)
    np.testing.assert_allclose(events.observers["m"], expected["m"], rtol=1e-12)
    np.testing.assert_array_equal(events.event_id, expected["id"])
    assert events.digest == read_events(make_problem(expected)).digest


def test_every_format_reads_only_what_is_wanted(file):
    source = File(file)
    assert isinstance(source, SelectiveSource)
    assert list(source.read_columns(lambda name: name in ("m", "a")).columns) in (["a", "m"], ["m", "a"])


def test_several_files_are_one_table_and_an_error_names_the_file(tmp_path, make_events, make_problem):
    for number in (1, 2):
        table = make_events(seed=number)
        if number == 2:
            table["a"] = table["a"].astype(object)
            table.loc[3, "a"] = "broken"
        table.to_csv(tmp_path / f"part{number}.csv", index=False)
    with pytest.raises(EventsError, match=r'Feature "a" must be numbers, but is "broken" in event 4 of ".*part2.csv"'):
        read_events(make_problem(events=str(tmp_path / "part*.csv")))
    good = read_events(make_problem(events=str(tmp_path / "part*.csv"), features=("b",)))
    assert len(good.labels) == 400


def test_several_files_must_have_the_same_columns(tmp_path, make_events, make_problem):
    make_events().to_parquet(tmp_path / "1.parquet")
    make_events(c=0.5).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(EventsError, match=r'must have the same columns, but differ in "c"'):
        read_events(make_problem(events=tmp_path / "*.parquet"))


def test_text_without_a_header_needs_names(tmp_path, make_events, make_problem):
    table = make_events()
    path = tmp_path / "events.data"
    table.to_csv(path, index=False, header=False)
    names = tuple(table.columns)
    assert read_events(make_problem(events=File(path, columns=names))).features == ("a", "b")
    with pytest.raises(EventsError, match=r"first line of .* must name the columns, but holds the value"):
        read_events(make_problem(events=path))
    with pytest.raises(EventsError, match=r"has 6 values in its first line, but `columns` names 5"):
        read_events(make_problem(events=File(path, columns=names[:5])))


def test_a_header_wins_over_names_and_its_colons_are_dropped(tmp_path, make_events, make_problem):
    path = tmp_path / "events.csv"
    make_events().rename(columns={"a": "a:", "y": '"y"'}).to_csv(path, index=False, quoting=3)
    assert read_events(make_problem(events=File(path, columns=("p", "q", "r", "s", "t", "u")))).features == ("a", "b")


def test_trees_are_named_when_one_is_missing(tmp_path, make_events, make_problem):
    path = tmp_path / "two.root"
    with uproot.recreate(path) as file:
        for name in ("signal", "background"):
            file[name] = {"a": np.arange(3.0)}
    with pytest.raises(EventsError, match=r'no tree "sginal". It has "signal", "background". Did you mean "signal"'):
        read_events(make_problem(events=f"{path}:sginal"))
    with pytest.raises(EventsError, match=r'tree must be named, but it has "signal", "background"'):
        read_events(make_problem(events=path))


def test_a_tree_for_each_class(data_folder):
    trees = {"TreeS": "signal", "TreeB": "background"}
    question = Problem(
        question="?", label="label", signal="signal", events=File("tmva_class_example.root", trees=trees)
    )
    events = read_events(question)
    assert events.features == ("var1", "var2", "var3", "var4")  # `weight` is in one tree only: it would tell the class
    assert events.labels.sum() == 6000
    source = File("tmva_class_example.root", trees=trees, fill={"weight": 1.0})
    weighted = read_events(Problem(question="?", label="label", signal="signal", weight="weight", events=source))
    with uproot.open(data_folder / "tmva_class_example.root") as file:
        expected = file["TreeB"]["weight"].array(library="np")
    np.testing.assert_array_equal(weighted.weights, np.concatenate([np.ones(6000), expected]))


def test_a_list_for_each_event_is_no_feature(tmp_path, make_events, make_problem):
    path = tmp_path / "jagged.root"
    table = make_events(4)
    with uproot.recreate(path) as file:
        file.mktree("tree", {**{n: table[n].dtype for n in table.columns}, "jets": "var * float64"})
        import awkward as ak

        file["tree"].extend(
            {**{n: table[n].to_numpy() for n in table.columns}, "jets": ak.Array([[1.0], [], [2.0], []])}
        )
    with pytest.raises(EventsError, match=r'Feature "jets" must be numbers, but is .* in event 1'):
        read_events(make_problem(events=path, ignored=("id", "njets")))


def test_hdf5_dataset_by_name_and_in_two_dimensions(tmp_path, make_events, make_problem):
    table = make_events()
    path = tmp_path / "events.h5"
    with h5py.File(path, "w") as file:
        file["raw/matrix"] = table.to_numpy()
        file["other"] = np.arange(3)
    source = File(f"{path}:raw/matrix", columns=tuple(table.columns))
    assert read_events(make_problem(events=source)).digest == read_events(make_problem(table)).digest
    with pytest.raises(EventsError, match=r'has no "raw/matrx". It has .* Did you mean "raw/matrix"'):
        read_events(make_problem(events=f"{path}:raw/matrx"))
    with pytest.raises(EventsError, match=r"must have named fields, or two dimensions and as many names"):
        read_events(make_problem(events=f"{path}:raw/matrix"))


@pytest.mark.parametrize("name", ["broken.csv.gz", "broken.parquet", "broken.h5", "broken.root"])
def test_a_broken_file_is_named(tmp_path, make_problem, name):
    path = tmp_path / name
    path.write_bytes(b"no such format" * 20)
    with pytest.raises(EventsError, match=rf"{name}.* could not be read as"):
        read_events(make_problem(events=path))


def test_an_empty_file_and_a_file_without_events(tmp_path, make_problem, make_events):
    path = tmp_path / "empty.csv"
    path.write_text("")
    with pytest.raises(EventsError, match=r"its first line is empty"):
        read_events(make_problem(events=path))
    make_events()[:0].to_csv(path, index=False)
    with pytest.raises(EventsError, match=r"must hold events, but has none"):
        read_events(make_problem(events=path))


def test_an_unknown_ending_lists_the_known(tmp_path, make_problem):
    path = tmp_path / "events.xlsx"
    path.write_text("")
    with pytest.raises(EventsError, match=r"must name a format: \.csv, .*\.root"):
        read_events(make_problem(events=path))


def test_a_source_of_ones_own_needs_no_more_than_read(make_events, make_problem):
    class Memory:
        def read(self):
            return make_events()

        def describe(self):
            return "memory"

        def at(self, path):
            return self

    events = read_events(make_problem(events=Memory()))
    assert (events.source, events.features) == ("memory", ("a", "b"))


def test_a_table_may_be_wide(tmp_path, make_problem, make_events):
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(50, 300)), columns=[f"x{i}" for i in range(300)])
    table = pd.concat([make_events(50), wide], axis=1)
    assert len(read_events(make_problem(table)).features) == 302


@pytest.mark.parametrize(("name", "package", "extra"), [("e.root", "uproot", "root"), ("e.h5", "h5py", "hdf5")])
def test_a_missing_package_names_its_extra(tmp_path, make_problem, monkeypatch, name, package, extra):
    (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=rf'pip install "signal-tuner\[{extra}\]"'):
        read_events(make_problem(events=tmp_path / name))
