"""What the real client sends to a server that stands in for wandb.ai: while runs are logged, and by `tuner sync`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from trackers.studies import make_record
from trackers.wandb_server import KEY, WandbServer, serve

from tuner.trackers import WeightsAndBiases, sync_runs
from tuner.trackers.not_recorded import describe_losses


@pytest.fixture(scope="module")
def login(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WandbServer]:
    """A server that stands in for wandb.ai, and the environment of somebody who is logged in to it."""
    with serve() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_BASE_URL", server.url)
        patch.setenv("WANDB_API_KEY", KEY)
        patch.setenv("WANDB_TAGS", "night,")
        for number, name in enumerate(("RUN_ID", "NAME", "NOTES", "RUN_GROUP", "JOB_TYPE", "SWEEP_ID", "RESUME")):
            patch.setenv(f"WANDB_{name}", f"parent{number}")
        patch.setenv("WANDB_SERVICE", "3-999999-unix-NOWHERE/socket")
        yield server


@pytest.fixture(autouse=True)
def _no_login() -> None:
    """Take the place of the fixture that logs everybody out."""


@pytest.fixture(scope="module")
def online(login: WandbServer, tmp_path_factory: pytest.TempPathFactory) -> WandbServer:
    """The server after two trials, one of which was interrupted and resumed, and a study that was logged twice."""
    folder = tmp_path_factory.mktemp("run")
    Figure(figsize=(1, 1)).savefig(folder / "roc.png")
    tracker = WeightsAndBiases()
    logs = [
        tracker.start_trial(study="magic", trial=n, config={"lr": n, "_wandb": 5}, folder=folder, tags=["mlp"])
        for n in range(2)
    ]
    for epoch in range(3):
        for log in logs:
            log.log_epoch(epoch, {"auc": 0.5 + epoch / 10})
    logs[0].finish(
        "complete",
        summary={"auc": 0.7, "state": 3, "epoch": 8, "_step": 9},
        pictures={"roc": folder / "roc.png"},
        notes="**good**",
    )
    logs[1].finish("interrupted", summary={}, reason="Ctrl-C")
    log = tracker.start_trial(study="magic", trial=2, config={"lr": 1}, folder=folder, tags=["mlp"], resumes=1)
    for epoch in range(5):
        log.log_epoch(epoch, {"auc": 0.5 + epoch / 10})
    log.finish("complete", summary={"auc": 0.9})
    tracker.log_study(make_record(folder, summary={"old": 1.0}))
    tracker.close(60)
    tracker.log_study(make_record(folder, n_trials=6))
    tracker.close(60)
    assert describe_losses(folder) == []
    assert login.unknown == []
    return login


def find_run(server: WandbServer, name: str):
    [run] = [run for run in server.runs.values() if run.fields.get("displayName") == name]
    return run


def test_each_run_is_its_own_whatever_the_parent_says(online):
    assert sorted(run.fields["displayName"] for run in online.runs.values()) == ["magic", "trial 0", "trial 1"]
    assert {run.fields["groupName"] for run in online.runs.values()} == {"magic"}
    assert {run.fields["jobType"] for run in online.runs.values()} == {"trial", "study"}
    assert not [name for name in online.runs if "parent" in name]


def test_a_trial_arrives_whole(online):
    run = find_run(online, "trial 0")
    assert run.epochs[:3] == [{"epoch": n, "auc": pytest.approx(0.5 + n / 10)} for n in range(3)]
    assert run.fields["tags"] == ["night", "mlp", "complete"]
    assert run.fields["notes"] == "**good**"
    assert run.config["lr"]["value"] == 0
    assert run.config["_wandb (parameter)"]["value"] == 5
    kept = {"auc": 0.7, "state": "complete", "state (figure)": 3, "epoch": 2, "epoch (figure)": 8, "step (figure)": 9}
    assert kept.items() <= run.summary.items()
    assert run.files[run.summary["roc"]["path"]][:4] == b"\x89PNG"
    assert run.exit_code == 0


def test_a_resumed_trial_goes_on_with_the_run_of_its_first_part(online):
    run = find_run(online, "trial 1")
    assert [row["epoch"] for row in run.epochs] == [0, 1, 2, 3, 4]
    assert run.fields["tags"] == ["night", "mlp", "complete"]
    assert run.summary["state"] == "complete"


def test_a_study_is_one_run_that_is_updated(online):
    run = find_run(online, "magic")
    curve = [row for row in run.epochs if "best" in row]
    assert [row["trials"] for row in curve] == [1, 2, 3, 4, 5, 6]
    assert [row["best over time"] for row in curve] == pytest.approx([0.8, 0.81, 0.82, 0.83, 0.84, 0.85])
    assert run.fields["notes"] == "# 6 trials"
    assert run.fields["tags"] == ["night", "mlp", "evaluated"]
    assert run.config["budget"]["value"] == {"trials": 6}
    assert run.summary["test/network/auc/low"] == 0.92
    assert "old" not in run.summary
    table = json.loads(run.files[run.summary["tables/trials"]["path"]])
    assert table["columns"] == ["number", "auc", "reason"]
    assert table["data"][0] == [0, 0.8, None]
    assert len(table["data"]) == 6
    assert run.files[run.summary["pictures/history"]["path"]][:4] == b"\x89PNG"


def test_artifacts_arrive_with_their_lineage(online):
    kept = {a.name: a for a in online.artifacts if a.kind != "run_table"}
    assert {(a.name, a.kind, a.state) for a in kept.values()} == {
        ("magic-events", "dataset", "COMMITTED"),
        ("magic-splits", "dataset", "COMMITTED"),
        ("magic-network", "model", "COMMITTED"),
        ("magic-report", "report", "COMMITTED"),
    }
    assert kept["magic-network"].files["network.onnx"] == b"onnx"
    assert kept["magic-report"].files["report.html"] == b"<h1>6 trials</h1>"
    assert set(kept["magic-network"].aliases) == {"winner", "latest"}
    assert kept["magic-network"].metadata["made_from"] == ["magic-splits"]
    assert set(find_run(online, "magic").used) == {"magic-events", "magic-splits"}


@pytest.fixture(scope="module")
def offline(login: WandbServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a trial and a study that were logged offline, the study twice."""
    folder = tmp_path_factory.mktemp("offline")
    tracker = WeightsAndBiases(mode="offline", project="later")
    log = tracker.start_trial(study="magic", trial=0, config={"lr": 1}, folder=folder)
    log.log_epoch(1, {"auc": 0.5})
    log.finish("pruned", summary={"auc": 0.5}, notes="stopped early")
    tracker.log_study(make_record(folder))
    tracker.log_study(make_record(folder, n_trials=6))
    tracker.close(60)
    return folder


