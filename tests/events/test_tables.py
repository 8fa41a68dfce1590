"""What tables of single formats hold beside plain columns: folders, lists, masks, vectors, pickles."""

import datetime
import decimal
import pickle

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.time import Time

from tuner.drafts.draft import draft_study
from tuner.errors import EventsError
from tuner.events import File, read_events
from tuner.events.formats import feather, parquet
from tuner.problem import Problem


@pytest.fixture
def partitioned(tmp_path, make_events):
    """A folder of Parquet files as Spark and pandas write it, with what other programs leave in it."""
    folder = tmp_path / "events"
    table = make_events().assign(year=np.repeat([2016, 2017], 100), era=np.tile(["B", "C", "a b", None], 50))
    table.to_parquet(folder, partition_cols=["year", "era"])
    for name in ("_SUCCESS", "_metadata", ".part.parquet.crc", "_temporary/0/part.parquet"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"no table")
    return folder


@pytest.mark.parametrize("pattern", ["", "*", "year=*", "*/*", "*/*/*.parquet", "**/*.parquet"])
def test_folders_of_a_table_are_columns(partitioned, make_events, pattern):
    table = File(partitioned / pattern).read()
    expected = make_events().assign(year=np.repeat([2016, 2017], 100), era=np.tile(["B", "C", "a b", None], 50))
    assert table.sort_values("id")["year"].tolist() == expected["year"].tolist()
    assert table.sort_values("id")["era"].fillna("none").tolist() == expected["era"].fillna("none").tolist()
    assert table.dtypes["year"] == np.int64


def test_a_part_of_a_table_has_the_columns_below_it_and_may_be_moved(partitioned, tmp_path, make_problem):
    table = File(partitioned / "year=2016").read()
    assert ("year" in table, "era" in table, len(table)) == (False, True, 100)
    assert list(File(partitioned).read_columns(lambda name: name in ("a", "year")).columns) == ["a", "year"]
    moved = File("elsewhere").at(partitioned)
    assert len(moved.read()) == 200
    draft = draft_study(str(partitioned / "*/*/*.parquet"), label="y")
    assert draft.name == "events"
    problem = make_problem(events=partitioned, label="year", signal=2016, ignored=("id", "era", "y"))
    assert read_events(problem).labels.sum() == 100


def test_empty_parts_decide_no_types_and_a_column_that_a_part_lacks_is_told(tmp_path, make_events):
    make_events().iloc[:0].astype(object).to_parquet(tmp_path / "0.parquet")
    make_events().to_parquet(tmp_path / "1.parquet")
    pd.testing.assert_frame_equal(File(tmp_path).read(), make_events())
    make_events().drop(columns="b").to_parquet(tmp_path / "2.parquet")
    with pytest.raises(
        EventsError, match=r'0.parquet" and ".*2.parquet" must have the same columns, but differ in "b"'
    ):
        File(tmp_path).read()
    assert len(File(tmp_path).read_columns(lambda name: name == "a")) == 400


def make_arrow():
    moment = datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)
    return pa.table(
        {
            "n": pa.array([1, None, 3]),
            "half": pa.array(np.array([1, 2, 3], np.float16)),
            "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-0.50")]),
            "moment": pa.array([moment, None, moment]),
            "zoned": pa.array([1, 2, 3], pa.timestamp("ns", "Europe/Paris")),
            "day": pa.array([1, 2, None], pa.date32()),
            "duration": pa.array([1, 2, 3], pa.duration("ms")),
            "clock": pa.array([1, 2, 3], pa.time32("ms")),
            "kind": pa.array(["g", "h", "g"]).dictionary_encode(),
            "coded": pa.array([1.5, 2.5, 1.5]).dictionary_encode(),
            "flag": pa.array([True, None, False]),
            "bytes": pa.array([b"g", b"h", b"g"]),
            "fixed": pa.array([b"gg", b"hh", b"gg"], pa.binary(2)),
            "large": pa.array([2**63, 1, 2], pa.uint64()),
            "nothing": pa.nulls(3),
            "blob": pa.array([b"\xff", b"\xfe", b"g"]),
            "pt": pa.array([[1.0, 2.0], [], None]),
            "jets": pa.array([[{"x": 1, "y": 2.0}], [], []]),
            "box": pa.array([{"x": 1}] * 3),
            "map": pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int32())),
        }
    )


