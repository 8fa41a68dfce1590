"""A scene of `make torture` counts a result that was there and is gone."""

import optuna

from benchmarks import tortured_study
from benchmarks.torture_scenes import SCENES, Scene, is_harmless, note_seen, play, read_seen
from tuner.tuning.storage import open_storage


def lose_a_result(folder):
    """See two results, and keep one."""
    journal = folder / "runs" / tortured_study.NAME / "journal.log"
    journal.parent.mkdir(parents=True)
    study = optuna.create_study(study_name=tortured_study.NAME, storage=open_storage(journal), direction="maximize")
    for value in (0.5, 0.25):
        trial = study.ask()
        trial.suggest_float("lr", 0, 1)
        study.tell(trial, value)
        note_seen(folder, study.get_trials())
        if value == 0.5:
            kept = journal.read_bytes()
    journal.write_bytes(kept)


def test_a_result_that_was_there_and_is_gone_is_lost(tmp_path, monkeypatch):
    monkeypatch.setitem(SCENES, "loss", Scene(lose_a_result, trials=1))
    monkeypatch.setattr("benchmarks.torture._has_curve", lambda *_: True)
    (tmp_path / "drawn.epochs").touch()
    harm = play("loss", tmp_path)
    assert read_seen(tmp_path) == {0: 0.5, 1: 0.25}
    assert (harm.told, harm.lost) == (1, 1)
    assert not is_harmless(harm, SCENES["loss"])
