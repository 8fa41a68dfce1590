"""What W&B's own reader and `wandb sync --dry-run` find, and that nothing that goes wrong reaches the sweep."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import make_settings, make_study

import tuner
from tuner.checked_files import read_lines
from tuner.errors import TunerError
from tuner.figures import tabulate_trials
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, StudyRecord, WeightsAndBiases, sync_runs
from tuner.trackers.not_recorded import describe_losses
from tuner.tuning.samplers import derive_seed


def track_three(folder: Path, home: Path, **environment: str) -> str:
    """Track three trials in a fresh process with an empty home; return what it printed."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_") and k != "NETRC"}
    answer = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("track_three.py")), str(folder)],
        env=clean | {"HOME": str(home), "MPLCONFIGDIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        cwd=home,
        check=True,
    )
    return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with three trials, tracked without a word, and without a file elsewhere."""
    folder, home = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("home")
    assert track_three(folder, home) == ""
    assert [str(path) for path in home.rglob("*")] == []
    return folder


@pytest.fixture(scope="module")
def runs(tracked: Path, read_runs) -> dict:
    return read_runs(tracked)


def test_each_trial_is_a_run_of_the_study(runs):
    assert list(runs) == ["trial 0", "trial 1", "trial 2"]
    assert {run["group"] for run in runs.values()} == {"magic"}
    assert {run["project"] for run in runs.values()} == {"tuner"}
    assert runs["trial 2"]["config"] == {"lr": 2.1, "depth": 2}


def test_curves_are_logged_against_epoch(runs):
    epochs = runs["trial 1"]["epochs"]
    assert [row["epoch"] for row in epochs] == [0, 1, 2, 3]
    assert [row["validation_auc"] for row in epochs] == pytest.approx([0.6, 0.61, 0.62, 0.63])
    assert {"glob_name": "*", "step_metric": "epoch"}.items() <= runs["trial 1"]["metrics"][-1].items()


def test_how_a_trial_ended_is_told(runs):
    assert [run["summary"]["state"] for run in runs.values()] == ["complete", "pruned", "failed"]
    assert [run["tags"] for run in runs.values()] == [["mlp", "complete"], ["mlp", "pruned"], ["mlp", "failed"]]
    assert [run["exit_code"] for run in runs.values()] == [0, 0, 1]
    assert runs["trial 2"]["summary"]["reason"] == "the loss is not a number"


def test_final_figures_and_pictures_are_in_the_summary(runs, tracked):
    summary = runs["trial 0"]["summary"]
    assert summary["auc"] == 0.9
    assert summary["best_epoch"] == 3
    [picture] = tracked.glob(f"wandb/*-0/files/{summary['roc']['path']}")
    assert picture.read_bytes() == (tracked / "roc.png").read_bytes()


def test_sync_finds_one_run_per_trial(tracked):
    command = [sys.executable, "-m", "wandb", "sync", "--dry-run", str(tracked / "wandb")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tracked).stderr
    assert "Would sync 3 run(s)" in said
    assert all(f"magic-{n}.wandb" in said for n in range(3))


def test_a_trial_that_goes_on_takes_the_place_of_its_first_part(tmp_path, read_runs):
    tracker = WeightsAndBiases()
    first = tracker.start_trial(study="s", trial=5, config={"lr": 1}, folder=tmp_path)
    first.log_epoch(0, {"auc": 0.5})
    first.finish("interrupted", summary={})
    again = tracker.start_trial(study="s", trial=9, config={"lr": 1}, folder=tmp_path, resumes=5)
    for epoch in range(3):
        again.log_epoch(epoch, {"auc": 0.5 + epoch})
    again.finish("complete", summary={})
    tracker.close(60)
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 1
    run = read_runs(tmp_path)["trial 5"]
    assert [row["epoch"] for row in run["epochs"]] == [0, 1, 2]
    assert run["tags"] == ["complete"]


def test_a_run_left_open_is_interrupted(tmp_path, read_runs):
    tracker = WeightsAndBiases()
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).log_epoch(0, {"auc": 0.5})
    tracker.close(60)
    assert read_runs(tmp_path)["trial 0"]["summary"]["state"] == "interrupted"


def test_training_never_waits(tmp_path, warned, other_wandb):
    """W&B's process hangs until a file is there, which is made when all is logged."""
    opened = tmp_path / "opened"
    other_wandb(HANGING.format(str_opened=str(opened)))
    tracker = WeightsAndBiases()
    log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    for epoch in range(100):
        log.log_epoch(epoch, {"auc": 0.5})
    log.finish("complete", summary={})
    opened.touch()
    tracker.close(60)
    [lost] = read_lines(RunFolder(tmp_path).not_recorded).whole
    assert len(lost["epochs"]) == 100


