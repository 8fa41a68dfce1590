"""Selection, new columns and patterns of names: what a problem says of its events by expressions."""

import json
from dataclasses import replace
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from pyarrow import feather

from tuner.errors import EventsError, StudyError
from tuner.events import File, read_events, read_features, read_variant
from tuner.events.cut_flow import CutFlow
from tuner.events.variants import read_with_variants
from tuner.preparation.kept_events import keep_events, load_events, save_events
from tuner.problem import Nuisance, Problem

RNG = np.random.default_rng(1)
N = 300
ARROW_TEXT = pd.ArrowDtype(pa.string())
JETS = ak.Array([np.sort(RNG.exponential(30, k))[::-1].tolist() for k in RNG.integers(0, 4, N)])


@pytest.fixture
def sample(make_events):
    """Events of three processes."""
    return make_events(N, process=np.array(["ttH", "ttbar", "Wjets"])[np.arange(N) % 3])


def refuse(problem):
    with pytest.raises((EventsError, StudyError)) as caught:
        read_events(problem)
    return str(caught.value)


def test_selected_events_are_those_of_pandas_in_their_order(make_problem, sample):
    problem = make_problem(sample, ignored=("id", "process"), selection='a > 0 & b < 1 & process != "Wjets"')
    events = read_events(problem)
    defined = sample.replace(-999.0, np.nan)
    expected = defined.query('a > 0 and b < 1 and process != "Wjets"')
    np.testing.assert_array_equal(events.rows, expected.index)
    np.testing.assert_array_equal(events.table["a"], expected["a"].astype(np.float32))
    np.testing.assert_array_equal(events.labels, expected["y"])
    np.testing.assert_array_equal(events.weights, expected["w"])
    np.testing.assert_array_equal(events.observers["m"], expected["m"])
    assert events.features == ("a", "b")


@pytest.mark.parametrize("kind", ["object", "str", "string", "string[pyarrow]", ARROW_TEXT, "category", "categories"])
def test_texts_of_any_type_may_be_undefined(make_problem, sample, kind):
    texts = sample["process"].where(np.arange(N) % 5 > 0, None)
    column = texts.astype("string").astype("category") if kind == "categories" else texts.astype(kind)
    table = sample.assign(process=column, other=column)
    is_ttbar, is_known = (texts == "ttbar").to_numpy(), texts.notna().to_numpy()
    expected = {
        'process == "ttbar"': is_ttbar,
        'process != "ttbar"': ~is_ttbar & is_known,
        'process in ("ttbar", "ttH")': ((texts == "ttH") | is_ttbar).to_numpy(),
        'process not in ("ttbar", "x")': ~is_ttbar & is_known,
        "process == other": is_known,
    }
    for selection, kept in expected.items():
        problem = make_problem(events=table, ignored=("id", "process", "other"), selection=selection)
        np.testing.assert_array_equal(read_events(problem).rows, np.flatnonzero(kept))


def test_the_cut_flow_counts_events_and_weights_of_each_class(make_problem, sample):
    cuts = ["a > 0", "b < 1", 'process != "Wjets"']
    events = read_events(make_problem(sample, ignored=("id", "process"), selection=" & ".join(cuts)))
    left = sample.replace(-999.0, np.nan)
    for stage, cut in zip(events.cut_flow.stages, ["y == y", *cuts], strict=True):
        left = left.query(cut)
        assert stage.cut == (cut if cut != "y == y" else "all events")
        for kind, label in (("signal", 1), ("background", 0)):
            assert getattr(stage, kind) == (left["y"] == label).sum()
            assert getattr(stage, f"{kind}_weight") == pytest.approx(left["w"][left["y"] == label].sum())
    assert events.cut_flow.n_read == N
    table = events.cut_flow.frame()
    assert table["signal_weight_kept"][0] == 1
    assert table["background_kept"][3] == pytest.approx((left["y"] == 0).sum() / 150)
    assert CutFlow.from_json(events.cut_flow.to_json()) == events.cut_flow


