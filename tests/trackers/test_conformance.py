"""Every tracker: takes whole trials, several at once, resumed, unfinished and odd ones, and never raises.

Those that keep anything are read back by their own readers, and all must have kept the same.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from trackers import reading_back as back

from tuner.trackers import Artifact, StudyRecord, Tracker, TrialLog

# MLflow 3.17 uses a way of loading that SQLAlchemy 2.1 gives up.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")

KINDS = ("NoTracker", "Memory", "JsonLines", "TensorBoard", "MLflow", "MLflow on a server", "WeightsAndBiases")
PACKAGES = {"TensorBoard": "tensorboard", "MLflow": "mlflow", "MLflow on a server": "mlflow"}
NEEDED = {"MLflow": "mlflow_database", "WeightsAndBiases": "read_runs", "MLflow on a server": "mlflow_server"}


@pytest.fixture(scope="module")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return back.make_database(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(scope="module", params=KINDS)
def make_kind(request: pytest.FixtureRequest) -> Callable[[Path], Any]:
    """Make the reader of a kind of tracker for a run folder."""
    if request.param in PACKAGES:
        pytest.importorskip(PACKAGES[request.param])
    needed = [request.getfixturevalue(NEEDED[request.param])] if request.param in NEEDED else []
    reader = getattr(back, f"Of{request.param.replace(' on a server', 'Server')}")

    def make(folder: Path) -> Any:
        made = reader(*needed)
        if hasattr(made, "prepare"):
            made.prepare(folder)
        return made

    return make


@pytest.fixture
def tracker(make_kind, tmp_path) -> Tracker:
    return make_kind(tmp_path).open()


CONFIG = {
    "lr": 0.001,
    "network": {"depth": 3, "activation": "relu"},
    "use_norm": True,
    "n": np.int64(3),
    "x": np.float32(0.5),
    "none": None,
    "path": Path("x"),
    "ünï/<b> *?": "<i>|",
    "shape": (1, np.float32(2)),
    "huge": "a" * 100_000,
}


def make_record(folder: Path, n_trials: int) -> StudyRecord:
    picture, network = folder / "history.png", folder / "network.onnx"
    Figure(figsize=(1, 1)).savefig(picture)
    network.write_bytes(b"onnx")
    table = pd.DataFrame({"number": range(n_trials), "reason": [None, *["a|b"] * (n_trials - 1)], "auc": 0.5})
    return StudyRecord(
        study="a study",
        folder=folder,
        config={"budget": {"trials": n_trials}, "none": None},
        notes=f"# {n_trials} trials",
        tags=("mlp",),
        summary={"test/winner/auc": 0.9 + n_trials / 100, "test/winner/auc/low": np.float64(0.9)},
        history=[{"trials": n, "minutes": n / 2, "best": 0.5 + n / 100} for n in range(1, n_trials + 1)],
        tables={"trials": table, "finalists": table.head(0)},
        pictures={"history": picture, "gone": folder / "gone.png"},
        artifacts=(
            Artifact(name="events", kind="dataset", metadata={"digest": "abc", "n": np.int64(5)}),
            Artifact(name="network", kind="model", files=(network,), aliases=("winner",), made_from=("events",)),
        ),
    )


@dataclass
class Told:
    """What a tracker was told, and what it kept."""

    keeps: bool
    kept: Any


@pytest.fixture(scope="module")
def told(make_kind, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Four trials at once and the study, then two of the trials and the study again with another tracker."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WANDB_MODE", "offline")
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        return tell(make_kind, tmp_path_factory.mktemp("a run folder"))


def tell(make_kind: Callable[[Path], Any], folder: Path) -> Told:
    Figure(figsize=(1, 1)).savefig(folder / "roc.png")
    kind = make_kind(folder)
    pictures = {"roc": folder / "roc.png", "gone": folder / "gone.png", "late": folder / "late.png"}

    def start(tracker: Tracker, trial: int, resumes: int | None = None) -> TrialLog:
        return tracker.start_trial(
            study="a study", trial=trial, config=CONFIG, folder=folder, tags=("mlp", "<b> c"), resumes=resumes
        )

    first = kind.open()
    logs = [start(first, number) for number in range(4)]
    for epoch in range(1, 4):
        for number, log in enumerate(logs):
            log.log_epoch(epoch, {"train_loss": number + epoch / 10, "val/auc": np.float32(0.5), "odd": math.nan})
    logs[0].finish("complete", summary={"auc": np.float32(0.5), "x": None}, pictures=pictures, notes="# Good\n\nü")
    logs[1].finish("pruned", summary={"auc": 0.25, "big": math.inf}, reason="stopped | at epoch 3")
    logs[2].finish("interrupted", summary={}, reason="Ctrl-C")
    first.log_study(make_record(folder, 3))
    (folder / "late.png").write_bytes((folder / "roc.png").read_bytes())
    first.close(60)

    second = kind.open()
    for trial, number in ((4, 2), (5, 3)):
        log = start(second, trial, resumes=number)
        for epoch in range(1, 6):
            log.log_epoch(epoch, {"train_loss": number + epoch / 10, "val/auc": np.float32(0.5), "odd": math.nan})
        log.finish("complete" if number == 2 else "failed", summary={"auc": 0.75}, reason=None if number == 2 else "no")
    second.log_study(make_record(folder, 4))
    second.close(60)
    assert not (folder / "not_recorded.jsonl").exists()
    return Told(kind.keeps, kind.read(folder) if kind.keeps else None)


@pytest.fixture
def kept(told) -> Any:
    if not told.keeps:
        pytest.skip("keeps nothing")
    return told.kept


def test_each_trial_is_kept_once(kept):
    assert sorted(kept.trials) == [0, 1, 2, 3]
    assert [trial.state for _, trial in sorted(kept.trials.items())] == ["complete", "pruned", "complete", "failed"]


def test_curves_are_kept_against_epoch(kept):
    for number, trial in kept.trials.items():
        epochs = range(1, 4 if number < 2 else 6)
        assert sorted(trial.epochs) == list(epochs)
        for epoch in epochs:
            assert trial.epochs[epoch]["train_loss"] == pytest.approx(number + epoch / 10)
            assert trial.epochs[epoch]["val/auc"] == 0.5
            assert math.isnan(trial.epochs[epoch]["odd"])


def test_configurations_are_kept(kept):
    expected = {"lr": "0.001", "network/depth": "3", "network/activation": "relu", "n": "3", "x": "0.5", "path": "x"}
    for trial in kept.trials.values():
        assert expected.items() <= trial.config.items()
        assert any(value.startswith("aaaa") for value in trial.config.values())


def test_how_trials_ended_is_kept(kept):
    assert kept.trials[0].summary["auc"] == 0.5
    assert kept.trials[1].summary["auc"] == 0.25
    assert kept.trials[1].summary["big"] > 1e300
    assert kept.trials[2].summary["auc"] == 0.75
    assert [kept.trials[number].reason for number in (0, 3)] == [None, "no"]
    assert kept.trials[1].reason.replace("\\", "") == "stopped | at epoch 3"
    assert kept.trials[0].notes == "# Good\n\nü"


def test_pictures_are_kept_once_they_are_there(kept):
    assert kept.trials[0].pictures == {"roc", "late"}


def test_the_study_is_kept_once_with_what_was_told_last(kept):
    assert kept.n_studies == 1
    study = kept.study
    assert study.notes == "# 4 trials"
    assert study.summary["test/winner/auc"] == pytest.approx(0.94)
    assert study.summary["test/winner/auc/low"] == pytest.approx(0.9)
    assert study.best == pytest.approx([0.51, 0.52, 0.53, 0.54])
    assert study.tables == {"trials", "finalists"}
    assert study.pictures == {"history"}
    assert study.artifacts == {"events", "network"}


def test_is_a_tracker(tracker, tmp_path):
    assert isinstance(tracker, Tracker)
    assert isinstance(tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path), TrialLog)
    tracker.close(60)


class Unprintable:
    def __str__(self) -> str:
        raise ValueError


def test_takes_odd_values(tracker, tmp_path, warned):
    circle: dict[str, Any] = {"bytes": b"\xff", "half": "\udc80", "object": Unprintable(), 1: {2, 3}, "": 10**400}
    circle["circle"] = circle
    log = tracker.start_trial(study="s/ü *", trial=0, config=circle, folder=tmp_path, tags=("", "<a>" * 100))
    log.log_epoch(0, {"": 1.0, "../up": 2.0, "a//b/": 3.0, "a/b": 4.0, "epoch": 5.0, "sha256": 6.0, "event": 7.0})
    log.log_epoch(1, {"big": 10**400, "none": None, "text": "x", "array": np.zeros(2)})
    log.finish("complete", summary=circle | {"state": 1, "reason": 2}, reason="\udc80", notes="\udc80" * 10_000)
    row = {"trials": 1, "minutes": math.nan, "best": -math.inf, "other": None}
    tracker.log_study(StudyRecord(study="s/ü *", folder=tmp_path, summary=circle, config=circle, history=[row]))
    tracker.close(60)
    assert not warned.texts
    assert not (tmp_path / "not_recorded.jsonl").exists()


def test_takes_numbers_after_close(tracker, tmp_path, warned):
    n_threads = threading.active_count()
    log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    tracker.close(60)
    log.log_epoch(1, {"a": 1.0})
    log.finish("complete", summary={})
    tracker.close(60)
    tracker.close(60)
    assert threading.active_count() == n_threads
    assert not warned.texts


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
def test_a_folder_that_cannot_be_written_is_at_most_one_warning(make_kind, tmp_path, warned, place):
    (tmp_path / "file").write_text("")
    tracker = make_kind(tmp_path).open()
    for trial in range(3):
        log = tracker.start_trial(study="s", trial=trial, config={}, folder=tmp_path / place)
        log.log_epoch(0, {"auc": 0.5})
        log.finish("complete", summary={}, pictures={"gone": tmp_path / "gone.png"})
    tracker.log_study(StudyRecord(study="s", folder=tmp_path / place))
    tracker.close(60)
    assert len(warned.texts) <= 1