def test_what_does_not_fit_the_queue_is_told_and_kept(tmp_path, warned, read_runs):
    tracker = WeightsAndBiases(capacity=5)
    for trial in range(40):
        log = tracker.start_trial(study="s", trial=trial, config={}, folder=tmp_path)
        for epoch in range(30):
            log.log_epoch(epoch, {"auc": 0.5})
        log.finish("complete", summary={"auc": 0.5})
    tracker.close(60)
    runs = read_runs(tmp_path)
    lost = read_lines(RunFolder(tmp_path).not_recorded).whole
    assert 0 < len(runs) < 40
    named = [int(name.split()[1]) for name in runs] + [line["what"] for line in lost]
    assert sorted(named) == list(range(40))
    assert {len(run["epochs"]) for run in runs.values()} | {len(line["epochs"]) for line in lost} == {30}
    assert f"{len(lost)} trials were not recorded" in " ".join(warned.texts)


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path, warned, place):
    (tmp_path / "file").write_text("")
    track_in = tmp_path / place
    tracker = WeightsAndBiases()
    for trial in range(3):
        log = tracker.start_trial(study="s", trial=trial, config={}, folder=track_in)
        log.log_epoch(0, {"auc": 0.5})
        log.finish("complete", summary={})
    tracker.close(60)
    assert len(warned.texts) == 1
    assert "The sweep continues without it." in warned.texts[0]


def test_a_full_disk_is_one_warning(small_disk, warned, capfd):
    tracker = WeightsAndBiases()
    for trial in range(3):
        log = tracker.start_trial(study="s", trial=trial, config={}, folder=small_disk)
        log.log_epoch(0, {"auc": 0.5})
        while not list(small_disk.glob("wandb/offline-run-*/*.wandb")):
            time.sleep(0.01)
        with (small_disk / f"rest-{trial}").open("wb", buffering=0) as rest, contextlib.suppress(OSError):
            while rest.write(bytes(4096)):
                pass
        log.finish("complete", summary={})
    tracker.close(60)
    assert len(warned.texts) == 1
    assert "No space left on device" in warned.texts[0]
    assert capfd.readouterr() == ("", "")


HANGING = """
import time
from pathlib import Path
while not Path({str_opened!r}).exists():
    time.sleep(0.02)
raise ImportError("late")
"""
"""A package that hangs until a file is there."""


