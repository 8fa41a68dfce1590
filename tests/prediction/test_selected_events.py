"""From a file of lists to scores: a study that selects events and makes its features by expressions."""

import json

import awkward as ak
import numpy as np
import pandas as pd
import pytest
import uproot
from samples import make_study

import tuner
from tuner.errors import SearchError
from tuner.evaluation.study_record import record_study
from tuner.problem import Problem
from tuner.reporting.sections.data import write_data
from tuner.trackers import NoTracker
from tuner.tuning.prepared_run import open_kept_events

N = 900


@pytest.fixture(scope="module")
def nanoaod(tmp_path_factory):
    """A file as NanoAOD is: a counter and lists for each collection, a flag, a signed weight."""
    rng = np.random.default_rng(0)
    is_signal = rng.random(N) < 0.5
    n_jets = rng.poisson(2 + is_signal)
    jets = ak.zip(
        {
            "pt": ak.unflatten(rng.exponential(30 + 20 * np.repeat(is_signal, n_jets)).astype(np.float32), n_jets),
            "eta": ak.unflatten(rng.normal(0, 2, n_jets.sum()).astype(np.float32), n_jets),
        }
    )
    data = {
        "event": np.arange(N, dtype=np.uint64),
        "MET_pt": rng.exponential(30 + 10 * is_signal).astype(np.float32),
        "HLT_IsoMu24": rng.random(N) < 0.8,
        "genWeight": rng.choice([-1.0, 1.0, 1.0, 1.0], N).astype(np.float32),
        "is_signal": is_signal.astype(np.int32),
    }
    path = tmp_path_factory.mktemp("nanoaod") / "nano.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {name: v.dtype for name, v in data.items()} | {"Jet": jets.type})
        file["Events"].extend(data | {"Jet": jets})
    return path


@pytest.fixture(scope="module")
def study(nanoaod):
    problem = Problem(
        question="Is there a Higgs boson?",
        events=nanoaod,
        label="is_signal",
        signal=1,
        weight="genWeight * 0.5",
        event_id="event",
        features=("MET*", "lead_pt", "nJet", "ht"),
        selection="HLT_IsoMu24 & any(Jet_pt > 20)",
        columns={"lead_pt": "index(Jet_pt, 0)", "ht": "sum(Jet_pt[abs(Jet_eta) < 2.5])"},
    )
    return make_study(name="nano", trials=2, epochs=2, problem=problem)


@pytest.fixture(scope="module")
def search(study, tmp_path_factory):
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker())


def test_events_that_are_not_selected_have_a_row_without_a_score(search, nanoaod, tmp_path):
    scores = tuner.predict(search, nanoaod)
    events = search.open_events().events
    assert len(scores) == N
    np.testing.assert_array_equal(np.flatnonzero(scores.selected), events.rows)
    np.testing.assert_array_equal(np.isnan(np.asarray(scores)), ~scores.selected)
    np.testing.assert_allclose(scores[events.rows], np.asarray(tuner.predict(search, events)), atol=1e-6)
    table = pd.read_parquet(scores.save(tmp_path / "scores.parquet"))
    np.testing.assert_array_equal(table["selected"], scores.selected)
    assert table["score"].isna().sum() == N - len(events.rows)
    assert f"{N:,} events ({len(events.rows):,} selected) by" in repr(scores)
    assert f"{len(events.rows):,} scores" in scores._repr_html_()


def test_events_of_which_none_is_selected_have_no_scores(search):
    lists = {"Jet_pt": [[30.0, 20.0], [25.0]], "Jet_eta": [[0.1, 3.0], [1.0]]}
    new = pd.DataFrame({"MET_pt": [10.0, 20.0], "nJet": [2, 1], "HLT_IsoMu24": False} | lists)
    scores = tuner.predict(search, new)
    assert np.isnan(np.asarray(scores)).all()
    assert "2 events (0 selected)" in repr(scores)
    assert len(scores.frame()) == 2
    assert np.isfinite(np.asarray(tuner.predict(search, new.assign(HLT_IsoMu24=1)))).all()


def test_the_export_tells_how_its_features_are_made(search, study, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    path = tuner.export(search, tmp_path / "network.onnx")
    metadata = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert json.loads(metadata["columns"]) == dict(study.problem.columns)
    assert metadata["selection"] == study.problem.selection
    assert metadata["features"] == "MET_pt,lead_pt,nJet,ht"


def test_the_report_page_has_the_cut_flow_and_the_new_columns(search):
    tables = {block.caption: block for block in write_data(search).blocks if hasattr(block, "caption")}
    assert ("ht", "sum(Jet_pt[abs(Jet_eta) < 2.5])") in tables["New columns"].rows
    flow = tables["Selection: events that are left after each part, and their share of all"]
    assert [row[0] for row in flow.rows] == ["all events", "HLT_IsoMu24", "any(Jet_pt > 20)"]
    stages = search.open_events().events.cut_flow.stages
    assert flow.rows[2][1].startswith(f"{stages[2].signal:,}\n")


def test_trackers_get_the_cut_flow_with_the_study(search, study):
    record = record_study(search, None)
    assert record.tables["selection"]["cut"].tolist() == ["all events", "HLT_IsoMu24", "any(Jet_pt > 20)"]
    assert record.config["frame"]["selection"] == study.problem.selection
    assert record.config["frame"]["columns"] == dict(study.problem.columns)


def test_another_selection_is_another_search(study, search):
    changed = study.problem.__class__(**{**vars(study.problem), "selection": "HLT_IsoMu24"})
    told = r"selection: was 'HLT_IsoMu24 & any\(Jet_pt > 20\)', is 'HLT_IsoMu24'"
    with pytest.raises(SearchError, match=told):
        tuner.sweep(
            make_study(name="nano", trials=3, epochs=2, problem=changed),
            folder=search.folder.path.parent,
            tracker=NoTracker(),
        )
    with pytest.raises(tuner.errors.EventsError, match="has changed since"):
        open_kept_events(changed, search.folder, digest=search.splits.events_digest)