def test_offline_files_hold_the_study_once(offline, read_runs):
    runs = read_runs(offline)
    assert set(runs) == {"trial 0", "magic"}
    assert (runs["trial 0"]["job_type"], runs["trial 0"]["notes"]) == ("trial", "stopped early")
    study = runs["magic"]
    assert (study["job_type"], study["group"], study["notes"]) == ("study", "magic", "# 6 trials")
    assert [row["trials"] for row in study["epochs"] if "best" in row] == [1, 2, 3, 4, 5, 6]
    steps = {metric["name"]: metric["step_metric"] for metric in study["metrics"] if "step_metric" in metric}
    assert steps == {"best": "trials", "best over time": "minutes"}
    table = json.loads((study["folder"] / "files" / study["summary"]["tables/trials"]["path"]).read_text())
    assert len(table["data"]) == 6
    kinds = {artifact["name"]: artifact["type"] for artifact in study["artifacts"]}
    assert {"magic-network": "model", "magic-report": "report", "magic-events": "dataset"}.items() <= kinds.items()
    assert study["summary"]["test/network/auc/low"] == 0.92


def test_offline_runs_are_sent_later(offline, login):
    assert sync_runs(offline) == 2
    assert sync_runs(offline) == 0
    runs = {run.fields["displayName"]: run for run in login.runs.values() if run.fields["project"] == "later"}
    assert set(runs) == {"trial 0", "magic"}
    assert runs["trial 0"].fields["tags"] == ["night", "pruned"]
    assert [row["trials"] for row in runs["magic"].epochs if "best" in row] == [1, 2, 3, 4, 5, 6]
    sent = [artifact for artifact in login.artifacts if artifact.run == runs["magic"].name]
    assert {a.name: a.state for a in sent if a.kind != "run_table"} == dict.fromkeys(
        ("magic-events", "magic-splits", "magic-network", "magic-report"), "COMMITTED"
    )


def test_a_study_that_was_sent_is_sent_again_when_it_changes(offline, login, read_runs):
    test_id = next(run.name for run in login.runs.values() if run.fields["project"] == "later" and "study" in run.name)
    tracker = WeightsAndBiases(mode="offline", project="later")
    tracker.log_study(make_record(offline, n_trials=8))
    tracker.close(60)
    assert sync_runs(offline) == 1
    assert [row["trials"] for row in login.runs[test_id].epochs if "best" in row] == list(range(1, 9))