@pytest.fixture
def other_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put another package in the place of wandb, for processes that start from now on."""

    def put(code: str) -> None:
        place = tmp_path / "packages" / "wandb"
        place.mkdir(parents=True)
        (place / "__init__.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", f"{place.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    return put


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise ModuleNotFoundError('No module named wandb')", "ModuleNotFoundError: No module named wandb"),
        ("import os\nos._exit(3)", "its process ended with exit code 3"),
        ("def setup(**_): raise RuntimeError('no\\nway')\ndef Settings(**_): pass", "RuntimeError: no"),
    ],
    ids=["missing", "dies", "raises"],
)
def test_a_wandb_that_does_not_work_is_one_warning(tmp_path, warned, other_wandb, code, why):
    other_wandb(code)
    tracker = WeightsAndBiases()
    for trial in range(3):
        log = tracker.start_trial(study="s", trial=trial, config={"lr": 1}, folder=tmp_path)
        log.log_epoch(0, {"auc": 0.5})
        log.finish("complete", summary={"auc": 0.5})
    tracker.close(60)
    assert warned.texts == [f"Weights & Biases cannot log ({why}). The sweep continues without it."]
    lost = read_lines(RunFolder(tmp_path).not_recorded).whole
    assert [line["what"] for line in lost] == [0, 1, 2]
    for line in lost:
        expected = {"state": "complete", "epochs": [{"auc": 0.5, "epoch": 0}], "summary": {"auc": 0.5}}
        assert expected.items() <= line.items()
        assert line["about"]["config"] == {"lr": 1}
    [said] = describe_losses(tmp_path)
    assert said.startswith(f"Weights & Biases could not record 3 trials ({why}).")


def test_close_waits_for_a_bounded_time(tmp_path, warned, other_wandb):
    opened = tmp_path / "opened"
    other_wandb(HANGING.format(str_opened=str(opened)))
    tracker = WeightsAndBiases()
    log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    log.log_epoch(0, {"auc": 0.5})
    tracker.log_study(StudyRecord(study="s", folder=tmp_path, summary={"auc": 0.9}))
    tracker.close(0.2)
    assert "may be incomplete" in warned.texts[0]
    lost = read_lines(RunFolder(tmp_path).not_recorded).whole
    assert {line["what"]: line["why"] for line in lost} == dict.fromkeys((0, "study"), "not done within 0.2 s")
    assert lost[-1]["summary"] == {"auc": 0.9}
    opened.touch()  # which is not reached where that waits for W&B
    tracker.close(60)


def test_what_is_logged_after_a_close_that_timed_out_is_recorded(tmp_path, read_runs):
    tracker = WeightsAndBiases()
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).finish("complete", summary={})
    tracker.close(0)
    tracker.log_study(StudyRecord(study="s", folder=tmp_path, summary={"auc": 0.9}))
    tracker.close(60)
    assert set(read_runs(tmp_path)) == {"trial 0", "s"}
    assert describe_losses(tmp_path) == []


def test_without_network_runs_are_kept_offline(tmp_path):
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1:9 login user password {'a' * 40}\n")
    said = track_three(
        tmp_path,
        tmp_path,
        WANDB_BASE_URL="http://127.0.0.1:9",
        NETRC=str(tmp_path / "netrc"),
        WANDB_INIT_TIMEOUT="1",
    ).splitlines()
    assert len(said) == 1
    assert "cannot be reached" in said[0]
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 3


def test_disabled_does_nothing(tmp_path):
    assert track_three(tmp_path, tmp_path, WANDB_MODE="disabled") == ""
    assert not (tmp_path / "wandb").exists()


def test_online_without_login_is_offline_with_a_warning(tmp_path):
    said = track_three(tmp_path, tmp_path, WANDB_MODE="online").splitlines()
    assert [text.split(":")[0] for text in said] == ["Weights & Biases is not logged in"]
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 3


def test_sync_without_login_says_what_to_do(tracked):
    with pytest.raises(TunerError, match=r"Sending 3 runs needs .* `wandb login`"):
        sync_runs(tracked)


def test_sync_of_nothing_is_nothing(tmp_path):
    assert sync_runs(tmp_path) == 0


def test_a_service_that_a_parent_left_is_not_asked(tmp_path):
    said = track_three(tmp_path, tmp_path, WANDB_SERVICE="3-999999-unix-NOWHERE/socket")
    assert said == ""
    assert len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 3


NAMES = ("epoch", "state", "seed", "resumes", "reason", "validation_auc", "best_validation_auc", "figure", "lr",
         "network.lr", "a/b", "tag", "value", "number", "Ümlaut", "_step", "wandb")  # fmt: skip


def suggest_names(trial):
    chosen = {name: trial.suggest_float(name, 0.25 + number, 0.75 + number) for number, name in enumerate(NAMES)}
    return make_settings(lr=1e-3 * chosen["lr"], batch_size=128)


def test_parameters_may_have_the_names_of_our_figures(tmp_path, read_runs):
    study = make_study(trials=1, epochs=2, n_events=600, search_space=suggest_names)
    memory, tracker = Memory(), WeightsAndBiases()
    search = tuner.sweep(study, folder=tmp_path / "w", tracker=tracker, workers=1)
    tuner.sweep(study, folder=tmp_path / "m", tracker=memory, workers=1)
    params = dict(search.trials[0].params)
    assert set(params) == set(NAMES)
    run, record = read_runs(search.folder.path)["trial 0"], memory.trials["small", 0]
    seed = derive_seed(0, 0, purpose=1)
    for config in (run["config"], record.config):
        assert {name: config[name] for name in NAMES} == pytest.approx(params)
        assert {"seed": seed, "resumes": 0}.items() <= config["tuner"].items()
    curve = search.curve(0)
    assert [row["epoch"] for row in run["epochs"][:2]] == list(curve["epoch"]) == [1, 2]
    assert [row["validation_auc"] for row in run["epochs"][:2]] == pytest.approx(list(curve["validation_auc"]))
    assert record.curve["validation_auc"].to_numpy() == pytest.approx(curve["validation_auc"].to_numpy())
    assert (run["summary"]["state"], record.state) == ("complete", "complete")
    assert run["summary"]["figure"] == pytest.approx(search.trials[0].figure)
    table = tabulate_trials(search.trials)
    assert table["state"][0] == "complete"
    assert table["state (parameter)"][0] == params["state"]
    assert table["number"][0] == 0


def test_a_password_on_the_command_line_is_in_no_file_of_wandb(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tuner", "sweep", "--storage", "postgresql://u:hush5@host/db"])
    tracker = WeightsAndBiases()
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).finish("complete", summary={})
    tracker.close(60)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in written)
    assert not [path for path in written if b"hush5" in path.read_bytes()]