def test_the_lines_of_the_cut_flow_fit_a_terminal(make_problem, sample):
    long = "abs(a) < 100000000000000000000000 | abs(b) < 100000000000000000000000000 | m > 3"
    events = read_events(make_problem(sample.drop(columns="process"), selection=f"({long}) & a > -1"))
    assert max(map(len, events.cut_flow.lines)) <= 80
    assert "a > -1" in events.cut_flow.lines[3]


def test_a_selection_that_leaves_too_few_is_refused_with_its_cut_flow(make_problem, sample):
    said = refuse(make_problem(sample, ignored=("id", "process"), selection="a > -50 & y == 0"))
    assert "`selection` must leave at least 3 events of signal and of background, but leaves:" in said
    for cells in (("all events", "150", "150"), ("a > -50", "150", "150"), ("y == 0", "0", "150")):
        assert any(all(cell in line for cell in cells) for line in said.splitlines())


def test_new_columns_take_any_role(make_problem, sample):
    problem = make_problem(
        sample,
        label="is_tth",
        ignored=("id", "process", "y"),
        observers=("double",),
        columns={"is_tth": 'process == "ttH"', "ratio": "a / b", "square": "ratio**2", "double": "2 * m"},
    )
    events = read_events(problem)
    b = sample["b"].replace(-999.0, np.nan)
    assert events.features == ("a", "b", "m", "ratio", "square")
    np.testing.assert_allclose(events.table["square"], (sample["a"] / b) ** 2, rtol=1e-5)
    np.testing.assert_allclose(events.observers["double"], 2 * sample["m"])
    np.testing.assert_array_equal(events.labels, sample["process"] == "ttH")
    assert events.cut_flow is None
    assert events.rows is None


def test_a_value_that_stands_for_undefined_is_none_in_what_was_computed(make_problem, sample):
    columns = {"product": "where(a > 0, -999, 1)", "sum": "a + b", "n": "where(b > 0, 1, -999)"}
    events = read_events(
        make_problem(sample, ignored=("id", "process"), columns=columns, features=("product", "sum", "n", "a"))
    )
    assert events.table["sum"].isna().sum() == (sample["b"] == -999).sum()
    assert events.table["n"].isna().sum() == 0
    assert (events.table["product"] == -999).sum() == (sample["a"] > 0).sum()


def test_what_becomes_undefined_is_counted_among_selected_events(make_problem, sample):
    sample["zero"] = np.where(np.arange(N) % 10 == 0, 0.0, 1.0)
    problem = make_problem(
        sample, ignored=("id", "process"), columns={"r": "a / zero + log(m - m + 1)"}, selection="id >= 100"
    )
    assert read_events(problem).notes == (
        'New column "r" becomes undefined, though what it is made of is defined, in 20 events by `a / zero`.',
    )


def test_a_weight_may_be_an_expression_with_factors_by_process(make_problem, sample):
    problem = make_problem(
        sample,
        weight="w * scale / 2",
        ignored=("id", "process"),
        columns={"scale": {"process": {"ttH": 0.5, "tt*": 800, "Wjets": 3, "QCD": 7}}},
    )
    events = read_events(problem)
    factors = sample["process"].map({"ttH": 0.5, "ttbar": 800.0, "Wjets": 3.0})
    np.testing.assert_allclose(events.weights, sample["w"] * factors / 2)
    assert events.features == ("a", "b")  # neither `w` nor `scale`
    assert events.notes == (
        '"w" is used by the weight and so is no feature; to keep it, name it in `features`.',
        'New column "scale" has numbers for values that no event has: "QCD".',
    )
    kept = read_events(replace(problem, features=("w", "a")))
    assert (kept.features, kept.notes) == (("w", "a"), events.notes[1:])
    said = refuse(replace(problem, columns={"scale": {"process": {"ttH": 1, "ttbar": 2}}}))
    assert 'must have a number for each value of "process", but has none where it is "Wjets".' in said
    selected = replace(problem, columns={"scale": {"process": {"ttH": 1, "ttbar": 2}}}, selection='process != "Wjets"')
    assert len(read_events(selected).labels) == 200


