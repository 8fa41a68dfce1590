"""What happens where MLflow's server is dead, slow or comes back, and what MLflow makes of odd settings."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import pytest
from matplotlib.figure import Figure
from trackers.reading_back import make_database

from tuner.checked_files import read_lines, write_json
from tuner.run_folder import RunFolder
from tuner.trackers import MLflow, StudyRecord, mlflow_tracker
from tuner.trackers.not_recorded import describe_losses

pytest.importorskip("mlflow")

# MLflow 3.17 uses a way of loading that SQLAlchemy 2.1 gives up.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_database(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def folder(tmp_path, database) -> Path:
    """A run folder with MLflow's tables, which take seconds to make."""
    (tmp_path / "mlflow").mkdir()
    shutil.copy(database, tmp_path / "mlflow" / "mlflow.db")
    return tmp_path


def track(
    tracker: MLflow,
    folder: Path,
    trial: int,
    *,
    epochs: int = 3,
    config: dict | None = None,
    pictures: Mapping[str, Path] = MappingProxyType({}),
    **options,
) -> None:
    log = tracker.start_trial(study="s", trial=trial, config=config or {"lr": 1}, folder=folder, **options)
    for epoch in range(1, epochs + 1):
        log.log_epoch(epoch, {"auc": epoch / 10})
    log.finish("complete", summary={"auc": 0.5}, pictures=pictures)


