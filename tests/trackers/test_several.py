from __future__ import annotations

from tuner.trackers import Memory, Several, StudyRecord, Tracker


def test_each_tracker_is_told_everything(tmp_path):
    several = Several([Memory(), Memory()])
    assert isinstance(several, Tracker)
    log = several.start_trial(study="s", trial=3, config={"lr": 1}, folder=tmp_path, tags=("a",), resumes=2)
    log.log_epoch(1, {"auc": 0.5})
    log.finish("complete", summary={"auc": 0.5}, notes="n", reason="r", pictures={"roc": tmp_path / "roc.png"})
    several.start_trial(study="s", trial=4, config={}, folder=tmp_path)
    several.log_study(StudyRecord(study="s", folder=tmp_path))
    several.close(5)
    first, second = several.trackers
    assert first.trials == second.trials
    assert [first.trials["s", number].state for number in (2, 4)] == ["complete", "interrupted"]
    assert list(second.studies) == ["s"]
