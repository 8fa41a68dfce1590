from __future__ import annotations

from tuner.trackers import Memory


def test_keeps_everything_of_a_trial(tmp_path):
    tracker = Memory()
    log = tracker.start_trial(study="s", trial=2, config={"lr": 1}, folder=tmp_path, tags=["t"])
    log.log_epoch(1, {"auc": 0.8})
    log.log_epoch(0, {"auc": 0.7})
    log.finish("pruned", summary={"auc": 0.8}, pictures={"roc": tmp_path / "roc.png"}, reason="slow")
    record = tracker.trials["s", 2]
    assert record.curve.to_dict("list") == {"epoch": [0, 1], "auc": [0.7, 0.8]}
    assert (record.config, record.tags, record.state, record.reason) == ({"lr": 1}, ("t",), "pruned", "slow")
    assert record.summary == {"auc": 0.8}
    assert record.pictures == {"roc": tmp_path / "roc.png"}


def test_a_trial_started_again_goes_on(tmp_path):
    tracker = Memory()
    for epoch in (0, 1):
        tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path).log_epoch(epoch, {"auc": 0.5})
    assert list(tracker.trials["s", 0].epochs) == [0, 1]


def test_open_trials_are_interrupted_by_close(tmp_path):
    tracker = Memory()
    tracker.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    tracker.start_trial(study="s", trial=1, config={}, folder=tmp_path).finish("complete", summary={})
    tracker.close()
    assert [record.state for record in tracker.trials.values()] == ["interrupted", "complete"]
