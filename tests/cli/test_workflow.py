"""The whole way through the command line, in real processes: from events to a network for other programs."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.cli.json_forms import FORMS

QUIET = ("--workers", "1", "--tracker", "none", "--closed-test", "--json", "--quiet")


@pytest.fixture(scope="module")
def swept(shared_workplace):
    """A workplace in which the small study was swept by two workers."""
    done = shared_workplace.tuner("sweep", "small.py", "--workers", "2")
    assert done.returncode == 0, done.stderr
    (shared_workplace.folder / "said.txt").write_text(done.stdout + done.stderr)
    return shared_workplace


def read_json(done, command=None):
    """Return what a command printed, once it is seen to have the form that the reference tells of the command."""
    assert done.returncode == 0, done.stderr
    if command is not None:
        FORMS[command].model_validate_json(done.stdout)
    return json.loads(done.stdout)


def test_sweep_ends_with_an_evaluated_winner_and_a_report(swept) -> None:
    said = (swept.folder / "said.txt").read_text()
    assert "6 of 6 trials" in said
    assert "Report: runs/small/report.html" in said
    assert re.search(r"^AUC +0\.\d+ ± 0\.\d+ +0\.\d+ ± 0\.\d+$", said, re.M)
    assert re.search(
        r"^Trial \d \(MLP of \d+ parameters\) has won( among the \d configurations retrained)?, "
        r"with AUC 0\.\d+ ± 0\.\d+ on test",
        said,
        re.M,
    )
    assert "the test part has been opened once." in " ".join(said.split())
    assert "Is it?" in (swept.folder / "runs/small/report.html").read_text()
    assert (swept.folder / "runs/small/logs/worker-1.log").exists()
    log = (swept.folder / "runs/small/tuner.log").read_text()
    assert len(re.findall(r" INFO +work \S+  Trial \d+ (?:complete|pruned), best validation AUC 0\.", log)) == 6
    assert log.index("Sweep of small: 6 of 6 trials left, 2 workers") < log.index("Opening the test part")
    assert "Writing the report" in log
    assert len(list((swept.folder / "runs/small/wandb").rglob("run-*.wandb"))) >= 6


def test_status_is_json_and_imports_nothing_heavy(swept) -> None:
    status = read_json(swept.tuner("status", "small.py", "--json"), "status")
    assert status["finished"] == status["states"]["complete"] + status["states"].get("pruned", 0) == 6
    assert 0.5 < status["handed_on_test"]["AUC"] <= 1.0
    assert status["workers"] == 0
    assert status["best_low"] < status["best_high"]
    assert swept.find_heavy_imports("status", "small.py", "--json") == {"optuna"}
    shown = swept.tuner("status", "small.py").stdout
    assert "6 of 6 trials" in shown
    assert re.search(r"AUC 0\.\d+ ± 0\.\d+", shown)


def test_evaluation_opens_the_test_part_once(swept) -> None:
    evaluation = read_json(swept.tuner("evaluate", "small.py", "--json"))
    assert evaluation["opening"] == evaluation["openings"] == 1
    assert len((swept.folder / "runs/small/test_openings.jsonl").read_text().splitlines()) == 1


def test_the_judgement_fits_a_narrow_terminal(swept) -> None:
    shown = swept.show_terminal("evaluate", "small.py", columns=80)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("trial ") and line.endswith("this one") for line in map(str.strip, lines))
    assert "Handed on: trial" in shown
    assert lines[-1] == "Already evaluated: runs/small/evaluation.json"


def test_another_judgement_opens_the_test_part_again_and_says_so(swept) -> None:
    judged = swept.tuner("evaluate", "small.py", "--finalists", "2", "--seeds", "2")
    assert judged.returncode == 0, judged.stderr
    assert re.search(r"^trial \d \(x2\) ", judged.stdout, re.M)
    assert "the test part has been opened 2 times" in " ".join(judged.stdout.split())
    assert judged.stdout.splitlines()[-1] == "Wrote runs/small/evaluation.json"
    assert "Opening the test part" in judged.stderr


def test_the_report_may_have_an_experiments_style_or_says_which_there_are(swept) -> None:
    refused = swept.tuner("report", "small.py", "--style", "ATLASS")
    assert refused.returncode == 2
    assert "ATLAS" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["predict", "small.py", "events.csv", "-o", "x.xlsx"], r"must end in \.parquet or \.root or "),
        (["predict", "small.py", "events.csv", "events.csv"], "Scores of several files need a folder"),
        (["export", "small.py", "-o", "x.pt"], r"must end in \.onnx or \.pt2 or \.safetensors"),
        (
            ["export", "small.py", "--trial", "worst"],
            '--trial must be the number of a trial, or "best", but is "worst"',
        ),
        (["export", "small.py", "--trial", "best", "--candidate", "bag"], "may be given, but both are"),
        (["predict", "small.py", "events.csv", "-o", "./events.csv"], "must not overwrite what it is computed from"),
    ],
)
def test_a_file_is_what_its_name_says_and_overwrites_nothing_that_is_read(swept, words, told) -> None:
    kept = (swept.folder / "events.csv", swept.folder / "runs/small/journal.log")
    before = [path.read_bytes() for path in kept]
    done = swept.tuner(*words)
    assert done.returncode != 0
    assert re.search(told, " ".join(done.stderr.split()))
    assert "Traceback" not in done.stderr
    assert [path.read_bytes() for path in kept] == before
    assert not list(swept.folder.glob("x.*"))


def test_predictions_and_exported_network_agree(swept) -> None:
    new = pd.read_csv(swept.folder / "events.csv").drop(columns=["label", "weight"]).head(50)
    new.to_csv(swept.folder / "new.csv", index=False)
    told = read_json(swept.tuner("predict", "small.py", "new.csv", "--output", "scores.csv", "--json"), "predict")
    assert (told["files"], told["n_events"], told["n_selected"]) == (["scores.csv"], 50, 50)
    scores = pd.read_csv(swept.folder / "scores.csv")["score"].to_numpy()
    exported = read_json(swept.tuner("export", "small.py", "--json"), "export")
    assert exported["files"] == ["runs/small/network.onnx", "runs/small/network.json"]
    import onnxruntime

    session = onnxruntime.InferenceSession(str(swept.folder / "runs/small/network.onnx"))
    (again,) = session.run(["score"], {"features": new.to_numpy(np.float32)})
    np.testing.assert_allclose(again, scores, atol=1e-4)


def test_explore_draws_and_tells(swept) -> None:
    explored = read_json(swept.tuner("explore", "small.py", "--json"), "explore")
    assert {"separation", "auc"} <= set(explored["features"]["a"])
    assert (swept.folder / "runs/small/figures/features.png").read_bytes().startswith(b"\x89PNG")


def test_dashboard_serves_the_study(swept) -> None:
    with swept.start_tuner("dashboard", "small.py", "--port", "0") as served:
        assert served.stdout is not None
        try:
            address = re.search(r"http://\S+", served.stdout.readline())
            assert address is not None
            with urllib.request.urlopen(address[0], timeout=30) as page:
                assert "Optuna Dashboard" in page.read().decode()
            with urllib.request.urlopen(address[0].split("/dashboard")[0] + "/api/studies", timeout=30) as answer:
                names = [study["study_name"] for study in json.load(answer)["study_summaries"]]
            assert names == ["small"]
        finally:
            served.send_signal(signal.SIGINT)
        out, err = served.communicate(timeout=120)
    assert served.returncode == 0
    assert "Traceback" not in out + err


def test_a_taken_port_is_told(swept) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        failed = swept.tuner("dashboard", "small.py", "--port", str(taken.getsockname()[1]))
    assert failed.returncode == 2
    assert "--port 0" in failed.stderr


def test_the_same_command_goes_on_and_repeats_nothing(swept) -> None:
    before = read_json(swept.tuner("status", "small.py", "--json"))
    done = swept.tuner("sweep", "small.py", "--trials", "8", *QUIET)
    more = read_json(done, "sweep")
    assert done.stderr == ""
    assert more["end"] == "spent"
    assert more["finished"] == 8
    assert more["warm_starts"]["verdict"] in ("better", "as good", "worse")
    assert more["warm_starts"]["n_sampled"] == 7
    assert more["history"][:6] == before["history"]
    assert len((swept.folder / "runs/small/test_openings.jsonl").read_text().splitlines()) == 2


def test_what_follows_a_sweep_prints_what_its_forms_say(swept, monkeypatch) -> None:
    monkeypatch.chdir(swept.folder)
    monkeypatch.setattr("tuner.trackers.wandb_sync.sync_runs", lambda folder: 3)
    monkeypatch.setattr("tuner.reporting.report.report", lambda search, **options: search.folder.report)

    def run(command, *words, codes=(0,)):
        done = CliRunner().invoke(app, [command, "small.py", *words, "--json"])
        assert done.exit_code in codes, done.stderr
        return FORMS[command].model_validate_json(done.stdout)

    assert run("work", "--tracker", "none").finished >= 6
    assert run("report", "--tracker", "none").files == ["runs/small/report.html"]
    assert run("sync").runs == 3
    assert run("doctor", codes=(0, 1)).study == "small"  # 1: there is something to tell
    assert run("replay", "0").pack_size >= 1
    made = run("templates", "--signal", "20", "--background", "100")
    assert (made.verdict, made.files) == ("alone", ["runs/small/templates.json"])


def test_another_seed_or_fewer_epochs_in_the_same_folder_are_refused(swept) -> None:
    refused = swept.tuner("sweep", "small.py", *QUIET, "--seed", "5", "--epochs", "2")
    assert refused.returncode == 2
    assert "seed: was 0, is 5" in refused.stderr
    assert "epochs: was 3, is 2" in refused.stderr


def test_the_sum_of_a_sweep_is_that_of_its_evaluation(swept) -> None:
    done = read_json(swept.tuner("sweep", "small.py", "--trials", "8", *QUIET))
    found = json.loads((swept.folder / "runs/small/evaluation.json").read_text())
    own = {part["part"]: part["measurements"] for part in found["parts"] if part["candidate"] == "single network"}
    assert done["evaluation"]["figures"] == own
    assert (done["evaluation"]["winner"], done["evaluation"]["seed"]) == (found["winner"], found["seed"])
    assert done["evaluation"]["standings"][0]["candidate"] in {s["candidate"] for s in found["standings"]}
    assert done["report"] == "runs/small/report.html"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")
def test_ctrl_c_once_tells_trials_writes_the_report_and_is_seen_by_a_shell(workplace) -> None:
    study = workplace.folder / "small.py"
    study.write_text(study.read_text().replace("trials=6, epochs=3", "trials=500, epochs=20"))
    command = f"{sys.executable} -m tuner sweep small.py --workers 2 --tracker none && echo went on"
    with workplace.start("sh", "-c", command) as shell:
        journal, deadline = workplace.folder / "runs/small/journal.log", time.monotonic() + 120
        while not journal.exists() or '"state":1,' not in journal.read_text():  # one is complete
            assert time.monotonic() < deadline
            assert shell.poll() is None, shell.communicate()[1]
            time.sleep(0.2)
        exported = workplace.tuner("export", "small.py", "--trial", "best", "-o", "best.onnx")
        assert shell.poll() is None
        assert (exported.returncode, exported.stdout.split()[-7:-5]) == (0, ["Wrote", "best.onnx,"]), exported.stderr
        (sweep,) = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
        os.kill(int(sweep), signal.SIGINT)
        out, err = shell.communicate(timeout=200)
    assert shell.returncode == 130, err
    assert "went on" not in out
    assert "rerun the same command to resume" in err
    assert "Traceback" not in out + err
    assert (workplace.folder / "runs/small/report.html").exists()
    status = read_json(workplace.tuner("status", "small.py", "--json"))
    assert status["states"].get("running", 0) == 0
    assert status["workers"] == 0
    assert status["states"]["complete"] >= 1
    assert status["handed_on_test"] is None
    finalists = workplace.folder / "runs/small/finalists"
    with workplace.start_tuner("evaluate", "small.py", "--seeds", "200", "--quiet") as judging:
        while not list(finalists.glob("*.pt")):
            assert judging.poll() is None, judging.communicate()[1]
            time.sleep(0.05)
        judging.send_signal(signal.SIGTERM)
        out, err = judging.communicate(timeout=60)
    assert judging.returncode == 75, err
    assert re.search(r"Interrupted: \d+ trainings? (is|are) kept in runs/small/finalists\. Rerun the same command", err)
    assert "The test part was not opened." in err
    assert "Traceback" not in out + err
    assert not (workplace.folder / "runs/small/test_openings.jsonl").exists()


def test_status_is_read_from_the_storage_alone_while_its_folder_is_elsewhere(workplace, tmp_path_factory) -> None:
    url = f"sqlite:///{workplace.folder / 'trials.db'}"
    options = ("--storage", url, "--workers", "1", "--tracker", "none", "--quiet", "--trials", "2", "--epochs", "2")
    swept = workplace.tuner("sweep", "small.py", *options)
    assert swept.returncode == 0, swept.stderr
    assert (workplace.folder / "runs/small/logs/worker-0.log").exists(), "what it trains cannot end the command"
    elsewhere = type(workplace)(tmp_path_factory.mktemp("elsewhere"))
    (elsewhere.folder / "small.py").write_text((workplace.folder / "small.py").read_text())
    status = read_json(elsewhere.tuner("status", "small.py", "--storage", url, "--json"))
    assert (status["finished"], status["budget_trials"], status["budget_epochs"]) == (2, 2, 2)
    assert 0.5 < status["handed_on_test"]["AUC"] <= 1.0
    assert [path.name for path in elsewhere.folder.iterdir() if path.name != "__pycache__"] == ["small.py"]
