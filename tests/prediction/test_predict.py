"""Scores of new events, and the exported network against the one that was trained."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from samples import make_study

import tuner
from tuner.errors import EventsError, FolderError, MissingPackage, SearchError
from tuner.events.reading import read_events
from tuner.prediction.networks import choose_predictor
from tuner.prediction.predict import score_part
from tuner.prediction.scores import Scores
from tuner.trackers import NoTracker


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return tuner.sweep(make_study(trials=2, epochs=2), folder=folder, tracker=NoTracker())


@pytest.fixture(scope="module")
def raw(search):
    """Events as a user's file has them: -999 where there is no jet."""
    return search.study.problem.events.read()


def test_new_events_get_the_scores_of_the_part_they_are(search, raw, tmp_path):
    rows = search.splits.test.rows
    raw.iloc[rows].to_csv(tmp_path / "new.csv", index=False)
    scores = tuner.predict(search, tmp_path / "new.csv")
    np.testing.assert_allclose(scores.values, score_part(search, "test"), atol=1e-5)
    np.testing.assert_array_equal(scores.labels, raw["label"].iloc[rows])
    np.testing.assert_allclose(scores.weights, search.splits.test.weights, rtol=1e-5)
    assert scores.by == choose_predictor(search).description
    assert scores.candidate == choose_predictor(search).name
    np.testing.assert_allclose(scores.observers["mass"], raw["mass"].iloc[rows], rtol=1e-6)


@pytest.mark.parametrize("give", [lambda t: t, lambda t: t.to_dict("series"), lambda t: t.to_records(index=False)])
def test_events_given_in_python_get_the_scores_of_their_file(search, raw, tmp_path, give):
    table = raw.drop(columns="weight")[:40].set_index(np.arange(40)[::-1])
    table.to_parquet(tmp_path / "new.parquet", index=False)
    of_file, found = tuner.predict(search, tmp_path / "new.parquet"), tuner.predict(search, give(table))
    np.testing.assert_array_equal(found, of_file)
    pd.testing.assert_frame_equal(found.frame(), of_file.frame(), check_dtype=False)
    assert (raw.iloc[:40, :3] == table.reset_index(drop=True).iloc[:, :3]).all(axis=None)


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (None, "must be a path, a DataFrame, .* but are None"),
        ([1.0, 2.0], r"but are \[1\.0, 2\.0\]"),
        (pd.DataFrame({"jet_pt": [1.0]}), "is not there"),
    ],
)
def test_what_cannot_be_scored_is_told(search, events, told):
    with pytest.raises(EventsError, match=told):
        tuner.predict(search, events)


def test_a_candidate_that_is_not_there_is_told_in_the_words_of_the_option(search):
    quick = tuner.EvaluationSettings(bag=None, finalists=1, seeds=1, baseline_trials=0, replicas=20)
    tuner.evaluate(search, quick, open_test=False)
    with pytest.raises(SearchError, match=r'but these are "single", "refit"\. Choose one of them'):
        tuner.predict(search, "new.csv", candidate="bag")
    assert choose_predictor(search, name="single").name == "single network"


def test_events_without_label_and_weight_are_scored(search, raw, tmp_path):
    raw.drop(columns=["label", "weight", "mass", "log_likelihood_ratio"])[:50].to_parquet(tmp_path / "new.parquet")
    scores = tuner.predict(search, str(tmp_path / "new.parquet"))
    assert len(scores) == 50
    assert scores.labels is None
    assert list(scores.frame().columns) == ["score", "decision", "candidate"]
    known = tuner.predict(search, read_events(search.study.problem))
    np.testing.assert_allclose(scores.values, known.frame()["score"][:50], atol=1e-5)


