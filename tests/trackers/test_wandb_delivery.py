"""Weights & Biases' process, its service and its server die in the middle of a sweep: what is logged is not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from trackers.wandb_server import KEY, serve

from tuner.trackers import WeightsAndBiases, sync_runs
from tuner.trackers.not_recorded import describe_losses


def wait_for(condition, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def find_child(pid: int) -> int:
    """Return the first child process of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@pytest.mark.parametrize("victim", ["service", "process"])
def test_what_is_killed_is_started_again_and_nothing_is_lost(tmp_path, warned, read_runs, victim):
    tracker = WeightsAndBiases()
    logs = [tracker.start_trial(study="s", trial=n, config={"lr": n}, folder=tmp_path) for n in range(3)]
    for epoch in range(3):
        for log in logs:
            log.log_epoch(epoch, {"auc": 0.5})
    logs[2].finish("pruned", summary={})
    wait_for(lambda: len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 3)
    pid = tracker._delivery._process._process.pid
    os.kill(find_child(pid) if victim == "service" else pid, signal.SIGKILL)
    for epoch in range(3, 5):
        for log in logs[:2]:
            log.log_epoch(epoch, {"auc": 0.6})
    for log in logs[:2]:
        log.finish("complete", summary={"auc": 0.6})
    tracker.close(60)
    runs = dict(sorted(read_runs(tmp_path).items()))
    assert list(runs) == ["trial 0", "trial 1", "trial 2"]
    assert [[row["epoch"] for row in run["epochs"]] for run in runs.values()] == [[0, 1, 2, 3, 4]] * 2 + [[0, 1, 2]]
    assert [run["summary"]["state"] for run in runs.values()] == ["complete", "complete", "pruned"]
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 3
    assert len(warned.texts) == 1
    assert warned.texts[0].startswith("Weights & Biases stopped (")
    assert describe_losses(tmp_path) == []


def test_a_server_that_goes_down_leaves_whole_runs_on_disk(tmp_path, warned, read_runs, monkeypatch):
    with serve() as server:
        for name, value in {"BASE_URL": server.url, "API_KEY": KEY, "FINISH_TIMEOUT": "1", "INIT_TIMEOUT": "2"}.items():
            monkeypatch.setenv(f"WANDB_{name}", value)
        tracker = WeightsAndBiases()
        log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
        log.log_epoch(0, {"auc": 0.5})
        wait_for(lambda: len(server.runs) == 1)
        server.refuse = True
        log.log_epoch(1, {"auc": 0.6})
        log.finish("complete", summary={"auc": 0.6})
        tracker.close(60)
        offline = [path.parent.name for path in tmp_path.glob("wandb/offline-run-*/*.wandb")]
        assert len(offline) == 1
        assert len(warned.texts) == 1
        assert "Runs are kept offline; send them later with `tuner sync`." in warned.texts[0]
        assert describe_losses(tmp_path) == []
        server.refuse = False
        assert sync_runs(tmp_path) == 1
        [run] = server.runs.values()
        assert {row["epoch"] for row in run.epochs} == {0, 1}
        assert (run.summary["state"], run.fields["tags"]) == ("complete", ["complete"])


def test_pictures_may_come_after_the_end_of_their_trial(tmp_path, read_runs):
    tracker = WeightsAndBiases()
    pictures = {"roc": tmp_path / "roc.png", "never": tmp_path / "never.png"}
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).finish(
        "complete", summary={}, pictures=pictures, notes="late"
    )
    wait_for(lambda: list(tmp_path.glob("wandb/offline-run-*/*.wandb")))
    Figure(figsize=(1, 1)).savefig(pictures["roc"])
    tracker.close(60)
    run = read_runs(tmp_path)["trial 0"]
    assert "roc" in run["summary"] and "never" not in run["summary"]
    assert (run["notes"], run["summary"]["state"]) == ("late", "complete")


def test_disabled_by_its_own_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DISABLED", "true")
    tracker = WeightsAndBiases()
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).finish("complete", summary={})
    tracker.close(60)
    assert list(tmp_path.iterdir()) == []


BESIDE = """
import os, sys
from pathlib import Path
import wandb
from tuner.trackers import WeightsAndBiases
folder = Path(sys.argv[1])
own = wandb.init(project="own", mode="offline", dir=folder / "own", id="own")
own.log({"before": 1})
before = (dict(os.environ), sys.excepthook, sys.exit)
tracker = WeightsAndBiases()
tracker.start_trial(study="s", trial=0, config={}, folder=folder / "ours").finish("complete", summary={})
tracker.close(60)
assert before == (dict(os.environ), sys.excepthook, sys.exit)
assert wandb.run is own
own.log({"after": 1})
own.finish()
"""


def test_a_run_that_the_user_has_open_is_not_touched(tmp_path, read_runs, monkeypatch):
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    subprocess.run([sys.executable, "-c", BESIDE, str(tmp_path)], check=True, capture_output=True, cwd=tmp_path)
    [own] = read_runs(tmp_path / "own").values()
    assert own["epochs"] == [{"before": 1}, {"after": 1}]
    [ours] = read_runs(tmp_path / "elsewhere").values()
    assert (ours["name"], ours["summary"]["state"]) == ("trial 0", "complete")
