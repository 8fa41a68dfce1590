"""A file for each class is one source: labels, what is only in one of them, lists, and other places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tuner.errors import EventsError, StudyError
from tuner.events import ClassFiles, File, read_events, read_features
from tuner.problem import Problem


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    for kind, n in (("sig", 5), ("bkg_1", 6), ("bkg_2", 7)):
        table = pd.DataFrame({"x": np.arange(n) + 0.5, "jets": [[1.0 * i] * (1 + i % 3) for i in range(n)]})
        table.assign(**({"w": 2.0} if kind == "sig" else {"cut": 1.0})).to_parquet(folder / f"{kind}.parquet")
    return folder


def make(folder: Path, **changes: object) -> ClassFiles:
    classes = {"signal": folder / "sig.parquet", "background": File(folder / "bkg_*.parquet")}
    return ClassFiles(classes, **changes)  # type: ignore[arg-type]


def test_a_file_or_a_source_for_each_class(folder: Path) -> None:
    table = make(folder, fill={"w": 0.5}, label="kind").read()
    assert table["kind"].value_counts().to_dict() == {"background": 13, "signal": 5}
    assert table["w"].tolist() == [2.0] * 5 + [0.5] * 13
    assert table["x"].tolist() == [n + 0.5 for size in (5, 6, 7) for n in range(size)]
    assert table.attrs["left_out"]["cut"] == (
        'is only in the events of "background": fill={"cut": VALUE} gives it a value elsewhere'
    )
    assert [n for _, n in table.attrs["parts"]] == [5, 6, 7]
    assert [path.name for path in make(folder).find_files()] == ["sig.parquet", "bkg_1.parquet", "bkg_2.parquet"]


def test_columns_of_lists_and_new_places(folder: Path, tmp_path: Path) -> None:
    problem = Problem(
        question="Which?",
        events=make(folder, label="kind"),
        label="kind",
        signal="signal",
        columns={"n_jets": "len(jets)", "lead": "index(jets, 0)"},
    )
    events = read_events(problem)
    assert events.features == ("x", "n_jets", "lead")
    assert events.table["n_jets"].tolist() == [1 + i % 3 for size in (5, 6, 7) for i in range(size)]
    assert events.labels.tolist() == [1] * 5 + [0] * 13
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    moved = make(folder, label="kind").at(tmp_path)
    assert isinstance(moved, ClassFiles)
    assert moved.read().equals(make(folder, label="kind").read())
    new = read_features(problem, folder / "bkg_1.parquet")
    assert (len(new.table), new.labels) == (6, None)


def test_what_cannot_be_meant_is_told(folder: Path) -> None:
    with pytest.raises(EventsError, match=r'a column "x" in the events of "signal".*label="class"'):
        make(folder, label="x").read()
    with pytest.raises(StudyError, match="must be a path or a source of events, but is int"):
        ClassFiles({"signal": 3})  # type: ignore[dict-item]
    with pytest.raises(StudyError, match="must be written ClassFiles"):
        ClassFiles({})
