"""Every tracker: takes whole trials, several at once, unfinished and odd ones, and never raises."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tuner.trackers import Memory, NoTracker, Tracker, TrialLog, WeightsAndBiases


@pytest.fixture(params=[NoTracker, Memory, WeightsAndBiases], ids=lambda kind: kind.__name__)
def tracker(request: pytest.FixtureRequest) -> Tracker:
    return request.param()


def test_is_a_tracker(tracker, tmp_path):
    assert isinstance(tracker, Tracker)
    assert isinstance(tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path), TrialLog)
    tracker.close()


def test_takes_trials_that_run_at_once(tracker, tmp_path, warned):
    logs = [tracker.start_trial(study="s", trial=n, config={"lr": 0.1 * n}, folder=tmp_path) for n in range(4)]
    for epoch in range(3):
        for log in logs:
            log.log_epoch(epoch, {"train_loss": 1 / (epoch + 1)})
    for log, state in zip(logs, ("complete", "pruned", "failed"), strict=False):
        log.finish(state, summary={"auc": 0.9}, reason="because" if state != "complete" else None)
    tracker.close(60)
    assert not warned.texts


def test_takes_odd_values(tracker, tmp_path, warned):
    config = {"none": None, "path": Path("x"), "<b>": "<i>", "nested": {"a": (1, np.float32(2))}, "n": np.int64(3)}
    log = tracker.start_trial(study="s/ü *", trial=0, config=config, folder=tmp_path, tags=("<a>",))
    log.log_epoch(0, {"train_loss": float("nan"), "validation_auc": np.float64(0.5)})
    log.finish("complete", summary={"auc": np.float32(1), "x": None}, pictures={"gone": tmp_path / "gone.png"})
    tracker.close(60)
    assert not warned.texts


def test_takes_numbers_after_close(tracker, tmp_path):
    n_threads = threading.active_count()
    log = tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    tracker.close(60)
    log.log_epoch(1, {"a": 1.0})
    log.finish("complete", summary={})
    tracker.close(60)
    assert threading.active_count() == n_threads