def test_the_numbers_of_a_table_become_those_that_json_takes(make_problem, sample):
    keys = np.unique(sample["id"].to_numpy())
    table = {"scale": {"id": {key: np.float32(2) for key in keys}}}
    problem = make_problem(sample, ignored=("id", "process"), weight="w * scale", columns=table)
    assert json.loads(json.dumps(problem.columns))["scale"]["id"] == {str(key): 2.0 for key in keys}
    np.testing.assert_allclose(read_events(problem).weights, 2 * sample["w"])


def test_factors_may_depend_on_the_file(make_problem, sample, tmp_path):
    for name, part in sample.groupby("process"):
        part.to_parquet(tmp_path / f"{name}.parquet")
    problem = make_problem(
        events=str(tmp_path / "*.parquet"),
        ignored=("id", "process"),
        weight="w * scale",
        columns={"scale": {"file": {"ttH.parquet": 2.0, "*": 1.0}}},
        selection='file != "Wjets.parquet"',
    )
    events = read_events(problem)
    kept = sample[sample["process"] != "Wjets"].sort_values("process", kind="stable")
    np.testing.assert_allclose(events.weights, kept["w"] * np.where(kept["process"] == "ttH", 2.0, 1.0))


def test_a_weight_whose_name_is_no_word_is_a_column(make_problem, sample):
    problem = make_problem(sample.rename(columns={"w": "mc-weight"}), weight="mc-weight", ignored=("id", "process"))
    np.testing.assert_array_equal(read_events(problem).weights, sample["w"])
    assert "`weight` cannot be read at character 6, '(2': this is not closed." in refuse(
        replace(problem, weight="mc * (2")
    )


def write_jagged(path, sample):
    pt = ak.values_astype(JETS, np.float32)
    sample = sample.drop(columns="process")
    if path.suffix in (".parquet", ".feather"):
        table = pa.table(sample).append_column("jet_pt", ak.to_arrow(pt, extensionarray=False))
        (pq.write_table if path.suffix == ".parquet" else feather.write_feather)(table, str(path))
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name in sample.columns:
                file[name] = sample[name].to_numpy()
            lists = file.create_dataset("jet_pt", (N,), h5py.vlen_dtype(np.float32))
            lists[:] = np.array([np.asarray(jets, np.float32) for jets in pt] + [None], object)[:-1]
    elif path.name == "given":
        return sample.assign(jet_pt=[jets.to_list() for jets in pt])
    else:
        data = {name: sample[name].to_numpy() for name in sample.columns} | {"jet_pt": pt}
        with uproot.recreate(path) as file:
            if path.stem == "tree":
                file.mktree("events", {name: v.type if name == "jet_pt" else v.dtype for name, v in data.items()})
                file["events"].extend(data)
            else:
                file.mkrntuple("events", data)
    return path


@pytest.mark.parametrize("name", ["tree.root", "ntuple.root", "events.parquet", "events.feather", "events.h5", "given"])
def test_lists_are_read_for_expressions_only(make_problem, sample, tmp_path, name):
    path = write_jagged(tmp_path / name, sample)
    problem = make_problem(
        events=path,
        ignored=("id", "process", "njet_pt"),
        columns={
            "lead_pt": "index(jet_pt, 0)",
            "n_jets": "len(jet_pt)",
            "hard": "jet_pt[jet_pt > 30]",
            "ht": "sum(hard)",
        },
        selection="n_jets > 0 & a > -1",
    )
    events = read_events(problem)
    kept = ((ak.num(JETS) > 0) & (sample["a"].to_numpy() > -1)).to_numpy()
    np.testing.assert_array_equal(np.flatnonzero(kept), events.rows)
    np.testing.assert_allclose(events.table["lead_pt"], JETS[kept][:, 0], rtol=1e-6)
    np.testing.assert_allclose(events.table["ht"], ak.sum(JETS[JETS > 30], axis=1)[kept], rtol=1e-5)
    assert events.features == ("a", "b", "lead_pt", "n_jets", "ht")
    assert "jet_pt is a list" not in str(events.notes)
    said = refuse(replace(problem, features=("a", "hard")))
    assert 'New column "hard" (feature) must be one value for each event, but is a list of them.' in said
    said = refuse(replace(problem, features=("a", "jet_pt")))
    assert 'Feature "jet_pt" must be a number for each event, but holds' in said
    assert '"first_jet_pt": "index(jet_pt, 0)", "n_jet_pt": "len(jet_pt)"' in said


