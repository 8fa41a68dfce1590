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
from tuner.events import File, read_events
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
    assert "# 1, where the other is 0 or -1." in draft.text
    table[["label"]].to_csv(tmp_path / "none.csv", index=False)
    assert "# Features: none, as each column has another role." in draft_study(str(tmp_path / "none.csv")).text


def test_options_win(events: Path) -> None:
    draft = draft_study(str(events), signal="0", name="mine")
    assert draft.name == "mine"
    assert "        # As you said.\n        signal=0,\n" in draft.text


def check_format(path: Path) -> None:
    ruff = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    assert ruff is not None
    subprocess.run([ruff, "format", "--isolated", "--line-length", "120", "--check", str(path)], check=True)
    subprocess.run([ruff, "check", "--isolated", "--line-length", "120", "--select", "E,F,W", str(path)], check=True)


def test_draft_is_formatted(events: Path, tmp_path: Path) -> None:
    check_format(write_draft(draft_study(str(events)), tmp_path / "drafted.py"))


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
        ("pq/year=*/*.parquet", "pq"),
        ("*.parquet", "analysis_7"),
        (".", "analysis_7"),
        ("2026.h5", "study_2026"),
    ],
)
def test_names(path: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuner.drafts.source import _make_name

    (tmp_path / "Analysis 7").mkdir()
    monkeypatch.chdir(tmp_path / "Analysis 7")
    assert _make_name(path) == name


def test_real_events(tmp_path: Path) -> None:
    data = Path(os.environ.get("TUNER_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not (data / "higgsml_22800.csv.gz").exists():
        pytest.skip(f"no real events in {data}")
    problem = load_study(write_draft(draft_study(str(data / "higgsml_22800.csv.gz")), tmp_path / "h.py")).problem
    assert (problem.label, problem.signal, problem.weight) == ("Label", "s", "Weight")
    assert (problem.event_id, problem.undefined, problem.observers) == ("EventId", -999.0, ())
    assert problem.ignored == ("KaggleWeight", "KaggleSet")


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signal and background apart: Parquet and CSV, and as trees of one ROOT file; weights for background alone."""
    uproot = pytest.importorskip("uproot")
    folder, rng = tmp_path_factory.mktemp("classes"), np.random.default_rng(11)
    tables = {
        kind: pd.DataFrame({"pt": rng.exponential(scale, 300), "eta": rng.normal(size=300), "sample": number})
        for number, (kind, scale) in enumerate({"signal": 60.0, "background": 40.0}.items())
    }
    tables["background"]["mc_weight"] = rng.uniform(0.5, 1.5, 300)
    tables["signal"].to_parquet(folder / "ttH.parquet")
    tables["background"].to_csv(folder / "tt.csv", index=False)
    with uproot.recreate(folder / "both.root") as file:
        for kind, table in tables.items():
            file[f"{kind}_tree"] = file[f"{kind}_other"] = {str(n): table[n].to_numpy() for n in table}
    with uproot.recreate(folder / "named.root") as file:
        for kind, table in tables.items():
            file[f"Tree{kind[0].upper()}"] = {str(n): table[n].to_numpy() for n in table}
    return folder


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"events": ("ttH.parquet", "tt.csv")}, "tth_vs_tt"),
        ({"events": (), "signal": "ttH.parquet", "background": "tt.csv"}, "tth_vs_tt"),
        ({"events": "both.root", "signal_tree": "signal_tree", "background_tree": "background_tree"}, "both"),
        ({"events": "named.root"}, "named"),
    ],
)
def test_classes_of_a_file_or_a_tree_each_make_the_label_and_the_missing_weights(
    classes: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, object], name: str
) -> None:
    monkeypatch.chdir(classes)
    draft = draft_study(**given)  # type: ignore[arg-type]
    assert draft.name == name
    problem = load_study(write_draft(draft, tmp_path / "study.py")).problem
    events = read_events(problem)
    assert (len(events.labels), events.labels.sum(), events.labels[:300].all()) == (600, 300, True)
    assert (problem.weight, problem.ignored) == ("mc_weight", ("sample",))
    assert (events.weights[:300] == 1).all()
    assert np.ptp(events.weights[300:]) > 0.5
    assert {*events.features} == {"pt", "eta"}
    assert '# "sample": the label in other words.' in draft.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"events": ("a.csv", "b.csv", "c.csv")}, r'3 came.*in quotes.*tuner new "\*\.csv"'),
        ({"events": ()}, "The events must be named"),
        ({"events": (), "background": "b.csv"}, "The events must be named"),
        ({"events": "both.root", "signal_tree": "signal_tree"}, "must be two of one file"),
        ({"events": "tt.csv", "signal": "a.csv", "background": "b.csv"}, "named once"),
        ({"events": ("ttH.parquet", "tt.csv"), "label": "pt"}, "neither --label"),
        ({"events": ("labelled.csv", "labelled.csv")}, 'both have a column "label" with two values'),
    ],
)
def test_what_is_not_clear_is_asked(
    classes: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object], message: str
) -> None:
    monkeypatch.chdir(classes)
    pd.DataFrame({"x": np.arange(40) / 3, "label": np.arange(40) % 2}).to_csv("labelled.csv", index=False)
    with pytest.raises(StudyError, match=message):
        draft_study(**given)  # type: ignore[arg-type]


def test_an_index_by_its_values_is_ignored_and_a_sorted_quantity_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"row": np.arange(400) * 3, "hash": rng.permutation(5000)[:400], "x": rng.normal(size=400)})
    table = table.assign(energy=np.sort(rng.exponential(size=400)), label=rng.integers(0, 2, 400))
    table.to_csv(tmp_path / "a.csv", index=False)
    draft = draft_study(str(tmp_path / "a.csv"))
    assert load_study(write_draft(draft, tmp_path / "a.py")).problem.ignored == ("row", "hash")
    assert '"row": counts the events' in draft.text


def test_a_file_of_several_processes_is_drafted_with_a_label_made_of_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    number = rng.choice(4, 800, p=[0.5, 0.3, 0.1, 0.1])
    process = np.array(["tt", "W+jets", "ttH", "data"], object)[number]
    table = pd.DataFrame({"pt": rng.normal(size=800), "eta": rng.normal(size=800), "process": process})
    table = table.assign(process_id=number, jet_pt=[[1.0] * n for n in rng.poisson(2, 800)])
    table.to_parquet(tmp_path / "mc.parquet")
    path = write_draft(draft_study(str(tmp_path / "mc.parquet"), signal="ttH"), tmp_path / "drafted.py")
    check_format(path)
    events = read_events(load_study(path).problem)
    np.testing.assert_array_equal(events.labels, (process == "ttH")[process != "data"])
    assert events.features == ("pt", "eta")  # and not the number of the process
    assert '    # "n_jet": "len(jet_pt)",\n' in path.read_text()


def test_how_many_there_are_is_no_feature_where_all_events_have_as_many(tmp_path: Path) -> None:
    uproot, ak = pytest.importorskip("uproot"), pytest.importorskip("awkward")
    rng, counts = np.random.default_rng(2), np.arange(300) % 4
    momenta = ak.unflatten(rng.exponential(30, counts.sum()), counts)
    with uproot.recreate(tmp_path / "aod.root") as file:
        file["CollectionTree"] = {
            "label": np.arange(300) % 2,
            "MET.sum": rng.normal(size=300),
            "MET.mpx": ak.unflatten(rng.normal(size=300), np.ones(300, int)),
            "Jets.pt": momenta,
        }
    text = draft_study(str(tmp_path / "aod.root")).text
    assert '"n_Jets": "len(Jets.pt)"' in text
    assert '"first_MET_mpx": "index(MET.mpx, 0)"' in text
    assert "n_MET" not in text