@pytest.mark.parametrize(("module", "name"), [(parquet, "x.parquet"), (feather, "x.feather")])
def test_every_type_of_arrow_is_read_or_named(tmp_path, module, name):
    path = tmp_path / name
    (pq.write_table if module is parquet else pyarrow.feather.write_feather)(make_arrow(), path)
    table = File(path).read()
    first = {"n": 1, "half": 1, "decimal": 1.25, "moment": 1.5, "zoned": 1e-9, "day": 86400, "duration": 0.001}
    first |= {"clock": 0.001, "kind": "g", "coded": 1.5, "flag": 1, "bytes": "g", "fixed": "gg", "large": 2**63}
    assert table.drop(columns="nothing").iloc[0].to_dict() == first
    assert table.loc[:, ["n", "decimal", "moment", "flag"]].isna().iloc[1].all()
    assert set(table.attrs["left_out"]) == {"blob", "pt", "jets", "box", "map"}
    arrays = module.read_arrays(path, ["pt", "n", "jets"])
    assert list(arrays) == ["pt", "n", "jets"]
    assert ak.to_list(arrays["pt"]) == [[1.0, 2.0], [], None]
    assert ak.to_list(arrays["jets"]) == [[{"x": 1, "y": 2.0}], [], []]
    np.testing.assert_array_equal(arrays["n"], [1, np.nan, 3])
    with pytest.raises(EventsError, match=r'Column "map" cannot be read as lists, as it holds map<'):
        module.read_arrays(path, ["map"])


def test_feather_of_the_first_version_is_told(tmp_path):
    (tmp_path / "x.feather").write_bytes(b"FEA1....")
    with pytest.raises(EventsError, match=r"first version of Feather.*Write it as Parquet"):
        File(tmp_path / "x.feather").read()


def test_arrays_of_numpy(tmp_path):
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
    np.save(tmp_path / "x.npy", x)
    assert list(File(tmp_path / "x.npy").read().columns) == ["x0", "x1"]
    assert list(File(tmp_path / "x.npy", columns=("pt", "eta")).read().columns) == ["pt", "eta"]
    with pytest.raises(EventsError, match=r"has 2 columns, but `columns` names 1"):
        File(tmp_path / "x.npy", columns=("pt",)).read()
    path = tmp_path / "x.npz"
    np.savez(path, X=x, y=y, w=y + 0.5, hits=x[:, :, None], when=y.astype("M8[ms]"), seed=3, o=np.array([None] * 6))
    table = File(path).read()
    assert list(table.columns) == ["x0", "x1", "y", "w", "when"]
    assert table.iloc[1].tolist() == [2, 3, 1, 1.5, 0.001]
    assert table.attrs["left_out"] == {
        "hits": "holds 2 values for each event",
        "seed": "holds one value for all events",
        "o": "holds objects of Python, which are pickled and never loaded",
    }
    assert list(File(path).read_columns(lambda name: name in ("y", "x1")).columns) == ["x1", "y"]
    np.savez(path, X=x, y=y, feature_names=np.array(["pt", "eta"]), Z=y)
    assert list(File(path).read().columns) == ["pt", "eta", "y", "Z"]
    np.savez(path, jets=x, more=x)
    assert list(File(path).read().columns) == ["jets_0", "jets_1", "more_0", "more_1"]
    np.savez(path, X_train=x, X_test=x[:2], y_train=y)
    with pytest.raises(EventsError, match=r"must be equally long.*X_train 6, X_test 2, y_train 6"):
        File(path).read()


def test_arrays_that_nobody_wants_are_not_loaded(tmp_path, monkeypatch):
    np.savez(tmp_path / "x.npz", images=np.zeros((6, 8, 8)), a=np.arange(6.0), b=np.arange(6.0))
    loaded, load = [], np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda self, n: loaded.append(n) or load(self, n))
    assert list(File(tmp_path / "x.npz").read_columns(lambda name: name == "a").columns) == ["a"]
    assert loaded == ["a"]


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_no_pickle_is_loaded(tmp_path):
    trap = tmp_path / "sprung"
    np.save(tmp_path / "x.npy", np.array([Trap(trap)] * 3), allow_pickle=True)
    np.savez(tmp_path / "x.npz", a=np.arange(3.0), b=np.array([Trap(trap)] * 3))
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(Trap(trap)))
    assert list(File(tmp_path / "x.npz").read().columns) == ["a"]
    for name, said in (
        ("x.npy", "could not be read as NumPy"),
        ("x.pkl", r"is a pickle, which runs whatever.*none is"),
    ):
        with pytest.raises(EventsError, match=said):
            File(tmp_path / name).read()
    assert not trap.exists()


