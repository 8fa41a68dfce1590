from __future__ import annotations

from tuner.checked_files import read_more_lines
from tuner.run_folder import RunFolder
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


def test_a_list_is_read_once_and_then_what_is_new_of_it(tmp_path, monkeypatch):
    for number in range(50):
        note_loss(tmp_path, "MLflow", number, "no server", {"config": "x" * 1000})
    read = []

    def count(path, start):
        read.append(path.stat().st_size - start)
        return read_more_lines(path, start)

    monkeypatch.setattr("tuner.trackers.not_recorded.read_more_lines", count)
    for number in range(100, 200):
        note_recovery(tmp_path, "MLflow", number)
    assert read == [RunFolder(tmp_path).not_recorded.stat().st_size]
    note_recovery(tmp_path, "MLflow", 49)
    assert describe_losses(tmp_path)[0].startswith("MLflow could not record 49 trials (")
    assert read[1:] == [read[1]] and read[1] < 1000


def test_a_list_that_is_put_aside_is_begun_anew(tmp_path):
    path = RunFolder(tmp_path).not_recorded
    note_loss(tmp_path, "MLflow", 3, "no server", {})
    assert len(describe_losses(tmp_path)) == 1
    path.rename(tmp_path / "aside")
    assert describe_losses(tmp_path) == []
    note_loss(tmp_path, "MLflow", STUDY, "no server" * 100, {})
    assert describe_losses(tmp_path)[0].startswith("MLflow could not record the study as a whole (")


def test_a_line_that_another_process_has_not_finished_is_read_once_it_is_whole(tmp_path):
    path = RunFolder(tmp_path).not_recorded
    note_loss(tmp_path, "MLflow", 3, "no server", {})
    note_loss(tmp_path, "MLflow", 4, "no server", {})
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert describe_losses(tmp_path)[0].startswith("MLflow could not record 1 trial (")
    path.write_bytes(whole)
    assert describe_losses(tmp_path)[0].startswith("MLflow could not record 2 trials (")


def test_a_folder_that_cannot_be_written_raises_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    assert not note_loss(tmp_path / "file", "MLflow", 1, "why", {})
