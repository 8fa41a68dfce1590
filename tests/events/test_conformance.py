"""Every format that its own library wrote is read back: names, values, what is undefined, classes, and nothing else."""

import re
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest
import uproot
from astropy.io import fits
from astropy.table import Table

from tuner.errors import EventsError, TunerError
from tuner.events import File, read_events
from tuner.events.file_formats import _FORMATS, find_format

N = 60


def make_table(n=N):
    rng = np.random.default_rng(1)
    a = rng.normal(size=n)
    a[::7] = np.nan
    columns = {
        "a": a,
        "b": rng.normal(size=n).astype(np.float32),
        "id": np.arange(n) + 2**53 + 1,
        "n_jets": rng.integers(0, 9, n).astype(np.int32),
        "class": np.array(["gamma", "hadron"])[np.arange(n) % 2],
    }
    return pd.DataFrame(columns)


def list_columns(table):
    """Return the columns as NumPy has them, text as fixed-width unicode."""
    return {n: table[n].to_numpy() if n != "class" else np.array(table[n].tolist(), "U6") for n in table.columns}


def write_arrow(path, table, how):
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    with pa.OSFile(str(path), "wb") as sink, how(sink, arrow.schema) as writer:
        for batch in arrow.to_batches(max_chunksize=17):
            writer.write_batch(batch)


def write_records(table, *, order="="):
    columns = list_columns(table)
    kinds = [(name, values.dtype.newbyteorder(order)) for name, values in columns.items()]
    rows = np.zeros(len(table), kinds)
    for name, values in columns.items():
        rows[name] = values
    return rows


def write_hdf5(path, table, order):
    columns = list_columns(table)
    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[f"events/{name}"] = (
                values.astype("S") if values.dtype.kind == "U" else values.astype(values.dtype.newbyteorder(order))
            )


def write_root(path, table):
    with uproot.recreate(path) as file:
        columns = list_columns(table)
        kinds = {n: v.dtype if n != "class" else "string" for n, v in columns.items()}
        file.mktree("events", kinds)
        file["events"].extend({n: v if n != "class" else ak.Array(v.tolist()) for n, v in columns.items()})


def write_fits(path, table):
    columns = list_columns(table)
    unit = fits.BinTableHDU(
        Table({n: v.astype("S") if v.dtype.kind == "U" else v for n, v in columns.items()}), name="EVENTS"
    )
    fits.HDUList([fits.PrimaryHDU(np.zeros((3, 3))), unit]).writeto(path, overwrite=True)


def write_arff(path, table):
    kinds = {"a": "NUMERIC", "b": "real", "id": "INTEGER", "n_jets": "integer", "class": "{gamma,'hadron'}"}
    head = "% by hand, as no library at hand writes it\n@RELATION events\n" + "".join(
        f"@ATTRIBUTE {name} {kind}\n" for name, kind in kinds.items()
    )
    path.write_text(head + "@DATA\n" + table.to_csv(index=False, header=False, na_rep="?", lineterminator="\n"))


WRITERS = {
    "comma.csv": lambda path, table: table.to_csv(path, index=False),
    "german.csv": lambda path, table: table.to_csv(path, index=False, sep=";", decimal=","),
    "tab.tsv": lambda path, table: table.to_csv(path, index=False, sep="\t", na_rep="nan"),
    "blanks.txt": lambda path, table: table.to_csv(path, index=False, sep=" ", na_rep="nan"),
    "utf16.csv": lambda path, table: table.to_csv(path, index=False, encoding="utf-16"),
    "zipped.csv.xz": lambda path, table: table.to_csv(path, index=False),
    "x.parquet": lambda path, table: table.to_parquet(path, row_group_size=17),
    "events.feather": lambda path, table: pyarrow.feather.write_feather(table, path),
    "file.arrow": lambda path, table: write_arrow(path, table, pa.ipc.new_file),
    "stream.arrow": lambda path, table: write_arrow(path, table, pa.ipc.new_stream),
    "group.h5": lambda path, table: write_hdf5(path, table, "="),
    "big.h5": lambda path, table: write_hdf5(path, table, ">"),
    "tree.root": write_root,
    "rows.npy": lambda path, table: np.save(path, write_records(table)),
    "big.npy": lambda path, table: np.save(path, write_records(table, order=">")),
    "arrays.npz": lambda path, table: np.savez(path, **list_columns(table)),
    "zipped.npz": lambda path, table: np.savez_compressed(path, **list_columns(table)),
    "table.fits": write_fits,
    "zipped.fits.gz": write_fits,
    "table.ecsv": lambda path, table: Table.from_pandas(table).write(path, format="ascii.ecsv"),
    "table.arff": write_arff,
    "lines.jsonl": lambda path, table: table.to_json(path, orient="records", lines=True, double_precision=15),
    "lines.jsonl.gz": lambda path, table: table.to_json(path, orient="records", lines=True, double_precision=15),
}

