"""The whole way through the command line, in real processes: from a data file to a network for other programs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def test_from_events_to_a_network(tuner, study_file: Path) -> None:
    folder = study_file.parent
    checked = tuner("check", study_file)
    assert checked.returncode == 0, checked.stderr
    assert "6 trials of at most 3 epochs" in checked.stdout
    assert not (folder / "runs").exists()

    swept = tuner("sweep", study_file, "--workers", "2", "--json")
    assert swept.returncode == 0, swept.stderr
    status = json.loads(swept.stdout)
    assert status["finished"] >= 6
    assert 0.5 < status["winner_test"]["AUC"] <= 1.0
    assert "6/6 trials" in swept.stderr
    page = (folder / "runs/small/report.html").read_text()
    assert "Is it?" in page
    assert json.loads(tuner("status", study_file, "--json").stdout)["states"] == status["states"]
    assert (folder / "runs/small/logs/worker-1.log").exists()

    evaluated = json.loads(tuner("evaluate", study_file, "--json").stdout)
    assert evaluated["opening"] == 1
    shown = tuner("evaluate", study_file).stdout
    assert re.search(r"AUC .*\d\.\d+ \[\d\.\d+, \d\.\d+\]", shown)

    new = pd.read_csv(folder / "events.csv").drop(columns=["label", "weight"]).head(50)
    new.to_csv(folder / "new.csv", index=False)
    assert tuner("predict", study_file, "new.csv", "--output", "scores.csv").returncode == 0
    scores = pd.read_csv(folder / "scores.csv")["score"].to_numpy()
    assert len(scores) == 50
    assert ((scores > 0) & (scores < 1)).all()

    exported = tuner("export", study_file)
    assert exported.returncode == 0, exported.stderr
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "runs/small/network.onnx"))
    (again,) = session.run(None, {"features": new.to_numpy(np.float32)})
    np.testing.assert_allclose(again, scores, atol=1e-4)


def test_the_same_command_goes_on_and_repeats_nothing(tuner, study_file: Path) -> None:
    quiet = ("--workers", "1", "--tracker", "none", "--closed-test", "--json")
    first = json.loads(tuner("sweep", study_file, "--trials", "2", *quiet).stdout)
    assert first["finished"] == 2
    assert first["winner_test"] is None
    second = tuner("sweep", study_file, "--trials", "4", *quiet)
    assert json.loads(second.stdout)["finished"] == 4
    third = tuner("sweep", study_file, "--trials", "4", *quiet)
    assert json.loads(third.stdout)["history"] == json.loads(second.stdout)["history"]
    assert not (study_file.parent / "runs/small/wandb").exists()
    assert not (study_file.parent / "runs/small/test_openings.jsonl").exists()


def test_another_seed_or_fewer_epochs_in_the_same_folder_are_refused(tuner, study_file: Path) -> None:
    quiet = ("--workers", "1", "--tracker", "none", "--closed-test", "--trials", "1")
    assert tuner("sweep", study_file, *quiet).returncode == 0
    refused = tuner("sweep", study_file, *quiet, "--seed", "5", "--epochs", "2")
    assert refused.returncode == 2
    assert "seed: was 0, is 5" in refused.stderr
    assert "epochs: was 3, is 2" in refused.stderr


def test_ctrl_c_once_tells_trials_and_writes_the_report(study_file: Path, environment: dict[str, str]) -> None:
    folder = study_file.parent
    patient = study_file.read_text().replace("trials=6, epochs=3", "trials=500, epochs=200")
    study_file.write_text(patient)
    command = [sys.executable, "-m", "tuner", "sweep", str(study_file), "--workers", "2", "--tracker", "none"]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as sweep:
        journal, deadline = folder / "runs/small/journal.log", time.monotonic() + 120
        while not journal.exists() or journal.read_text().count('"intermediate_value"') < 4:
            assert time.monotonic() < deadline
            assert sweep.poll() is None, sweep.communicate()[1]
            time.sleep(0.2)
        sweep.send_signal(signal.SIGINT)
        out, err = sweep.communicate(timeout=120)
    assert sweep.returncode == 0, err
    assert "goes on where this one stopped" in err
    assert "Traceback" not in out + err
    assert (folder / "runs/small/report.html").exists()
    shown = subprocess.run(
        [sys.executable, "-m", "tuner", "status", str(study_file), "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    status = json.loads(shown.stdout)
    assert status["states"].get("running", 0) == 0
    assert status["workers"] == 0
    assert status["winner_test"] is None


def test_dashboard_serves_the_study(tuner, study_file: Path, environment: dict[str, str]) -> None:
    swept = tuner("sweep", study_file, "--workers", "1", "--tracker", "none", "--trials", "1", "--closed-test")
    assert swept.returncode == 0, swept.stderr
    command = [sys.executable, "-u", "-m", "tuner", "dashboard", str(study_file), "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=study_file.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as served:
        assert served.stdout is not None
        try:
            address = re.search(r"http://\S+", served.stdout.readline())
            assert address is not None
            with urllib.request.urlopen(address[0], timeout=30) as page:
                assert "Optuna Dashboard" in page.read().decode()
            root = address[0].split("/dashboard")[0]
            with urllib.request.urlopen(f"{root}/api/studies", timeout=30) as answer:
                names = [s["study_name"] for s in json.load(answer)["study_summaries"]]
            assert names == ["small"]
        finally:
            served.send_signal(signal.SIGINT)
        out, err = served.communicate(timeout=30)
    assert served.returncode == 130
    assert "Traceback" not in out + err


def test_a_taken_port_is_told(tuner, study_file: Path) -> None:
    import socket

    assert tuner("sweep", study_file, "--workers", "1", "--tracker", "none", "--trials", "1").returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        failed = tuner("dashboard", study_file, "--port", str(taken.getsockname()[1]))
    assert failed.returncode == 2
    assert "--port 0" in failed.stderr


@pytest.mark.parametrize("arguments", [("--device", "cuda:77"), ("--events", "nothing.csv"), ("--folder", "/proc/no")])
def test_bad_input_of_a_sweep_is_told_before_anything_is_trained(tuner, study_file: Path, arguments) -> None:
    failed = tuner("sweep", study_file, *arguments)
    assert failed.returncode == 2
    assert failed.stderr.startswith("Error: ")
    assert "Traceback" not in failed.stderr


def test_explore_draws_and_tells(tuner, study_file: Path) -> None:
    explored = tuner("explore", study_file)
    assert explored.returncode == 0, explored.stderr
    assert "separation" in explored.stdout
    figures = study_file.parent / "runs/small/figures"
    assert (figures / "features.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(tuner("explore", study_file, "--json").stdout)
    assert set(told["features"]) == {"a", "b", "c", "d"}
