"""Every format gives the same events, reads only what is wanted, and names what is wrong with a file."""

import gzip
import pathlib
import pickle
import sys

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from tuner.drafts.draft import draft_study
from tuner.errors import EventsError, MissingPackage
from tuner.events import File, read_events, read_features
from tuner.events.joining import SelectiveSource
from tuner.problem import Problem


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
        file.mktree("tree", {name: table[name].to_numpy() for name in table.columns})


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


def test_names_of_columns_lose_quotes_and_colons(tmp_path, make_events, make_problem):
    path = tmp_path / "events.csv"
    make_events().rename(columns={"a": "a:", "y": '"y"'}).to_csv(path, index=False, quoting=3)
    assert read_events(make_problem(events=path)).features == ("a", "b")


def test_names_that_are_given_and_stand_in_the_file_too_are_refused(tmp_path, make_events, make_problem):
    path = tmp_path / "events.csv"
    make_events().to_csv(path, index=False)
    source = File(path, columns=("p", "q", "r", "s", "t", "u"))
    with pytest.raises(EventsError, match=r'must have no line of names where `columns` gives them.*"a", "b", "y"'):
        read_events(make_problem(events=source))
    assert list(source.at(path).read().columns) == list(make_events().columns)  # another file may have other habits


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


@pytest.fixture
def study_of_trees(tmp_path):
    """A question whose events are two trees of one file; what else is to be scored lies beside it."""
    with uproot.recreate(tmp_path / "train.root") as file:
        for number, name in enumerate(("TreeS", "TreeB")):
            file[name] = {"a": np.arange(8.0) + number, "b": -np.arange(8.0)} | (
                {"weight": np.ones(8)} if number else {}
            )
    source = File(tmp_path / "train.root", trees={"TreeS": "signal", "TreeB": "background"}, fill={"weight": 1.0})
    return Problem(question="?", label="label", signal="signal", weight="weight", events=source)


def write_trees(path, **numbers):
    with uproot.recreate(path) as file:
        for name, number in numbers.items():
            file[name] = {"b": np.full(3, number), "a": np.arange(3.0)}
    return path


@pytest.mark.parametrize(("tree", "b"), [("Data", 7.0), ("TreeB", 2.0)])
def test_the_tree_that_a_path_names_is_read_in_place_of_the_studys(study_of_trees, tmp_path, tree, b):
    path = write_trees(tmp_path / "data.root", TreeS=1.0, TreeB=2.0, Data=7.0)
    new = read_features(study_of_trees, f"{path}:{tree}", features=("a", "b"))
    assert new.table["b"].tolist() == [b] * 3
    assert (None if tree == "Data" else ["background"] * 3) == (None if new.labels is None else list(new.labels))
    assert new.source.endswith(f"data.root:{tree}")
    assert len(read_features(study_of_trees, path, features=("a", "b")).table) == 6  # both trees of the study


def test_the_only_tree_of_a_file_is_read_whatever_its_name(study_of_trees, tmp_path):
    path = write_trees(tmp_path / "data.root", Data=7.0)
    new = read_features(study_of_trees, path, features=("a", "b"))
    assert new.table["b"].tolist() == [7.0] * 3
    assert new.labels is None
    with pytest.raises(EventsError, match=r'no tree "TreeS". It has "Data", "More"'):
        read_features(study_of_trees, write_trees(path, Data=7.0, More=1.0), features=("a", "b"))
    with pytest.raises(EventsError, match=r'no tree "Date". It has "Data", "More". Did you mean "Data"'):
        read_features(study_of_trees, f"{path}:Date", features=("a", "b"))


