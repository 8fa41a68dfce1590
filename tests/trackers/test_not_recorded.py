from __future__ import annotations

from tuner.trackers.not_recorded import STUDY, describe_losses, note_loss, note_recovery


def test_what_is_missing_is_counted_by_tracker_until_it_is_recorded(tmp_path):
    assert describe_losses(tmp_path) == []
    for number in (3, 4, 4):
        assert note_loss(tmp_path, "Weights & Biases", number, "disk full", {"summary": {"auc": 0.9}})
    note_loss(tmp_path, "Weights & Biases", STUDY, "no network", {})
    note_loss(tmp_path, "MLflow", 3, "no server", {})
    assert describe_losses(tmp_path) == [
        "Weights & Biases could not record 2 trials and the study as a whole (disk full; 1 other reason). "
        "What is missing there is kept in not_recorded.jsonl.",
        "MLflow could not record 1 trial (no server). What is missing there is kept in not_recorded.jsonl.",
    ]
    for what in (3, 4):
        note_recovery(tmp_path, "Weights & Biases", what)
    note_recovery(tmp_path, "MLflow", 3)
    [said] = describe_losses(tmp_path)
    assert said.startswith("Weights & Biases could not record the study as a whole (no network).")


def test_a_folder_that_cannot_be_written_raises_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    assert not note_loss(tmp_path / "file", "MLflow", 1, "why", {})
