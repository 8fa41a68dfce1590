"""What readers of JSON find in the run folder, also after a crash and with several processes at once."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd

from tuner.trackers import JsonLines

TRACK = """
import sys
from pathlib import Path
from tuner.trackers import JsonLines
tracker = JsonLines()
for trial in range(int(sys.argv[2]), 20, 4):
    log = tracker.start_trial(study="s", trial=trial, config={}, folder=Path(sys.argv[1]))
    for epoch in range(50):
        log.log_epoch(epoch, {"auc": epoch / 50})
    log.finish("complete", summary={"trial": trial})
tracker.close(60)
"""


def read(folder, trial=0):
    return pd.read_json(folder / "tracking" / f"trial_{trial:05d}.jsonl", lines=True)


def test_workers_at_once_write_whole_lines(tmp_path):
    workers = [subprocess.Popen([sys.executable, "-c", TRACK, str(tmp_path), str(n)]) for n in range(4)]
    assert [worker.wait() for worker in workers] == [0] * 4
    for trial in range(20):
        lines = read(tmp_path, trial)
        assert list(lines["event"]) == ["start", *["epoch"] * 50, "finish"]
        assert lines["auc"].max() == 49 / 50


def test_a_torn_line_is_dropped_when_its_trial_is_resumed(tmp_path):
    def track(epochs, **options):
        tracker = JsonLines()
        log = tracker.start_trial(study="s", config={}, folder=tmp_path, **options)
        for epoch in epochs:
            log.log_epoch(epoch, {"auc": 0.5})
        tracker.close(60)

    track(range(2), trial=0)
    path = tmp_path / "tracking" / "trial_00000.jsonl"
    with path.open("a") as file:
        file.write('{"event": "epoch", "epo')
    track(range(4), trial=3, resumes=0)
    lines = read(tmp_path)
    assert list(lines["trial"].unique()) == [0, 3]
    assert list(lines.drop_duplicates("epoch", keep="last")["epoch"].dropna()) == [0, 1, 2, 3]
    assert list(lines[lines["event"] == "finish"]["state"]) == ["interrupted", "interrupted"]


def test_figures_may_have_the_names_of_our_columns(tmp_path):
    tracker = JsonLines()
    log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    log.log_epoch(7, {"epoch": 1.0, "event": 2.0, "sha256": 3.0, "auc": 0.5})
    tracker.close(60)
    row = read(tmp_path).iloc[1]
    assert (row["event"], row["epoch"], row["auc"]) == ("epoch", 7, 0.5)
    assert (row["figure epoch"], row["figure event"], row["figure sha256"]) == (1, 2, 3)


def test_each_line_holds_its_checksum(tmp_path):
    tracker = JsonLines()
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).finish("complete", summary={})
    tracker.close(60)
    lines = (tmp_path / "tracking" / "trial_00000.jsonl").read_text().splitlines()
    assert all(len(json.loads(line)["sha256"]) == 64 for line in lines)
