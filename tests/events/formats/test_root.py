"""Trees of ROOT files, as experiments write them: what is one number an event is read, all else is named."""

import awkward as ak
import numpy as np
import pytest
import uproot

from tuner.errors import EventsError
from tuner.events import File, read_events
from tuner.events.formats import root
from tuner.problem import Problem


@pytest.fixture
def nano(tmp_path):
    """Return the path of a file that looks like NanoAOD, and the jets in it."""
    jets = ak.Array([[30.5, 20.25], [], [50.0]])
    path = tmp_path / "nano.root"
    with uproot.recreate(path) as file:
        file.mktree("Runs", {"run": np.array([1], np.uint32)})
        file.mktree("LuminosityBlocks", {"luminosityBlock": np.array([7, 8], np.uint32)})
        events = {
            "event": np.array([2**53 + 1, 2**53 + 2, 2**63 - 1], np.int64),
            "HLT_Mu": np.array([True, False, True]),
            "charge": np.array([-1, 1, -128], np.int8),
            "flags": np.array([0, 255, 3], np.uint8),
            "MET_pt": np.array([1.5, 2.5, 3.5], np.float32),
            "xyz": np.arange(9.0).reshape(3, 3),
            "Jet_pt": jets,
            "kind": np.array(["sig", "", "bkg"]),
        }
        file.mktree("Events", events)
    return path, jets


def test_the_tree_of_the_events_is_found_beside_those_that_keep_its_books(nano):
    path, _ = nano
    table = File(path).read()
    assert list(table.columns) == ["event", "HLT_Mu", "charge", "flags", "MET_pt", "nJet_pt", "kind"]
    assert table["event"].tolist() == [2**53 + 1, 2**53 + 2, 2**63 - 1]
    assert table["HLT_Mu"].tolist() == [True, False, True]
    assert table["charge"].tolist() == [-1, 1, -128]
    assert table["flags"].tolist() == [0, 255, 3]
    assert table["kind"].tolist() == ["sig", "", "bkg"]
    assert table.attrs["left_out"] == {
        "xyz": "holds double[3] for each event",
        "Jet_pt": "holds double[] for each event",
    }
    assert len(File(f"{path}:Runs").read()) == 1


def test_columns_are_listed_and_lists_are_read(nano):
    path, jets = nano
    listed = {column.name: column for column in root.list_columns(path, None)}
    assert [name for name, column in listed.items() if not column.is_scalar] == ["xyz", "Jet_pt"]
    assert listed["MET_pt"].type == "float32"
    arrays = root.read_arrays(path, ["Jet_pt", "MET_pt", "xyz"], "Events")
    assert arrays["Jet_pt"].to_list() == jets.to_list()
    assert arrays["xyz"].to_list() == np.arange(9.0).reshape(3, 3).tolist()
    np.testing.assert_array_equal(arrays["MET_pt"], [1.5, 2.5, 3.5])
    with pytest.raises(EventsError, match=r'Tree "Events" of .* has no column "Jet_pT". Did you mean "Jet_pt"'):
        root.read_arrays(path, ["Jet_pT"], None)


def test_records_within_lists_of_an_ntuple_are_read_member_by_member(tmp_path):
    jets = ak.Array([[{"pt": 1.5, "id": 1}], [], [{"pt": 2.5, "id": 2}, {"pt": 3.5, "id": 3}]])
    with uproot.recreate(tmp_path / "n.root") as file:
        file.mkrntuple("n", {"jets": jets, "x": np.arange(3.0)})
    table = File(tmp_path / "n.root").read()
    assert list(table.columns) == ["x"]
    assert table.attrs["left_out"] == {
        "jets.pt": "holds a list of double for each event",
        "jets.id": "holds a list of std::int64_t for each event",
    }
    arrays = root.read_arrays(tmp_path / "n.root", ["jets.pt", "x"], None)
    assert arrays["jets.pt"].to_list() == jets["pt"].to_list()
    np.testing.assert_array_equal(arrays["x"], np.arange(3.0))


def test_only_the_branches_that_are_wanted_are_read(nano, monkeypatch):
    path, _ = nano
    touched = []
    read = uproot.behaviors.TBranch.TBranch.array
    monkeypatch.setattr(
        uproot.behaviors.TBranch.TBranch,
        "array",
        lambda branch, *args, **options: touched.append(branch.name) or read(branch, *args, **options),
    )
    File(path).read_columns(lambda name: name == "MET_pt")
    assert touched == ["MET_pt"]


def test_trees_in_folders_and_earlier_cycles(tmp_path):
    path = tmp_path / "f.root"
    with uproot.recreate(path) as file:
        file.mktree("dir/sub/tree", {"x": np.arange(2.0)})
        file.mktree("other", {"x": np.arange(5.0)})
        file.mktree("other", {"x": np.arange(3.0)})
    assert len(File(f"{path}:dir/sub/tree").read()) == 2
    assert len(File(f"{path}:tree").read()) == 2
    assert len(File(f"{path}:other").read()) == 3
    assert len(File(f"{path}:other;1").read()) == 5
    with pytest.raises(EventsError, match=r'no cycle "other;7" of this tree. It has "other;1", "other;2"'):
        File(f"{path}:other;7").read()
    with pytest.raises(EventsError, match=r'must be named, but it has "dir/sub/tree", "other"'):
        File(path).read()