def write_json_lines(frame, path):
    frame.to_json(path, orient="records", lines=True)


@pytest.mark.parametrize("kind", ["parquet", "feather", "jsonl", "given"])
def test_columns_are_made_of_lists_wherever_lists_can_be(tmp_path, kind):
    frame = pd.DataFrame({"pt": [[3.0, 2.0], [], [1.0]] * 20, "y": [0, 1, 1] * 20})
    write = {"parquet": pd.DataFrame.to_parquet, "feather": pd.DataFrame.to_feather, "jsonl": write_json_lines}
    events = frame
    if kind != "given":
        events = tmp_path / f"x.{kind}"
        write[kind](frame, events)
    columns = {"n": "len(pt)", "lead": "index(pt, 0)"}
    read = read_events(Problem(question="?", events=events, label="y", signal=1, columns=columns))
    np.testing.assert_array_equal(read.table.iloc[:3], [[2, 3], [0, np.nan], [1, 1]])


def write_vectors(frame, path):
    """Write a column of arrays of two numbers, `pt`, and one of whole numbers, `y`."""
    if path.suffix == ".npz":
        np.savez(path, events=frame)
    elif path.suffix == ".npy":
        np.save(path, frame)
    else:
        table = pytest.importorskip("astropy.table").Table(frame)
        table.write(path, format="ascii.ecsv" if path.suffix == ".ecsv" else "fits")


@pytest.mark.parametrize("kind", ["npy", "npz", "fits", "ecsv"])
def test_columns_are_made_of_arrays_of_fixed_length(tmp_path, kind):
    frame = np.zeros(60, [("pt", "f8", 2), ("x", "f8"), ("weights", "f8", 5), ("y", "i8")])
    frame["pt"], frame["x"] = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) / 7
    frame["y"] = np.arange(60) % 2
    write_vectors(frame, tmp_path / f"x.{kind}")
    columns = {"second": "index(pt, 1)", "larger": "max(pt)"}
    read = read_events(Problem(question="?", events=tmp_path / f"x.{kind}", label="y", signal=1, columns=columns))
    np.testing.assert_allclose(read.table["second"], frame["pt"][:, 1], rtol=1e-6)
    np.testing.assert_allclose(read.table["larger"], frame["pt"].max(axis=1), rtol=1e-6)
    text = draft_study(str(tmp_path / f"x.{kind}")).text
    assert '# columns={"first_pt": "index(pt, 0)"},' in text  # no number of elements, and no weights


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x.xlsx", "is a spreadsheet. Save the sheet with the events as CSV"),
        ("x.json", r"Write a line an event: frame.to_json\("),
        ("x.csv.zip", "is an archive. Unpack it"),
        ("x.parquet.gz", "is compressed, which Parquet is inside of its files. Decompress it"),
        ("x.foo", r"must name a format: .csv, .*\.parquet, .*\.fits.*also compressed \(.gz, .bz2, .xz, .zst\)"),
        ("x", "must name a format"),
    ],
)
def test_an_ending_that_is_not_read_says_what_to_do(tmp_path, name, said):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(EventsError, match=said):
        File(tmp_path / name).read()


@pytest.fixture
def fits_file(tmp_path):
    """Gamma-ray events as telescopes write them: an image, a list of good times, two tables of events."""
    columns = [
        fits.Column("ENERGY", "E", "TeV", array=[1.5, np.nan, 2.5]),
        fits.Column("N", "J", null=-1, array=[3, -1, 5]),
        fits.Column("COUNT", "I", bzero=32768, array=np.array([1, 2, 40000], np.uint16)),
        fits.Column("SCALED", "I", null=-7, array=np.array([2, 4, -7], np.int16)),
        fits.Column("IS_GAMMA", "L", array=[True, False, True]),
        fits.Column("TYPE", "6A", array=["gamma", "hadron", "gamma"]),
        fits.Column("DIR", "2E", array=np.ones((3, 2))),
        fits.Column("PIXELS", "PE()", array=np.array([[1.0], [1.0, 2.0], []], dtype=object)),
        fits.Column("BITS", "8X", array=np.ones((3, 8), bool)),
    ]
    events = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    events.header["TSCAL4"], events.header["TZERO4"] = 0.5, 10.0
    other = fits.BinTableHDU.from_columns([fits.Column("START", "D", array=[0.0, 1.0])], name="GTI")
    path = tmp_path / "run.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((2, 2))), fits.ImageHDU(name="MAP"), events, other]).writeto(path)
    return path


