"""HDF5 as experiments, pandas and PyTables write it: what is one number an event is read, all else is named."""

import subprocess
import sys
from dataclasses import replace

import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest

from tuner.drafts.draft import draft_study
from tuner.errors import EventsError
from tuner.events import File, read_events
from tuner.events.formats import hdf5, hdf5_values

N = 50


def make_jets(n=N):
    jets = np.zeros(n, [("pt", "f2"), ("eta", ">f4"), ("id", "i4"), ("eventNumber", "u8"), ("isB", "?")])
    rng = np.random.default_rng(1)
    jets["pt"], jets["eta"], jets["id"] = rng.normal(size=n), rng.normal(size=n), rng.integers(0, 6, n)
    jets["eventNumber"], jets["isB"] = 2**60 + np.arange(n), jets["id"] == 5
    return jets


def test_jets_of_flavour_tagging_are_read_and_their_tracks_named(tmp_path):
    jets = make_jets()
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("jets", data=jets, compression="gzip")
        file["tracks"] = np.zeros((N, 40), [("d0", "f4"), ("valid", "?")])
        file["eventwise"] = np.zeros(7, [("mu", "f4")])
        file.create_group("cutBookkeeper")["counts"] = np.zeros(1, [("n", "i8")])
    table = File(tmp_path / "f.h5").read()
    assert list(table.columns) == list(jets.dtype.names)
    for name in jets.dtype.names:
        np.testing.assert_array_equal(table[name], jets[name])
    assert (table["pt"].dtype, table["eta"].dtype) == (np.float16, np.float32)
    assert table.attrs["left_out"] == {
        "eventwise": "has 7 rows, where there are 50 events",
        "tracks.d0": "holds 40 values for each event",
        "tracks.valid": "holds 40 values for each event",
    }
    assert len(File(f"{tmp_path / 'f.h5'}:eventwise").read()) == 7


def test_tracks_of_flavour_tagging_are_lists_of_which_padding_is_no_part(tmp_path, make_problem):
    rng, n_tracks = np.random.default_rng(4), 6
    tracks = np.zeros((N, n_tracks), [("pt", "f4"), ("theta", "f2"), ("valid", "?")])
    counts = rng.integers(0, n_tracks + 1, N)
    tracks["valid"] = np.arange(n_tracks) < counts[:, None]
    tracks["pt"] = np.where(tracks["valid"], rng.exponential(5.0, tracks.shape), 0.0)
    labelled = np.array(list(zip(rng.normal(size=N), np.arange(N) % 2, strict=True)), [("eta", "f4"), ("label", "i4")])
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["jets"], file["tracks"] = labelled, tracks
    made = {
        "n": "len(tracks.pt[tracks.valid])",
        "first": "index(tracks.pt, 0)",
        "total": "sum(tracks.pt[tracks.valid & tracks.pt > 2])",
    }
    for name in ("f.h5", "f.h5:jets"):
        problem = make_problem(
            events=tmp_path / name,
            label="label",
            ignored=(),
            columns=made,
            signal=1,
            weight=None,
            undefined=-999.0,
            observers=(),
        )
        table = read_events(problem).table
        np.testing.assert_array_equal(table["n"], counts)
        np.testing.assert_array_equal(table["first"], tracks["pt"][:, 0])
        hard = np.where(tracks["valid"] & (tracks["pt"] > 2), tracks["pt"], 0).sum(axis=1, dtype=np.float64)
        np.testing.assert_allclose(table["total"], hard, rtol=1e-6)
    draft = draft_study(str(tmp_path / "f.h5"))
    assert '# columns={\n        #     "n_tracks": "len(tracks.pt[tracks.valid])",\n' in draft.text
    assert '"first_tracks_pt": "index(tracks.pt[tracks.valid], 0)"' in draft.text
    (note,) = [note for note in read_events(replace(problem, columns={})).notes if "tracks.pt" in note]
    assert "`tracks.valid` tells which entries are no padding" in note
    with pytest.raises(EventsError, match=r'tracks\.pt" must be a number.*index\(tracks\.pt\[tracks\.valid\], 0\)'):
        read_events(replace(problem, columns={}, features=("eta", "tracks.pt")))


