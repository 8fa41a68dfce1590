"""A search that much has happened to, and what the doctor makes of it."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from samples import make_study
from typer.testing import CliRunner

import tuner
from tuner.cli.app import app
from tuner.errors import SearchError
from tuner.trackers import NoTracker
from tuner.tuning.doctor import examine
from tuner.tuning.heartbeats import GONE_SECONDS, find_workers, reap_trials
from tuner.tuning.journal import JournalLock
from tuner.tuning.trial_attributes import claim, read_leases, write_lease

STUDY = make_study(trials=2, epochs=1, n_events=600)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    tuner.sweep(STUDY, folder=folder, tracker=NoTracker())
    return folder


@pytest.fixture
def folder(swept, tmp_path):
    shutil.copytree(swept, tmp_path / "runs")
    return tmp_path / "runs"


def list_codes(found):
    return sorted(finding.code for finding in found)


def empty(path):
    """Leave a file without its content, some minutes ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    os.utime(path, (time.time() - 600,) * 2)


def test_a_sound_search_has_nothing_and_an_unknown_one_is_told(folder):
    for being_written in (".search.json.123", "figures/roc.png"):
        (folder / "small" / being_written).parent.mkdir(exist_ok=True)
        (folder / "small" / being_written).touch()
    assert examine(STUDY, folder=folder) == ()
    with pytest.raises(SearchError, match="holds none"):
        examine(make_study(name="unknown"), folder=folder)


def test_everything_that_is_wrong_is_told_and_then_repaired(folder):
    run = folder / "small"
    search = tuner.open_search(STUDY, folder)
    trial = search.optuna_study.ask()
    claim(trial, "dead")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    owner = JournalLock(run / "journal.log")
    lease = {"host": "other", "pid": gone.pid, "started": "1"}
    write_lease(search.optuna_study, "old", lease | {"beat": time.time() - GONE_SECONDS - 9})
    write_lease(search.optuna_study, "dead", lease | {"beat": time.time() - 999})
    with owner.hold():
        content = json.loads(owner.path.read_text())
    owner.path.write_text(json.dumps(content | {"pid": gone.pid}))
    with (run / "journal.log").open("ab") as file:
        file.write(b'{"op_code": 9, "work')
    shutil.rmtree(run / "splits")
    empty(next((run / "trials").glob("*.png")))
    (run / ".half.json.123").write_text("{")
    os.utime(run / ".half.json.123", (1, 1))
    curve = next((run / "curves").glob("*.csv"))
    curve.write_text(curve.read_text().replace("1", "2"))
    (run / "packs.jsonl").write_text((run / "packs.jsonl").read_text() + '{"torn": ')

    wrong = ["file", "file", "journal", "lock", "partial", "picture", "splits", "trial", "worker"]
    found = examine(STUDY, folder=folder)
    assert list_codes(found) == wrong
    assert not any(finding.fixed for finding in found)
    assert "Trial 2 is marked as running" in " ".join(finding.text for finding in found)
    assert list_codes(examine(STUDY, folder=folder)) == wrong, "looking changes nothing"

    fixed = examine(STUDY, folder=folder, fix=True)
    assert list_codes(fixed) == wrong
    assert all(finding.fixed for finding in fixed), fixed
    assert examine(STUDY, folder=folder) == ()
    search = tuner.open_search(STUDY, folder)
    assert [t.state for t in search.trials] == ["complete", "complete", "interrupted"]
    assert "old" not in read_leases(search.optuna_study)
    assert find_workers(search.optuna_study) == {"dead": False}
    assert (run / "damaged" / "curves" / curve.name).exists()
    assert len(search.splits.train.labels) > 0


def test_a_picture_that_is_being_drawn_or_is_not_ours_is_left_alone(folder):
    run = folder / "small"
    (run / "figures").mkdir(exist_ok=True)
    (run / "figures" / "new.png").touch()
    empty(run / "wandb" / "media" / "old.png")
    assert examine(STUDY, folder=folder, fix=True) == ()
    empty(run / "figures" / "old.png")
    [finding] = examine(STUDY, folder=folder, fix=True)
    assert (finding.code, finding.fixed) == ("picture", True)
    assert sorted(p.name for p in (run / "figures").glob("*.png") if not p.stat().st_size) == ["new.png"]


def test_settings_are_given_back_under_the_lock_of_the_workers(folder, monkeypatch):
    search = tuner.open_search(STUDY, folder)
    claim(search.optuna_study.ask(), "gone")
    write_lease(search.optuna_study, "gone", {"host": "other", "pid": 1, "started": "1", "beat": 0.0})
    told = []

    def reap(study, lock):
        assert lock.lock_file == str(search.folder.lock)
        told.extend(reap_trials(study, lock))

    monkeypatch.setattr("tuner.tuning.doctor.reap_trials", reap)
    assert all(finding.fixed for finding in examine(STUDY, folder=folder, fix=True))
    assert told == [2]


def test_parts_of_other_events_are_not_put_in_the_place_of_lost_ones(folder):
    shutil.rmtree(folder / "small" / "splits")
    [finding] = examine(make_study(trials=2, epochs=1, n_events=700), folder=folder, fix=True)
    assert not finding.fixed
    assert "must give the parts that the trials were trained on" in finding.remedy


def test_the_command_tells_each_in_a_sentence_and_by_its_exit_code(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder.parent / "study.py").write_text(
        "from samples import make_study\nstudy = make_study(trials=2, epochs=1, n_events=600)\n"
    )
    run = CliRunner().invoke
    assert (run(app, ["doctor", "study.py"]).exit_code, run(app, ["doctor", "none.py"]).exit_code) == (0, 2)
    picture = next((folder / "small" / "trials").glob("*.png"))
    empty(picture)
    told = run(app, ["doctor", "study.py", "--json"])
    assert told.exit_code == 1
    answer = json.loads(told.stdout)
    assert (answer["healthy"], answer["findings"][0]["code"]) == (False, "picture")
    told = run(app, ["doctor", "study.py"])
    assert told.stdout.startswith('[wrong] The picture "trials/')
    assert run(app, ["doctor", "study.py", "--fix"]).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Nothing is wrong" in run(app, ["doctor", "study.py"]).stdout


def test_a_journal_that_cannot_be_read_is_told_with_what_saves_it(folder):
    journal = folder / "small" / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"garbage\n", *lines[3:]]))
    [finding] = examine(STUDY, folder=folder, fix=True)
    assert (finding.code, finding.fixed) == ("search", False)
    assert "line 4 is damaged" in finding.text