def find_runs(folder: Path, study: str = "s") -> dict:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(study)
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_a_dead_server_is_one_warning_and_what_is_missing_is_listed(tmp_path, warned):
    tracker = MLflow(tracking_uri="http://user:hush5@127.0.0.1:9")
    for trial in range(3):
        track(tracker, tmp_path, trial)
    tracker.log_study(StudyRecord(study="s", folder=tmp_path, summary={"auc": 0.9}))
    tracker.close(60)
    assert len(warned.texts) == 1
    assert "MLflow cannot be reached" in warned.texts[0]
    [sentence] = describe_losses(tmp_path)
    assert sentence.startswith("MLflow could not record 3 trials and the study as a whole (")
    lines = read_lines(RunFolder(tmp_path).not_recorded).whole
    assert [line["what"] for line in lines] == [0, 1, 2, "study"]
    assert (lines[0]["config"], lines[0]["state"], lines[0]["summary"]) == ({"lr": 1}, "complete", {"auc": 0.5})
    assert "hush5" not in warned.texts[0] + RunFolder(tmp_path).not_recorded.read_text()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_hangs_delays_close_by_the_timeout(silent_server, tmp_path, warned, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = MLflow(tracking_uri=silent_server)
    for trial in range(2):
        track(tracker, tmp_path, trial)
    tracker.close(0.5)
    assert tracker._thread.is_alive  # so close did not wait for the server
    assert warned.texts == ["MLflow was not done within 0.5 s: the last trials may be incomplete."]
    assert describe_losses(tmp_path)[0].startswith("MLflow could not record 2 trials (not done within 0.5 s).")


@pytest.mark.parametrize("place", ["s3://bucket/path", "nosuch://path"])
def test_a_file_that_cannot_be_kept_costs_itself_only(folder, warned, place):
    from mlflow import MlflowClient

    assert find_spec("boto3") is None or place != "s3://bucket/path"
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
    client.create_experiment("s", artifact_location=place)
    picture = folder / "roc.png"
    Figure(figsize=(1, 1)).savefig(picture)
    tracker = MLflow()
    for trial in range(3):
        track(tracker, folder, trial, pictures={"roc": picture})
    tracker.close(60)
    runs = find_runs(folder)
    assert sorted(runs) == ["trial 0", "trial 1", "trial 2"]
    assert {(run.info.status, run.data.metrics["auc"]) for run in runs.values()} == {("FINISHED", 0.3)}
    assert len(warned.texts) == 1
    assert warned.texts[0].startswith("MLflow could not record trial 0 (")
    assert [sentence.split(" (")[0] for sentence in describe_losses(folder)] == ["MLflow could not record 3 trials"]


@pytest.mark.parametrize("pause", [0.0, 30.0])
def test_a_server_that_fails_with_files_only_has_all_else(mlflow_server, tmp_path, warned, monkeypatch, pause):
    """Files are to go below a file, which the server answers with 500."""
    from mlflow import MlflowClient

    monkeypatch.setattr(mlflow_tracker, "SECONDS_OF_PAUSE", pause)
    client, study = MlflowClient(tracking_uri=mlflow_server), f"broken store, {pause:g} s"
    other = client.create_run(client.create_experiment(f"other, {pause:g} s")).info
    client.log_text(other.run_id, "in the way", "file")
    client.create_experiment(study, artifact_location=f"{other.artifact_uri}/file")
    picture = tmp_path / "roc.png"
    Figure(figsize=(1, 1)).savefig(picture)
    tracker = MLflow(tracking_uri=mlflow_server)
    for trial in range(2):
        log = tracker.start_trial(study=study, trial=trial, config={}, folder=tmp_path)
        log.log_epoch(1, {"auc": 0.3})
        log.finish("complete", summary={}, pictures={"roc": picture})
    tracker.log_study(StudyRecord(study=study, folder=tmp_path, summary={"auc": 0.3}, pictures={"roc": picture}))
    tracker.close(120)
    runs = client.search_runs([client.get_experiment_by_name(study).experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted([study, "trial 0", "trial 1"])
    assert {(run.info.status, run.data.metrics["auc"]) for run in runs} == {("FINISHED", 0.3)}
    [said] = describe_losses(tmp_path)
    assert said.startswith("MLflow could not record 2 trials and the study as a whole (")
    assert "not done within" not in said


def test_a_database_that_cannot_be_opened_costs_no_other_run(folder, tmp_path_factory, warned):
    broken = tmp_path_factory.mktemp("broken")
    (broken / "mlflow").write_text("in the way")
    tracker = MLflow()
    for number, place in enumerate((broken, folder)):
        track(tracker, place, number)
    tracker.close(60)
    assert list(find_runs(folder)) == ["trial 1"]
    assert not describe_losses(folder)
    assert describe_losses(broken)[0].startswith("MLflow could not record 1 trial (")


def test_what_waits_for_a_server_arrives_once_it_is_back(folder, warned, monkeypatch):
    monkeypatch.setattr(mlflow_tracker, "SECONDS_OF_PAUSE", 0.0)
    place, aside = folder / "mlflow", folder / "aside"
    place.rename(aside)
    place.write_text("in the way")
    tracker = MLflow()
    for trial in range(3):
        track(tracker, folder, trial)
    while not warned.texts:
        time.sleep(0.01)
    place.unlink()
    aside.rename(place)
    track(tracker, folder, 3)
    tracker.close(60)
    runs = find_runs(folder)
    assert sorted(runs) == ["trial 0", "trial 1", "trial 2", "trial 3"]
    assert {(run.info.status, run.data.metrics["auc"]) for run in runs.values()} == {("FINISHED", 0.3)}
    assert len(warned.texts) == 1
    assert not describe_losses(folder)


def test_an_epoch_that_is_logged_again_is_kept_once(folder):
    for trial in (0, 4):
        tracker = MLflow()
        track(tracker, folder, trial, epochs=3 + trial, resumes=0)
        tracker.close(60)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
    [run] = find_runs(folder).values()
    history = client.get_metric_history(run.info.run_id, "auc")
    assert [(point.step, point.value) for point in history] == [(epoch, epoch / 10) for epoch in range(1, 8)]
    assert run.data.tags["tuner.resumed_as"] == "4"


def test_a_setting_that_changed_is_a_tag(folder):
    for trial, device in ((0, "cpu"), (1, "cuda")):
        tracker = MLflow()
        track(tracker, folder, trial, config={"lr": 1, "tuner": {"device": device}}, resumes=0)
        tracker.close(60)
    [run] = find_runs(folder).values()
    assert run.data.params == {"lr": "1", "tuner/device": "cpu"}
    assert run.data.tags["changed/tuner/device"] == "cuda"


def test_names_that_mlflow_would_make_the_same_stay_apart(folder, warned):
    tracker = MLflow()
    track(tracker, folder, 0, config={"a*b": 1, "a?b": 2, "": 3, "../x": 4, "x": 5, "y/": 6, "y": 7})
    tracker.close(60)
    assert not warned.texts
    [run] = find_runs(folder).values()
    assert sorted(run.data.params.values()) == ["1", "2", "3", "4", "5", "6", "7"]


def test_long_settings_are_whole_in_a_file(folder, warned):
    tracker = MLflow()
    track(tracker, folder, 0, config={"columns": "x" * 20_000})
    tracker.close(60)
    assert not warned.texts
    [path] = folder.rglob("configuration.json")
    assert json.loads(path.read_text()) == {"columns": "x" * 20_000}


def test_another_search_of_the_same_study_has_runs_of_its_own(folder):
    for name in ("first", "second"):
        write_json(RunFolder(folder).owner, {"search": name})
        tracker = MLflow()
        track(tracker, folder, 0)
        tracker.close(60)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("s").experiment_id])
    assert {run.data.tags["tuner.search"] for run in runs} == {"first", "second"}


def test_a_deleted_experiment_comes_back(folder, warned):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow' / 'mlflow.db'}")
    client.delete_experiment(client.create_experiment("s"))
    tracker = MLflow()
    track(tracker, folder, 0)
    tracker.close(60)
    assert not warned.texts
    assert list(find_runs(folder)) == ["trial 0"]


def test_workers_at_once_make_one_experiment_and_say_nothing(folder, warned, capfd):
    trackers = [MLflow(), MLflow()]
    for trial in range(6):
        track(trackers[trial % 2], folder, trial, epochs=200)
    for tracker in trackers:
        tracker.close(120)
    runs = find_runs(folder)
    assert sorted(runs) == [f"trial {number}" for number in range(6)]
    assert {(run.info.status, run.data.metrics["auc"]) for run in runs.values()} == {("FINISHED", 20)}
    assert not warned.texts
    assert capfd.readouterr() == ("", "")