def write_jagged_parquet(table, path):
    jets = [[1.0], []] * (len(table) // 2)
    table.assign(jets=jets, box=[{"x": 1.0}] * len(table)).to_parquet(path)


def write_jagged_root(table, path, *, ntuple=False):
    columns = {name: table[name].to_numpy() for name in table.columns}
    jets = ak.Array([[1.0], []] * (len(table) // 2))
    box = np.ones((len(table), 2))
    with uproot.recreate(path) as file:
        if ntuple:
            file.mkrntuple("tree", {**columns, "jets": jets, "box": box})
        else:
            kinds = {name: values.dtype for name, values in columns.items()}
            file.mktree("tree", {**kinds, "jets": "var * float64", "box": np.dtype((np.float64, (2,)))})
            file["tree"].extend({**columns, "jets": jets, "box": box})


def write_jagged_ntuple(table, path):
    write_jagged_root(table, path, ntuple=True)


def write_jagged_compound(table, path):
    kinds = [(name, table[name].dtype) for name in table.columns]
    rows = np.zeros(len(table), [*kinds, ("jets", np.float32, (3,)), ("box", np.complex64)])
    for name in table.columns:
        rows[name] = table[name]
    with h5py.File(path, "w") as file:
        file["events"] = rows


def write_jagged_group(table, path):
    write_group(table, path)
    with h5py.File(path, "a") as file:
        file["sample/events/box"] = np.ones((len(table), 2))
        jets = file.create_dataset("sample/events/jets", (len(table),), h5py.vlen_dtype(np.float64))
        jets[0] = [1.0, 2.0]


JAGGED = {
    "jagged.parquet": write_jagged_parquet,
    "jagged.root": write_jagged_root,
    "ntuple.root": write_jagged_ntuple,
    "compound.h5": write_jagged_compound,
    "group.h5": write_jagged_group,
}


@pytest.mark.parametrize("name", JAGGED)
def test_what_holds_several_values_per_event_is_named_and_left_out(tmp_path, make_events, make_problem, name):
    path = tmp_path / name
    JAGGED[name](make_events(40), path)
    events = read_events(make_problem(events=path, ignored=("id", "njets")))  # uproot writes their number, too
    assert events.features == ("a", "b")
    assert len(events.notes) == 1
    for part in ("Columns that are left out", '"jets" holds ', '"box" h'):
        assert part in events.notes[0]
    with pytest.raises(
        EventsError, match=r'Feature "jets" must be a number for each event, but holds .*\. Make columns'
    ):
        read_events(make_problem(events=path, features=("a", "jets")))
    assert read_events(make_problem(events=path, features=("a",))).notes == ()
    draft = draft_study(str(path), label="y")
    assert any('"jets": left out by the reader: it holds' in line for line in draft.reasons)


def test_leaves_of_a_branch_are_columns(case_folder):
    table = File(case_folder / "uproot-leaflist.root").read()
    with uproot.open(case_folder / "uproot-leaflist.root") as file:
        expected = file["tree/leaflist"].array(library="np")
    assert list(table.columns) == ["leaflist.x", "leaflist.y", "leaflist.z"]
    for leaf in "xyz":
        np.testing.assert_array_equal(table[f"leaflist.{leaf}"], expected[leaf])


@pytest.mark.parametrize(
    ("name", "columns", "left_out"),
    [
        (
            "uproot-small-flat-tree.root",
            ["Int32", "Int64", "UInt32", "UInt64", "Float32", "Float64", "Str", "N"],
            [f"{kind}{number}" for kind in ("Array", "Slice")
             for number in ("Int32", "Int64", "UInt32", "UInt64", "Float32", "Float64")],
        ),
        (
            "uproot-issue-1229.root",
            ["branch/TObject/fUniqueID", "branch/TObject/fBits"],
            ["branch/pointer", "branch/const_pointer"],
        ),
        (
            "test_nested_structs_rntuple_v1-0-0-0.root",
            [f"my_struct{inner}.i" for inner in ("", ".sub_struct", ".sub_struct.sub_sub_struct")],
            ["my_struct.sub_struct.sub_sub_struct.v"],
        ),
    ],
)  # fmt: skip
def test_what_root_itself_wrote_is_read_or_named(case_folder, name, columns, left_out):
    table = File(case_folder / name).read()
    assert list(table.columns) == columns
    assert list(table.attrs["left_out"]) == left_out


def test_optional_fields_and_inner_fields_of_an_ntuple(tmp_path):
    with uproot.recreate(tmp_path / "n.root") as file:
        records = ak.Array([{"p": 1.5, "q": [1]}, {"p": 2.5, "q": []}, {"p": 3.5, "q": [2]}])
        several = ak.Array([[{"p": 1.0}], [], [{"p": 2.0}]])
        file.mkrntuple("n", {"o": ak.Array([1.0, None, 2.0]), "r": records, "several": several})
    table = File(tmp_path / "n.root").read()
    np.testing.assert_array_equal(table["o"], [1, np.nan, 2])
    np.testing.assert_array_equal(table["r.p"], [1.5, 2.5, 3.5])
    assert list(table.columns) == ["o", "r.p"]
    assert list(table.attrs["left_out"]) == ["r.q", "several.p"]


def test_numbers_in_another_order_of_bytes(tmp_path, make_events, make_problem):
    table = make_events()
    rows = table.to_records(index=False).astype([(n, table[n].dtype.newbyteorder(">")) for n in table.columns])
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file["events"] = rows
    assert read_events(make_problem(events=tmp_path / "big.h5")).digest == read_events(make_problem(table)).digest
    assert 'label="y"' in draft_study(str(tmp_path / "big.h5")).text


def test_decimal_numbers_are_numbers(tmp_path, make_events, make_problem):
    table = make_events()
    arrow = pa.Table.from_pandas(table.assign(a=table["a"].round(3)), preserve_index=False)
    path = tmp_path / "d.parquet"
    pq.write_table(arrow.set_column(0, "a", arrow["a"].cast(pa.decimal128(5, 3), safe=False)), path)
    np.testing.assert_array_equal(
        read_events(make_problem(events=path)).table["a"], table["a"].round(3).astype(np.float32)
    )


@pytest.mark.parametrize("name", ["twice.parquet", "twice.csv"])
def test_a_column_that_is_named_twice_is_told(tmp_path, make_events, make_problem, name):
    table = make_events()
    if name.endswith("csv"):
        pd.concat([table, table[["a"]]], axis=1).to_csv(tmp_path / name, index=False)
    else:
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(arrow.append_column("a", arrow["a"]), tmp_path / name)
    for attempt in (
        lambda: read_events(make_problem(events=tmp_path / name)),
        lambda: draft_study(str(tmp_path / name)),
    ):
        with pytest.raises(EventsError, match=rf'{name}" must name each column once, but has twice: "a"'):
            attempt()


def write_pandas_table(table, path):
    """Write what `frame.to_hdf(path, key="df", format="table")` writes, but for what nobody reads."""
    rows = np.zeros(len(table), [("index", "i8"), ("values_block_0", "f8", (4,)), ("values_block_1", "i8", (2,))])
    rows["index"] = np.arange(len(table))
    for block, names in enumerate((["a", "b", "w", "m"], ["y", "id"])):
        rows[f"values_block_{block}"] = table[names]
    with h5py.File(path, "w") as file:
        file["df/table"] = rows
        file["df"].attrs["pandas_type"] = np.bytes_(b"frame_table")
        attrs = file["df/table"].attrs
        attrs["index_kind"] = np.bytes_(b"integer")
        for block, names in enumerate((["a", "b", "w", "m"], ["y", "id"])):
            attrs[f"values_block_{block}_kind"] = np.bytes_(pickle.dumps(names, protocol=0))
            attrs[f"values_block_{block}_dtype"] = np.bytes_(["float64", "int64"][block].encode())
            attrs[f"values_block_{block}_meta"] = np.bytes_(b"N.")


def write_pandas_blocks(table, path):
    """Write what `frame.to_hdf(path, key="df")` writes, but for what nobody reads."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group.attrs["pandas_type"], group.attrs["nblocks"] = np.bytes_(b"frame"), 2
        group["axis1"] = np.arange(len(table))
        for block, names in enumerate((["a", "b", "w", "m"], ["y", "id"])):
            group[f"block{block}_items"] = np.array(names, "S2")
            group[f"block{block}_values"] = table[names].to_numpy()
            group[f"block{block}_values"].attrs["transposed"] = np.uint8(1)


@pytest.mark.parametrize("write", [write_pandas_table, write_pandas_blocks])
def test_frames_that_pandas_wrote_into_hdf5(tmp_path, make_events, make_problem, write):
    path = tmp_path / "df.h5"
    write(make_events(), path)
    expected = read_events(make_problem(make_events())).digest
    assert read_events(make_problem(events=path)).digest == expected
    assert read_events(make_problem(events=f"{path}:df")).digest == expected


def test_a_frame_of_columns_that_are_named_by_numbers_and_of_a_category(tmp_path):
    path = tmp_path / "df.h5"
    rows = np.zeros(3, [("index", "i8"), ("values_block_0", "f8", (2,)), ("kind", "i1")])
    rows["values_block_0"] = [[1.5, 2], [3, 4], [5, 6]]
    with h5py.File(path, "w") as file:
        file["df/table"] = rows
        file["df"].attrs["pandas_type"] = np.bytes_(b"frame_table")
        attrs = file["df/table"].attrs
        attrs["values_block_0_kind"] = np.bytes_(pickle.dumps([0, 1], protocol=0))
        attrs["kind_kind"] = np.bytes_(pickle.dumps(["kind"], protocol=0))
        attrs["kind_dtype"], attrs["kind_meta"] = np.bytes_(b"int8"), np.bytes_(b"category")
    table = File(path).read()
    assert table.to_dict("list") == {"0": [1.5, 3, 5], "1": [2, 4, 6]}
    assert table.attrs["left_out"] == {"kind": "holds a category of pandas"}


def test_a_pickle_in_a_file_is_not_run(tmp_path, make_events, make_problem):
    class Harm:
        def __reduce__(self):
            return (pathlib.Path.touch, (tmp_path / "harm",))

    path = tmp_path / "df.h5"
    write_pandas_table(make_events(), path)
    with h5py.File(path, "a") as file:
        file["df/table"].attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(Harm(), protocol=0))
    with pytest.raises(EventsError):
        read_events(make_problem(events=path))
    assert not (tmp_path / "harm").exists()


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
    path = tmp_path / "events.xyz"
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