CANNOT_BE_EMPTY = ("tree.root", "lines.jsonl", "lines.jsonl.gz")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    table = make_table()
    for name, write in WRITERS.items():
        write(folder / name, table)
    return folder


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_back_names_values_and_classes(written, name):
    table, expected = File(written / name).read(), make_table()
    order = sorted if name.endswith(".h5") else list  # a group's data sets are in the order of their names
    assert list(table.columns) == order(expected.columns)
    np.testing.assert_allclose(table["a"], expected["a"], rtol=1e-12)
    np.testing.assert_allclose(table["b"], expected["b"], rtol=1e-6)
    np.testing.assert_array_equal(table["n_jets"], expected["n_jets"])
    assert table["class"].astype(str).tolist() == expected["class"].tolist()
    if not name.endswith(
        ".arff"
    ):  # its numbers are what its writer makes of them, but these are texts of whole numbers
        np.testing.assert_array_equal(table["id"], expected["id"])
    assert all(table[n].dtype.isnative for n in ("a", "b", "n_jets"))


def test_every_format_gives_the_same_events(written, make_problem):
    frame = {
        "label": "class",
        "signal": "gamma",
        "weight": None,
        "observers": (),
        "ignored": ("id",),
        "undefined": None,
    }
    digests = {name: read_events(make_problem(events=written / name, **frame)).digest for name in WRITERS}
    rounded = {name for name in digests if "csv" in name or name.split(".")[1] in ("tsv", "txt", "arff", "jsonl")}
    assert len({digest for name, digest in digests.items() if name not in rounded}) == 1


@pytest.mark.parametrize("name", WRITERS)
def test_only_wanted_columns_are_read(written, name):
    table = File(written / name).read_columns(lambda column: column in ("class", "b"))
    assert list(table.columns) == ["b", "class"]
    assert len(table) == N


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in CANNOT_BE_EMPTY])
def test_a_file_without_events_is_told(tmp_path, make_problem, name):
    WRITERS[name](tmp_path / name, make_table().iloc[:0])
    assert len(File(tmp_path / name).read()) == 0
    with pytest.raises(EventsError, match="must hold events, but has none"):
        read_events(make_problem(events=tmp_path / name, label="class", signal="gamma"))


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_told_in_a_sentence_with_its_name(tmp_path, written, make_problem, name, share):
    content = (written / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(content[: int(len(content) * share)])
    frame = {"label": "class", "signal": "gamma", "weight": None, "observers": ("id",), "undefined": None}
    try:
        n_events = len(read_events(make_problem(events=path, **frame, ignored=())).labels)
    except TunerError as error:
        assert re.search(re.escape(name), str(error))
        assert len(str(error)) < 1000
    else:  # a text that ends behind a number, and a stream behind a batch, are whole
        assert n_events < N
        assert "csv" in name or name.split(".")[1] in ("tsv", "txt", "jsonl", "arrow", "arff")


def test_every_format_is_tried_here():
    assert {find_format(Path(name)) for name in WRITERS} == set(_FORMATS.values())
