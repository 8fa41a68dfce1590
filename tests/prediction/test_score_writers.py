"""Tables that come part by part: the types of later parts, and names that a format has no room for."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
import uproot

from tuner.errors import FolderError
from tuner.prediction.score_writers import open_writer


def write(path, *tables):
    with open_writer(path) as writer:
        for table in tables:
            writer.write(table)
    return path


def read(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return pd.DataFrame({name: values[()] for name, values in file["scores"].items()})
    with uproot.open(f"{path}:scores") as tree:
        return pd.DataFrame({branch.name: branch.array(library="np") for branch in tree.branches})


@pytest.mark.parametrize("ending", ["parquet", "h5", "root"])
@pytest.mark.parametrize("later", [[3.0, np.nan], [2.5, 4.0], [2**40, 7]])
def test_a_later_part_may_need_a_wider_type(tmp_path, ending, later):
    first = pd.DataFrame({"run": np.array([1, 2], np.int32), "text": ["a", "b"]})
    second = pd.DataFrame({"run": later, "text": ["c", "d"]})
    path = write(tmp_path / f"scores.{ending}", first, second, first)
    table = read(path)
    np.testing.assert_array_equal(table["run"], np.array([1, 2, *later, 1, 2]))
    assert [each.decode() if isinstance(each, bytes) else each for each in table["text"]] == [*"abcdab"]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_large_ids_stay_exact_where_one_is_missing_later(tmp_path):
    large = pd.DataFrame({"event": [2**60 + 1, 2**60 + 3]})
    missing = pd.DataFrame({"event": [5.0, np.nan]})
    table = pd.read_parquet(write(tmp_path / "scores.parquet", large, missing), dtype_backend="numpy_nullable")
    assert table["event"].tolist()[:3] == [2**60 + 1, 2**60 + 3, 5]
    with pytest.raises(FolderError, match=r"Keep fewer columns, or write them as CSV"):
        write(tmp_path / "scores.h5", large, missing)


def test_a_column_without_a_value_takes_the_type_of_a_later_part(tmp_path):
    parts = [pd.DataFrame({"note": [None, None]}), pd.DataFrame({"note": [1.5, 2.5]})]
    assert pd.read_parquet(write(tmp_path / "scores.parquet", *parts))["note"].tolist()[2:] == [1.5, 2.5]


def test_columns_that_would_be_one_branch_are_numbered(tmp_path, caplog):
    table = pd.DataFrame({"jet.pt": [1.0], "jet_pt": [2.0], "jet-pt": [3.0], "mu.pt": [4.0]})
    found = read(write(tmp_path / "scores.root", table))
    assert found.iloc[0].to_dict() == {"jet_pt_2": 1.0, "jet_pt": 2.0, "jet_pt_3": 3.0, "mu_pt": 4.0}
    assert 'Column "jet.pt" is "jet_pt_2" in the file' in caplog.text
    other = read(write(tmp_path / "scores.h5", pd.DataFrame({"jet/pt": [1.0], "jet_pt": [2.0]})))
    assert other.iloc[0].to_dict() == {"jet_pt_2": 1.0, "jet_pt": 2.0}
