"""Looking at a search that runs: what goes wrong there ends no sweep, and takes little of the time."""

from __future__ import annotations

import threading

import optuna
import pytest
from samples import Shown, make_study

import tuner
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.watching import StatusWatch


class Recording(Shown):
    """A display that keeps every status."""

    def __init__(self):
        super().__init__()
        self.statuses = []

    def update(self, status):
        self.statuses.append(status)


@pytest.fixture
def search(tmp_path) -> Search:
    study = make_study()
    folder = RunFolder(tmp_path / study.name).create()
    optuna.create_study(study_name=study.name, storage=open_storage(folder.journal), direction="maximize")
    return Search(study, folder)


def test_a_storage_that_is_away_is_told_of_once_and_ends_nothing(search, caplog):
    display, journal, away = Recording(), search.folder.journal, search.folder.journal.with_name("away")
    with StatusWatch(search, display, None) as watch:
        watch.look()
        journal.rename(away)
        watch.look()
        watch.look()
        away.rename(journal)
        watch.look()
        journal.rename(away)
    assert len(display.statuses) == 2
    assert [message.split(":")[:2] for message in caplog.messages] == [
        ["The display could not be updated", " FileNotFoundError"]
    ]


def test_a_display_that_fails_ends_no_sweep(tmp_path, caplog):
    class Failing:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, status):
            raise OSError("The terminal is gone.")

    study = make_study(trials=1, epochs=1, n_events=400)
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), display=Failing(), device="cpu")
    assert [trial.state for trial in search.trials] == ["complete"]
    assert "The terminal is gone." in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name == "tuner-display"]


def test_it_does_not_look_again_before_that_is_due(search, monkeypatch):
    display = Recording()
    with StatusWatch(search, display, None) as watch:
        watch.look_when_due()
        monkeypatch.setattr("tuner.tuning.watching.time.monotonic", lambda: watch._due - 0.001)
        watch.look_when_due()
        assert len(display.statuses) == 1
        monkeypatch.setattr("tuner.tuning.watching.time.monotonic", lambda: watch._due)
        watch.look_when_due()
    assert len(display.statuses) == 3