def test_undefined_elements_of_lists_do_not_count(make_problem, sample, tmp_path):
    lists = pa.array([[-999.0, 2.0], [3.0], [], None, [float("inf"), 4.0]] * (N // 5))
    pq.write_table(pa.table(sample.drop(columns="process")).append_column("l", lists), tmp_path / "e.parquet")
    columns = {"s": "sum(l)", "n": "len(l)", "low": "min(l)", "first": "l[0]"}
    events = read_events(make_problem(events=tmp_path / "e.parquet", columns=columns))
    np.testing.assert_array_equal(events.table["s"][:5], [2, 3, 0, 0, 4])
    np.testing.assert_array_equal(events.table["n"][:5], [2, 1, 0, 0, 2])
    np.testing.assert_array_equal(events.table["low"][:5], [2, 3, np.nan, np.nan, 4])
    np.testing.assert_array_equal(events.table["first"][:5], [np.nan, 3, np.nan, np.nan, np.nan])


def test_lists_may_all_be_empty_and_of_one_length(make_problem, sample):
    table = sample.drop(columns="process").assign(empty=[[]] * N, four=list(RNG.normal(size=(N, 4))))
    columns = {"n": "len(empty) + a", "s": "sum(four[four > 0])", "last": "four[3]"}
    events = read_events(make_problem(events=table, columns=columns))
    four = np.stack(table["four"])
    np.testing.assert_allclose(events.table["n"], table["a"], rtol=1e-6)
    np.testing.assert_allclose(events.table["s"], np.where(four > 0, four, 0).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(events.table["last"], four[:, 3], rtol=1e-6)


def test_lists_of_several_files_and_of_trees_that_are_classes_keep_their_order(tmp_path):
    path = tmp_path / "classes.root"
    with uproot.recreate(path) as file:
        for name, part in (("S", slice(0, 100)), ("B", slice(100, N))):
            file.mktree(name, {"x": "float64", "jets": JETS.type.content})
            file[name].extend({"x": np.arange(N)[part], "jets": JETS[part]})
    source = File(path, trees={"S": "signal", "B": "background"})
    problem = Problem(
        question="?",
        events=source,
        label="label",
        signal="signal",
        columns={"n": "len(jets)"},
        selection='file == "classes.root:B" | n > 1',
    )
    events = read_events(problem)
    counts = ak.to_numpy(ak.num(JETS))
    kept = (np.arange(N) >= 100) | (counts > 1)
    np.testing.assert_array_equal(events.table["n"], counts[kept])
    for number in range(2):
        pq.write_table(
            pa.table(
                {
                    "y": np.arange(100) % 2,
                    "jets": ak.to_arrow(JETS[100 * number : 100 * number + 100], extensionarray=False),
                }
            ),
            tmp_path / f"{number}.parquet",
        )
    problem = Problem(question="?", events=str(tmp_path / "*.parquet"), label="y", signal=1, columns={"n": "len(jets)"})
    np.testing.assert_array_equal(read_events(problem).table["n"], counts[:200])


def test_only_columns_that_expressions_name_are_read(make_problem, sample, monkeypatch, tmp_path):
    path = write_jagged(tmp_path / "events.parquet", sample)
    asked = []

    class Watched(File):
        def read_columns(self, wanted):
            table = super().read_columns(wanted)
            asked.extend(table.columns)
            return table

        def read_lists(self, names):
            asked.extend(names)
            return super().read_lists(names)

    problem = make_problem(
        events=Watched(path), observers=(), features=("n",), columns={"n": "len(jet_pt)"}, selection="m > 0"
    )
    read_events(problem)
    assert asked == ["y", "w", "m", "jet_pt"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"selection": "aa > 0"}, '`selection`: column "aa" is not there. '),
        ({"selection": "a"}, "`selection`: `a` must be a condition, such as `pt > 20`, but is not."),
        ({"selection": "a >"}, "`selection` cannot be read at its end: something is missing or too much."),
        ({"columns": {"c": "a +* b"}}, 'New column "c" cannot be read at character 4'),
        ({"columns": {"c": "prcess == 1"}}, 'New column "c": column "prcess" is not there. Did you mean "process"?'),
        ({"columns": {"a": "b + 1"}}, 'New column "a" must have a name of its own, but the events have a column "a".'),
        ({"columns": {"c": "d", "d": "2 * c"}}, 'New column "c" must not be made of itself, through "d".'),
        ({"columns": {" ": "a"}}, "`columns` must name each new column by a text, but has ' '."),
        ({"columns": {"c": 3}}, "must be an expression, "),
        (
            {"columns": {"c": {"process": {"ttH": "x"}}}},
            "must give each value of `process` a finite number, but gives 'x'.",
        ),
        ({"columns": {"c": "process + 1"}}, 'must be a number, but is a text. Compare it: `process == "ttH"`.'),
    ],
)
def test_a_mistake_in_an_expression_is_told_before_anything_else(make_problem, sample, changes, told):
    assert told in refuse(make_problem(sample, **{"ignored": ("id", "process"), **changes}))