def test_tables_of_fits(fits_file, tmp_path):
    table = File(fits_file).read()
    np.testing.assert_array_equal(table["ENERGY"], np.float32([1.5, np.nan, 2.5]))
    np.testing.assert_array_equal(table["N"], [3, np.nan, 5])
    assert table["COUNT"].tolist() == [1, 2, 40000]
    np.testing.assert_array_equal(table["SCALED"], [11.0, 12.0, np.nan])
    assert table["IS_GAMMA"].tolist() == [True, False, True]
    assert table["TYPE"].tolist() == ["gamma", "hadron", "gamma"]
    assert list(table.attrs["left_out"]) == ["DIR", "PIXELS", "BITS"]
    for name in ("GTI", "3"):
        assert list(File(f"{fits_file}:{name}").read().columns) == ["START"]
    with pytest.raises(EventsError, match=r'no table "EVENT". It has "EVENTS", "GTI". Did you mean "EVENTS"'):
        File(f"{fits_file}:EVENT").read()
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "image.fits")
    with pytest.raises(EventsError, match='must hold a table, but has only "PRIMARY"'):
        File(tmp_path / "image.fits").read()


def test_masks_times_and_vectors_of_ecsv(tmp_path):
    table = Table({"x": MaskedColumn([1, 2, 3], mask=[False, True, False]), "v": np.ones((3, 2)), "s": ["a", "b", "c"]})
    table["t"] = Time([0.5, 1.5, 2.5], format="unix")
    table.write(tmp_path / "x.ecsv", format="ascii.ecsv")
    read = File(tmp_path / "x.ecsv").read()
    np.testing.assert_array_equal(read["x"], [1, np.nan, 3])
    np.testing.assert_allclose(read["t"], [0.5, 1.5, 2.5], atol=1e-6)
    assert (read["s"].tolist(), read.attrs["left_out"]) == (["a", "b", "c"], {"v": "holds 2 values for each event"})


ARFF = """% made by Weka
@relation 'two words'
@attribute 'lead pt' numeric
@attribute "eta" REAL % of the jet
@attribute kind {'good one', bad}
@attribute note string
@DATA
1.5, -2e-1, 'good one', 'it''s'
?,0.5,bad,?
% between
2.5,?,'good one',plain
"""


def test_arff(tmp_path):
    path = tmp_path / "x.arff"
    path.write_text(ARFF)
    table = File(path).read()
    assert list(table.columns) == ["lead pt", "eta", "kind", "note"]
    np.testing.assert_array_equal(table[["lead pt", "eta"]], [[1.5, -0.2], [np.nan, 0.5], [2.5, np.nan]])
    assert table["kind"].tolist() == ["good one", "bad", "good one"]
    assert table["note"].isna().tolist() == [False, True, False]
    path.write_text(ARFF.partition("1.5,")[0] + "{0 1.5, 2 bad}\n")
    with pytest.raises(EventsError, match="is a sparse ARFF file"):
        File(path).read()
    path.write_text(ARFF.partition("@DATA")[0])
    with pytest.raises(EventsError, match="must have a line @data"):
        File(path).read()
    path.write_text(ARFF + "1,2\n")
    with pytest.raises(EventsError, match="must have 4 values, but one has 2: 1,2"):
        File(path).read()


def test_json_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1, "y": "s", "jets": [1, 2]}\n{"a": 2.5, "y": "b"}\n{"y": "s", "a": null}\n')
    table = File(path).read()
    np.testing.assert_array_equal(table["a"], [1, 2.5, np.nan])
    assert (table["y"].tolist(), list(table.attrs["left_out"])) == (["s", "b", "s"], ["jets"])
    path.write_text("".join(f'{{"a": {a}, "hits": {[1] * n}}}\n' for a, n in [(1, 1), (2, 1_500_000), (3, 0)]))
    assert File(path).read()["a"].tolist() == [1, 2, 3]
    path.write_text('{"a": 1}\n{"a": "x"}\n')
    with pytest.raises(EventsError, match="could not be read as JSON lines"):
        File(path).read()