def test_a_tree_of_one_name_in_two_folders_must_be_told_apart(tmp_path):
    path = tmp_path / "f.root"
    with uproot.recreate(path) as file:
        for folder in ("nominal", "up"):
            file.mktree(f"{folder}/tree", {"x": np.arange(2.0)})
    with pytest.raises(EventsError, match=r'has several trees "tree". It has "nominal/tree", "up/tree"'):
        File(f"{path}:tree").read()


def test_a_tree_without_events_and_a_file_without_trees(tmp_path):
    with uproot.recreate(tmp_path / "empty.root") as file:
        file.mktree("tree", {"x": np.float32, "jets": "var * float64"})
    table = File(tmp_path / "empty.root").read()
    assert (list(table.columns), len(table)) == (["x", "njets"], 0)
    with uproot.recreate(tmp_path / "plots.root") as file:
        file["h"] = np.histogram(np.arange(4.0))
    with pytest.raises(EventsError, match=r"must hold a tree \(TTree or RNTuple\), but has none"):
        File(tmp_path / "plots.root").read()


def test_a_column_of_one_class_alone_is_named_with_what_to_do(tmp_path):
    with uproot.recreate(tmp_path / "f.root") as file:
        file.mktree("s", {"x": np.arange(6.0), "jets": ak.Array([[1.0]] * 6)})
        file.mktree("b", {"x": np.arange(4.0), "w": np.full(4, 2.0), "jets": ak.Array([[1.0]] * 4)})
    source = File(tmp_path / "f.root", trees={"s": "signal", "b": "background"})
    table = source.read()
    assert list(table.columns) == ["x", "njets", "label"]
    assert table["label"].tolist() == ["signal"] * 6 + ["background"] * 4
    assert table.attrs["left_out"] == {
        "jets": "holds double[] for each event",
        "w": 'is only in "b": fill={"w": VALUE} gives it a value elsewhere',
    }
    problem = Problem(question="?", label="label", signal="signal", weight="w", events=source, features=("x",))
    with pytest.raises(EventsError, match=r'Weight "w" .* is only in "b": fill=\{"w": VALUE\} gives it a value'):
        read_events(problem)


@pytest.mark.parametrize("is_ntuple", [False, True])
def test_a_damaged_branch_is_named_and_hinders_no_other(tmp_path, is_ntuple):
    path = tmp_path / "f.root"
    columns = {name: np.random.default_rng(0).integers(0, 9, 5000) for name in ("x", "y")}
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        if is_ntuple:
            file.mkrntuple("tree", columns)
        else:
            file.mktree("tree", columns)
    content = bytearray(path.read_bytes())
    for at in [i for i in range(len(content)) if content[i : i + 3] == b"ZL\x08"]:
        broken = content.copy()
        broken[at + 100 : at + 400] = bytes(300)
        path.write_bytes(broken)
        try:
            File(path).read()
        except EventsError as error:
            if "Column" in str(error):
                break
    else:
        raise AssertionError
    with pytest.raises(EventsError, match=r'Column "(x|y|x", "y)" of tree "tree" .* cannot be read .* with `ignored`'):
        File(path).read()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_told_in_a_sentence(nano, share):
    path, _ = nano
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EventsError, match=r"damaged|must hold a tree"):
        File(path).read()


def test_reasons_are_not_copied_at_each_access_of_a_column(nano):
    path, _ = nano
    table = File(path).read()
    assert table["MET_pt"].attrs["left_out"] is table.attrs["left_out"]


def test_columns_may_be_added_to_many(tmp_path):
    columns = {f"x{number}": np.random.default_rng(number).normal(size=40) for number in range(120)}
    for year in (2016, 2017):
        (tmp_path / f"year={year}").mkdir()
        with uproot.recreate(tmp_path / f"year={year}" / "f.root") as file:
            file.mktree("t", columns | {"y": np.arange(40) % 2, "jets": ak.Array([[1.0, 2.0], [3.0]] * 20)})
    new = {"n": "len(jets)", "sum": "x0 + x1"}
    problem = Problem(question="?", label="y", signal=1, events=tmp_path / "year=*" / "f.root", columns=new)
    events = read_events(problem)  # a warning of pandas would be an error here
    np.testing.assert_array_equal(events.table["n"], [2, 1] * 40)
    np.testing.assert_array_equal(events.table["year"], [2016] * 40 + [2017] * 40)


def test_fields_of_an_rntuple_may_have_full_stops_in_their_names(tmp_path):
    jets = ak.Array([[{"pt": 1.0}], [], [{"pt": 2.0}, {"pt": 3.0}]])
    fields = {"EventInfoAuxDyn.n": np.arange(3), "JetsAuxDyn.all": jets, "Jets": jets, "x": np.arange(3.0)}
    with uproot.recreate(tmp_path / "dots.root") as file:
        file.mkrntuple("n", fields)
    table = File(tmp_path / "dots.root").read()
    assert sorted(table.columns) == ["EventInfoAuxDyn.n", "x"]
    np.testing.assert_array_equal(table[["EventInfoAuxDyn.n", "x"]], [[0, 0], [1, 1], [2, 2]])
    assert sorted(table.attrs["left_out"]) == ["Jets.pt", "JetsAuxDyn.all.pt"]
    for name in table.attrs["left_out"]:
        assert root.read_arrays(tmp_path / "dots.root", [name], None)[name].tolist() == [[1.0], [], [2.0, 3.0]]