def test_patterns_stand_for_columns_in_the_order_of_the_file(make_problem, sample):
    more = {f"jet_{n}_pt": RNG.normal(size=N) for n in (3, 0, 5)} | {
        "lepton_pt": RNG.normal(size=N),
        "pt [GeV]": RNG.normal(size=N),
    }
    problem = make_problem(
        sample.assign(**more),
        features=("lepton*", "jet_[0-3]_pt", "jet_*", "pt [GeV]", "*r"),
        observers=("?",),
        ignored=("i*", "proc*"),
        columns={"r": "a / m"},
    )
    events = read_events(problem)
    assert events.features == ("lepton_pt", "jet_3_pt", "jet_0_pt", "jet_5_pt", "pt [GeV]")
    assert list(events.observers) == ["a", "b", "m", "r"]
    for role in ("features", "observers", "ignored"):
        assert f'`{role}` names columns by "x*", but no column fits that.' in refuse(
            replace(problem, **{role: ("x*",)})
        )


def test_a_shifted_column_moves_what_is_made_of_it_on_the_same_events(make_problem, sample, tmp_path):
    shifted = sample.assign(a_up=sample["a"] + 1)
    nuisances = (
        Nuisance(name="columns", up={"a": "a_up"}),
        Nuisance(name="new column", up={"a": "a_more"}),
        Nuisance(name="file", up=tmp_path / "shifted.parquet"),
    )
    sample.assign(a=sample["a"] + 1).to_parquet(tmp_path / "shifted.parquet")
    problem = make_problem(
        shifted,
        ignored=("id", "process"),
        columns={"r": "a * m", "a_more": "a + 1"},
        features=("r", "b"),
        selection="a > 0",
        nuisances=nuisances,
    )
    events, variants = read_with_variants(problem)
    kept = sample[sample["a"] > 0]
    for nuisance in nuisances:
        np.testing.assert_allclose(variants[nuisance.name, "up"]["r"], (kept["a"] + 1) * kept["m"], rtol=1e-6)
        again = read_variant(problem, nuisance, "up", events)
        pd.testing.assert_frame_equal(again, variants[nuisance.name, "up"], check_index_type=False)
    np.testing.assert_allclose(events.table["r"], kept["a"] * kept["m"], rtol=1e-6)