@pytest.mark.parametrize(
    "labels",
    [["signal"] * 6, ["tt", "W", "Z"] * 2, [-1] * 6, [0, 1, 2] * 2, [None] * 6, ["?", "background", None] * 2],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_labels_of_new_events_may_be_any_and_are_kept_as_they_came(search, raw, tmp_path, labels, ending):
    new = raw[:6].assign(label=labels, weight="unknown")
    path = tmp_path / f"new.{ending}"
    new.to_parquet(path) if ending == "parquet" else new.to_csv(path, index=False)
    scores = tuner.predict(search, path)
    np.testing.assert_allclose(
        scores.frame()["score"],
        tuner.predict(search, read_events(search.study.problem)).frame()["score"][:6],
        atol=1e-5,
    )
    written = pd.read_parquet(scores.save(tmp_path / "scores.parquet"))
    assert list(written.columns) == ["score", "decision", "label", "mass", "log_likelihood_ratio", "candidate"]
    read = pd.read_parquet(path) if ending == "parquet" else pd.read_csv(path)
    pd.testing.assert_series_equal(written["label"], read["label"], check_dtype=False)


def test_events_unlike_those_of_training_are_scored_and_counted(search, raw, tmp_path, caplog):
    new = raw.iloc[search.splits.test.rows].reset_index(drop=True)
    assert tuner.predict(search, read_events(search.study.problem)).findings == ()
    first = search.splits.preprocessing.features[0]
    new.loc[0, list(search.splits.preprocessing.features)] = np.nan
    new.loc[1, first] = 1e9
    new.to_parquet(tmp_path / "new.parquet")
    scores = tuner.predict(search, tmp_path / "new.parquet")
    assert len(scores) == len(new)
    assert [finding.code for finding in scores.findings] == ["empty-events", "far-outside"]
    assert [finding.figures for finding in scores.findings] == [{"events": 1}, {first: 1}]
    assert caplog.messages == [str(finding) for finding in scores.findings]
    assert "1 event of" in scores._repr_html_()


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv"])
def test_scores_are_saved(search, tmp_path, name):
    scores = tuner.predict(search, read_events(search.study.problem))
    path = scores.save(tmp_path / "deep" / name)
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    np.testing.assert_allclose(table["score"], scores.values)
    assert set(table["label"]) == {0, 1}


def test_a_missing_feature_is_named(search, raw, tmp_path):
    raw.rename(columns={"jet_pt": "jet_pT"}).to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(EventsError, match=r'Column "jet_pt" \(feature\) is not there\. Did you mean "jet_pT"'):
        tuner.predict(search, tmp_path / "new.csv")


def test_a_trial_without_parameters_is_told(search):
    with pytest.raises(SearchError, match="must hold a trial 77"):
        tuner.predict(search, read_events(search.study.problem), trial=77)


def test_the_exported_network_takes_events_as_they_were_read(search, raw, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason='needs the extra "onnx"')
    path = tuner.export(search, tmp_path / "network.onnx")
    session = onnxruntime.InferenceSession(str(path))
    metadata = session.get_modelmeta().custom_metadata_map
    features = metadata["features"].split(",")
    assert metadata["study"] == "small"
    assert metadata["trial"] == str(search.best_trial.number)
    x = raw[features].to_numpy(np.float32)
    assert (x == -999).any()
    expected = tuner.predict(search, read_events(search.study.problem)).values  # noqa: PD011 - ours, not pandas
    for n in (1, 7, len(x)):
        (scores,) = session.run(["score"], {"features": x[:n]})
        np.testing.assert_allclose(scores, expected[:n], atol=2e-5)
    undefined = np.where(x == -999, np.nan, x).astype(np.float32)
    np.testing.assert_array_equal(session.run(["score"], {"features": undefined})[0], scores)


def test_a_missing_package_is_named_with_its_extra(search, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingPackage, match=r'"onnxscript".*pip install "signal-tuner\[onnx\]"'):
        tuner.export(search, tmp_path / "network.onnx")
    assert not (tmp_path / "network.onnx").exists()


@pytest.mark.parametrize("name", ["scores.csv", "scores.csv.gz", "scores.parquet"])
def test_scores_that_cannot_be_written_are_told(name):
    scores = Scores(np.array([0.5]))
    with pytest.raises(FolderError, match="must be writable, but is not"):
        scores.save(Path("/proc") / name)
