"""A drafted study file is Python that a person can read, loads as a study, and never costs anybody a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tuner.drafts.draft import draft_study, write_draft
from tuner.errors import EventsError, FolderError, StudyError
from tuner.events import File
from tuner.tuning.study_file import load_study


@pytest.fixture
def events(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    table = pd.DataFrame({f"x{n}": rng.normal(size=400) for n in range(12)})
    table["x3"] = table["x3"].where(table["x3"] > -1, -999.0)
    table = table.assign(**{f"a long name of a text column {n}": "t" for n in range(6)}, label=np.arange(400) % 2)
    path = tmp_path / "Some-events 2026.v1.csv"
    table.to_csv(path, index=False)
    return path


def test_draft_loads_as_a_study(events: Path, tmp_path: Path) -> None:
    draft = draft_study(str(events))
    path = write_draft(draft, tmp_path / "new" / "study.py")
    study = load_study(path)
    assert study.name == draft.name == "some_events_2026"
    problem = study.problem
    assert (problem.label, problem.signal, problem.undefined, problem.weight) == ("label", 1, -999.0, None)
    assert len(problem.ignored) == 6
    assert problem.events == str(events)


def test_one_feature_and_none_are_said_so(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": np.arange(40) / 7, "label": np.arange(40) % 2})
    table.to_csv(tmp_path / "one.csv", index=False)
    draft = draft_study(str(tmp_path / "one.csv"))
    assert draft.reasons[0].endswith("2 columns, 1 feature.")
    assert "# Features: the 1 other column." in draft.text
    assert "# 1 of 0 and 1, or of -1 and 1." in draft.text
    table[["label"]].to_csv(tmp_path / "none.csv", index=False)
    assert "# Features: none, as each column has another role." in draft_study(str(tmp_path / "none.csv")).text


def test_options_win(events: Path) -> None:
    draft = draft_study(str(events), signal="0", name="mine")
    assert draft.name == "mine"
    assert "signal=0,  # As you said." in draft.text


def test_draft_is_formatted(events: Path, tmp_path: Path) -> None:
    path = write_draft(draft_study(str(events)), tmp_path / "drafted.py")
    ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert ruff is not None
    subprocess.run([ruff, "format", "--isolated", "--line-length", "120", "--check", str(path)], check=True)
    subprocess.run([ruff, "check", "--isolated", "--line-length", "120", "--select", "E,F,W", str(path)], check=True)


def test_file_without_a_header_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "plain.data"
    rows = [f"{rng.normal():.3f},{rng.normal():.3f},{'g' if n % 3 else 'h'}" for n in range(300)]
    path.write_text("\n".join(rows) + "\n")
    study = load_study(write_draft(draft_study(str(path)), tmp_path / "plain.py"))
    assert study.problem.events == File(str(path), columns=("column_1", "column_2", "column_3"))
    assert (study.problem.label, study.problem.signal) == ("column_3", "g")
    assert isinstance(study.problem.events, File)
    assert len(study.problem.events.read()) == 300


def test_no_file_is_written_over(events: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("precious")
    with pytest.raises(StudyError, match="exists and is never overwritten"):
        write_draft(draft_study(str(events)), path)
    assert path.read_text() == "precious"


def test_unwritable_place(events: Path, tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="must be writable"):
        write_draft(draft_study(str(events)), events / "below_a_file" / "study.py")


def test_missing_events(tmp_path: Path) -> None:
    with pytest.raises(EventsError, match="There is no file"):
        draft_study(str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("magic04.data", "magic04"),
        ("a/higgsml_22800.csv.gz", "higgsml_22800"),
        ("run-3/ttH Events.root:nominal/tree", "tth_events"),
        ("events/*.parquet", "events"),
        ("2026.h5", "study_2026"),
    ],
)
def test_names(path: str, name: str) -> None:
    from tuner.drafts.draft import _make_name

    assert _make_name(path) == name


def test_real_events(tmp_path: Path) -> None:
    data = Path(os.environ.get("TUNER_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (data / "higgsml_22800.csv.gz").exists():
        pytest.skip(f"no real events in {data}")
    problem = load_study(write_draft(draft_study(str(data / "higgsml_22800.csv.gz")), tmp_path / "h.py")).problem
    assert (problem.label, problem.signal, problem.weight) == ("Label", "s", "Weight")
    assert (problem.event_id, problem.undefined, problem.observers) == ("EventId", -999.0, ())
    assert problem.ignored == ("KaggleWeight", "KaggleSet")