def test_events_to_be_scored_are_all_there_and_marked(make_problem, sample, tmp_path):
    problem = make_problem(
        sample,
        label="is_tth",
        ignored=("id", "process", "y"),
        columns={"is_tth": 'process == "ttH"', "r": "a * m", "scale": {"process": {"ttH": 2, "ttbar": 1}}},
        features=("a", "r"),
        weight="w * scale",
        selection='a > 0 & process != "Wjets"',
    )
    new = read_features(problem, write(tmp_path, sample), features=("a", "r"))
    np.testing.assert_array_equal(new.selected, (sample["a"] > 0) & (sample["process"] != "Wjets"))
    np.testing.assert_allclose(new.table["r"], sample["a"] * sample["m"], rtol=1e-6)
    np.testing.assert_array_equal(new.labels, sample["process"] == "ttH")
    assert new.weights is None  # there is none for Wjets
    bare = read_features(problem, write(tmp_path, sample[["a", "m"]]), features=("a", "r"))
    assert bare.labels is None
    np.testing.assert_array_equal(bare.selected, sample["a"] > 0)
    assert bare.notes == ('The selection\'s part `process != "Wjets"` was not applied: column "process" is not there.',)
    with pytest.raises(EventsError, match='New column "r": column "m" is not there'):
        read_features(problem, write(tmp_path, sample[["a"]]), features=("a", "r"))


def write(folder: Path, table: pd.DataFrame) -> Path:
    path = folder / "new.parquet"
    table.to_parquet(path)
    return path


def test_cut_flow_and_rows_are_kept_with_the_events(make_problem, sample, tmp_path):
    events = read_events(make_problem(sample, ignored=("id", "process"), selection="a > 0"))
    save_events(keep_events(events, {}), tmp_path / "kept")
    kept = load_events(tmp_path / "kept").events
    assert kept.cut_flow == events.cut_flow
    np.testing.assert_array_equal(kept.rows, events.rows)


def test_a_fault_is_told_by_its_place_among_all_events(make_problem, sample):
    sample["w"] = sample["w"].where(sample.index != 250)
    said = refuse(make_problem(sample, ignored=("id", "process"), selection="id >= 100"))
    assert "the first of them event 251." in said


def test_what_label_and_weight_are_made_of_is_no_feature_unless_it_is_named(make_problem, sample):
    problem = make_problem(
        sample.assign(truth=np.arange(N) % 3, scale=np.arange(N) % 7 + 1),
        label="is_signal",
        ignored=("id", "y"),
        columns={"is_top": "truth == 1", "is_signal": '~is_top & process == "ttH"', "both": "w * scale"},
        weight="both",
    )
    assert read_events(problem).features == ("a", "b")
    assert (
        read_events(replace(problem, features=("a", "scale", "truth"), columns=problem.columns)).features[2] == "truth"
    )
    said = refuse(replace(problem, columns={**problem.columns, "leak": "2 * is_signal"}))
    assert 'New column "leak" must not be made of the label "is_signal", as it is a feature.' in said


def test_a_feature_that_the_selection_fixes_is_left_out_and_named(make_problem, sample):
    table = sample.assign(n_jets=np.arange(N) % 3, flag=np.arange(N) // 2 % 2 * 1.0)
    cuts = {"selection": "n_jets == 2 & flag == 0"}
    events = read_events(make_problem(table, **cuts))
    assert not {"n_jets", "flag"} & {*events.features}
    (note,) = [note for note in events.notes if "n_jets" in note]
    assert note == (
        '"n_jets" (2) and "flag" (0) are the same in all events that the selection leaves, and so are no features.'
    )
    assert "n_jets" not in read_events(make_problem(table, features=("a", "n_*"), **cuts)).features
    with pytest.raises(EventsError, match=r'the same in all events that the selection leaves: "n_jets = 2"'):
        read_events(make_problem(table, features=("a", "n_jets"), **cuts))
