from __future__ import annotations

import threading

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


def test_trackers_are_closed_at_once_and_each_has_the_whole_timeout():
    together, told = threading.Barrier(2, timeout=30), []

    class Meeting(Memory):
        """Is closed only while another one is."""

        def close(self, timeout: float = 10.0) -> None:
            together.wait()
            told.append(timeout)

    Several([Meeting(), Meeting()]).close(5)
    assert told == [5, 5]


def test_no_trackers_at_all_can_be_closed(tmp_path):
    several = Several([])
    several.close(5)
    log = several.start_trial(study="s", trial=0, config={}, folder=tmp_path)
    log.finish("complete", summary={})
    assert log.logs == several.trackers == ()