def test_each_type_is_read_or_named(tmp_path):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        codes = rng.integers(0, 3, N).astype("i1")
        file.create_dataset("kind", data=codes, dtype=h5py.enum_dtype({"signal": 2, "background": 0}, basetype="i1"))
        file["flag"] = codes == 2
        file.create_dataset("text", data=["s", "b"] * (N // 2), dtype=h5py.string_dtype())
        file["bytes"] = np.array([b"s", "é".encode()] * (N // 2))
        file["half"], file["long"] = rng.normal(size=N).astype("f2"), rng.normal(size=N).astype(np.longdouble)
        file["column"] = rng.normal(size=(N, 1))
        file["matrix"], file["complex"] = rng.normal(size=(N, 3)), np.ones(N, complex)
        file["reference"] = np.array([file["half"].ref] * N, h5py.ref_dtype)
        file["opaque"] = np.arange(N).astype("V8")
        file["scalar"], file["empty"], file["edges"] = 3.0, h5py.Empty("f4"), np.arange(11.0)
        file["gone"] = h5py.SoftLink("/nowhere")
        column = file["column"][:, 0]
    table = File(tmp_path / "f.h5").read()
    assert table["kind"].astype(object).where(table["kind"].notna(), None).tolist() == [
        {2: "signal", 0: "background"}.get(code) for code in codes
    ]
    np.testing.assert_array_equal(table["flag"], codes == 2)
    assert table["text"].tolist()[:2] == ["s", "b"]
    assert table["bytes"].tolist()[:2] == ["s", "é"]
    np.testing.assert_array_equal(table["column"], column)
    assert table["long"].dtype == np.float64
    assert table.attrs["left_out"] == {
        "complex": "holds a complex number for each event",
        "edges": "has 11 rows, where there are 50 events",
        "empty": "is empty",
        "gone": "is a link to what is not there",
        "matrix": "holds 3 values for each event",
        "opaque": "holds raw bytes for each event",
        "reference": "holds a reference for each event",
        "scalar": "is one value for all events",
    }


def test_records_in_records_and_only_some_of_their_fields_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_values, "_BLOCK", 1000)
    rows = np.zeros(N, [("p4", [("pt", "f4"), ("eta", "f4")]), ("w", "f8"), ("cov", "f4", (3,)), ("long", "S200")])
    rows["p4"]["pt"], rows["w"] = np.arange(N), -np.arange(N)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("events", data=rows, chunks=(7,))
    table = File(tmp_path / "f.h5").read()
    assert list(table.columns) == ["p4.pt", "p4.eta", "w", "long"]
    few = File(tmp_path / "f.h5").read_columns(lambda name: name in ("p4.pt", "w"))
    for read in (table, few):
        np.testing.assert_array_equal(read["p4.pt"], np.arange(N))
        np.testing.assert_array_equal(read["w"], -np.arange(N))
    listed = hdf5.list_columns(tmp_path / "f.h5", None)
    assert [column.name for column in listed if not column.is_scalar] == ["cov"]


def test_names_of_a_matrix_are_given_or_stand_beside_it(tmp_path):
    values = np.random.default_rng(0).normal(size=(N, 3))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["X"], file["y"] = values, np.arange(N)
        file["alone/X"] = values
        file["alone/X"].attrs["columns"] = ["a", "b", "c"]
    table = File(tmp_path / "f.h5", columns=("p", "q", "r")).read()
    assert list(table.columns) == ["p", "q", "r", "y"]
    np.testing.assert_array_equal(table[["p", "q", "r"]], values)
    np.testing.assert_array_equal(File(f"{tmp_path / 'f.h5'}:alone").read()[["a", "b", "c"]], values)


def test_what_cannot_be_chosen_is_asked_for(tmp_path):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["train/x"], file["test/x"] = np.arange(3.0), np.arange(4.0)
    with pytest.raises(EventsError, match=r'holds "test", "train". Name one, ".*f.h5:test", or one for each class'):
        File(path).read()
    assert len(File(f"{path}:test").read()) == 4
    with h5py.File(path, "w") as file:
        file["init"], file["x"] = np.arange(3.0), np.arange(4.0)
    with pytest.raises(EventsError, match=r'must be equally long, but are: init 3, x 4\. Write .* tree="GROUP"'):
        File(path).read()
    h5py.File(path, "w").close()
    with pytest.raises(EventsError, match=r"must hold events, but holds no data set"):
        File(path).read()


def test_a_category_of_a_frame_is_its_texts(tmp_path):
    """Written as pandas 3.1 with PyTables 3.11 does: codes in the table, their texts in a table of their own."""
    rows = np.zeros(4, [("index", "i8"), ("kind", "i1")])
    rows["kind"] = [1, 0, -1, 1]
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["df/table"] = rows
        file["df"].attrs["pandas_type"] = np.bytes_(b"frame_table")
        attrs = file["df/table"].attrs
        attrs["kind_kind"] = np.bytes_(b"(lp0\nVkind\np1\na.")
        attrs["kind_dtype"], attrs["kind_meta"] = np.bytes_(b"int8"), np.bytes_(b"category")
        texts = np.zeros(2, [("index", "i8"), ("values", "S3")])
        texts["values"] = [b"bkg", b"sig"]
        file["df/meta/kind/meta/table"] = texts
    values = File(tmp_path / "f.h5").read()["kind"]
    assert [None if pd.isna(value) else value for value in values] == ["sig", "bkg", None, "sig"]


@pytest.mark.parametrize("compression", [hdf5plugin.Blosc(), hdf5plugin.Zstd(), hdf5plugin.LZ4()])
def test_compressed_blocks_are_read_with_the_plugin(tmp_path, compression):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("jets", data=make_jets(), chunks=(N,), **compression)
    np.testing.assert_array_equal(File(tmp_path / "f.h5").read()["id"], make_jets()["id"])


def test_compressed_blocks_name_the_plugin_where_it_is_missing(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("jets", data=make_jets(), chunks=(N,), **hdf5plugin.Blosc())
    program = (
        "import sys; sys.modules['hdf5plugin'] = None\n"
        "from tuner.events import File\n"
        f"try: File({str(tmp_path / 'f.h5')!r}).read()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.startswith('EventsError "/jets" of ')
    assert "is compressed by Blosc (filter 32001)" in told
    assert "pip install hdf5plugin" in told


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_told_in_a_sentence(tmp_path, share):
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        file["jets"] = make_jets(500)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(EventsError, match=r"If it is damaged, copy or make it again"):
        File(path).read()


@pytest.mark.parametrize(
    ("name", "columns", "left_out"),
    [
        ("bigendian.h5", ["a", "b", "label"], {}),
        ("pdtable.h5", ["a", "b", "label"], {}),
        ("subarray.h5", ["a", "label"], {"cov": "holds 3 values for each event"}),
    ],
)
def test_what_other_programs_wrote_is_drafted_and_read(case_folder, name, columns, left_out):
    path = case_folder.with_name("hdf5") / name
    table = File(path).read()
    assert (list(table.columns), table.attrs["left_out"]) == (columns, left_out)
    draft = draft_study(str(path))
    assert 'label="label"' in draft.text
    assert all(any(f'"{column}": left out by the reader' in line for line in draft.reasons) for column in left_out)
