"""A disk that is full is told of in one sentence; a search pauses, and nothing is torn when it goes on."""

import os
import threading

import optuna
import pytest
from samples import make_study

import tuner
from tuner import checked_files
from tuner.checked_files import append_line, read_lines, wait_for_space, write_json
from tuner.errors import FolderError
from tuner.trackers import NoTracker


def fill(place, *, leave=0):
    """Fill a disk but for a few bytes; return the file that does."""
    rest = place / "rest"
    with rest.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
        if leave:
            file.truncate(max(0, file.seek(0, os.SEEK_END) - leave))
    return rest


@pytest.fixture
def free_when_told(monkeypatch):
    """Remove a file at the second look at a full disk."""

    def arrange(rest):
        pauses = []

        def sleep(seconds):
            pauses.append(seconds)
            if len(pauses) == 2:
                rest.unlink()

        monkeypatch.setattr("tuner.checked_files.time.sleep", sleep)
        return pauses

    return arrange


def test_what_is_written_waits_for_space_and_is_whole(small_disk, free_when_told, caplog):
    log, content = small_disk / "log.jsonl", {"text": "x" * 20_000}
    append_line(log, {"n": 1})
    rest = fill(small_disk, leave=8192)
    with pytest.raises(FolderError, match="Free some space"):
        append_line(log, content)
    assert read_lines(log) == checked_files.Lines(({"n": 1},), ())
    pauses = free_when_told(rest)
    with wait_for_space():
        append_line(log, content)
        write_json(small_disk / "a.json", content)
    assert pauses == sorted(pauses)
    assert read_lines(log) == checked_files.Lines(({"n": 1}, content), ())
    paused, went_on = caplog.messages
    assert "is full (No space left on device): this pauses until there is space" in paused
    assert "There is space again" in went_on
    assert sorted(path.name for path in small_disk.iterdir()) == ["a.json", "log.jsonl"]


def test_a_search_goes_on_once_there_is_space(small_disk, caplog, monkeypatch):
    """Another process fills the disk while trials run, and frees it later; plain Optuna reads what came of it."""
    monkeypatch.setattr("tuner.checked_files.SHORTEST_PAUSE", 0.05)
    monkeypatch.setattr("tuner.checked_files.LONGEST_PAUSE", 0.05)
    told = threading.Event()

    class Filling(NoTracker):
        def start_trial(self, **about):
            if about["trial"] == 1:
                rest = fill(small_disk)
                threading.Timer(1.0, lambda: (told.set(), rest.unlink())).start()
            return super().start_trial(**about)

    study = make_study(trials=3, n_events=400)
    search = tuner.sweep(study, folder=small_disk, device="cpu", workers=1, tracker=Filling())
    assert told.is_set()
    assert [trial.state for trial in search.trials] == ["complete"] * 3
    assert len(search.curve(2)) == 3
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(search.folder.journal)))
    (plain,) = optuna.get_all_study_summaries(journal)
    assert plain.n_trials == 3
    assert sum("this pauses until there is space" in message for message in caplog.messages) == 1
