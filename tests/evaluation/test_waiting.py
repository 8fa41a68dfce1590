"""One evaluation at a time, and none of the test part while a worker trains: real processes, which may be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from samples import Shown, make_study

import tuner
from tuner.errors import FolderError
from tuner.evaluation.test_set_log import read_openings
from tuner.evaluation.waiting import hold_alone, wait_for_workers
from tuner.trackers import NoTracker
from tuner.tuning.evaluation_settings import EvaluationSettings
from tuner.tuning.heartbeats import Lease

ROOT = Path(__file__).parents[2]
QUICK = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)
EVALUATE = """
import sys
from samples import make_study
import tuner
from tuner.run_folder import RunFolder
from tuner.tuning.evaluation_settings import EvaluationSettings

quick = EvaluationSettings(bag=None, refit=False, finalists=1, seeds=1, baseline_trials=0, replicas=20)
study = make_study(trials=1, epochs=1, n_events=800, evaluation=quick)
search = tuner.Search(study, RunFolder(tuner.run_folder.Path(sys.argv[1])))
print(tuner.evaluate(search).to_json())
"""
TRAIN = """
import sys
import optuna
from tuner.tuning.heartbeats import Lease
from tuner.tuning.storage import open_storage
from pathlib import Path

study = optuna.load_study(study_name="small", storage=open_storage(Path(sys.argv[1]) / "journal.log"))
with Lease(study):
    print("trains")
    sys.stdin.read()
"""
HOLD = """
import sys
from pathlib import Path
from tuner.evaluation.waiting import hold_alone

with hold_alone(Path(sys.argv[1]) / ".evaluation.lock", lambda: None):
    print("holds")
    sys.stdin.read()
"""
WAIT = """
import sys
import tuner
from samples import make_study
from tuner.evaluation.waiting import wait_for_workers
from tuner.run_folder import RunFolder

wait_for_workers(tuner.Search(make_study(), RunFolder(tuner.run_folder.Path(sys.argv[1]))), print)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    study = make_study(trials=1, epochs=1, n_events=800, evaluation=QUICK)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("runs"), tracker=NoTracker(), workers=1)


@pytest.fixture
def search(swept):
    """The search, not evaluated."""
    swept.folder.evaluation.unlink(missing_ok=True)
    swept.folder.openings.unlink(missing_ok=True)
    return swept


@contextmanager
def start(search, program):
    """Run a program that has the search; it does not outlive the context."""
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program, str(search.folder.path)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_two_at_once_open_the_test_part_once_and_find_the_same(search):
    with start(search, EVALUATE) as one, start(search, EVALUATE) as other:
        said = [process.communicate(timeout=120) for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert said[0][0] == said[1][0]
    (opening,) = read_openings(search)
    assert opening.reason == "first evaluation"


def test_who_is_killed_while_it_evaluates_keeps_nobody_out(search):
    waits = []
    with start(search, HOLD) as process:
        assert process.stdout.readline() == "holds\n"
        found = threading.Thread(target=lambda: waits.append(tuner.evaluate(search, display=Shown(waits.append))))
        found.start()
        while not waits:
            time.sleep(0.05)
        assert "Another process evaluates this search" in waits[0]
        assert not search.folder.openings.exists()
        process.send_signal(signal.SIGKILL)
        found.join(timeout=60)
    assert waits[-1].opening == 1


def test_the_test_part_stays_closed_while_a_worker_trains(search):
    """The worker is another process; what it has trained counts in the judgement."""
    with start(search, TRAIN) as worker:
        assert worker.stdout.readline() == "trains\n"
        told = []
        assert tuner.evaluate(search, open_test=False, display=Shown(told.append)).opening is None
        thread = threading.Thread(target=lambda: told.append(tuner.evaluate(search, display=Shown(told.append))))
        thread.start()
        while not any("test part stays closed" in str(line) for line in told):
            time.sleep(0.05)
        time.sleep(1.5)
        assert read_openings(search) == ()
        worker.communicate(timeout=60)
        thread.join(timeout=60)
    assert told[-1].opening == 1
    (waiting,) = (line for line in told if "test part stays closed" in str(line))
    assert waiting.startswith("1 worker still trains this study: ")


def test_the_test_part_stays_closed_while_a_worker_trains_that_began_during_another_evaluation(search):
    told = []
    with start(search, HOLD) as holding:
        assert holding.stdout.readline() == "holds\n"
        thread = threading.Thread(target=lambda: told.append(tuner.evaluate(search, display=Shown(told.append))))
        thread.start()
        while not told:
            time.sleep(0.05)
        assert "Another process evaluates this search" in told[0]
        with start(search, TRAIN) as worker:
            assert worker.stdout.readline() == "trains\n"
            holding.communicate(timeout=60)
            while not any("test part stays closed" in str(line) for line in told):
                assert thread.is_alive(), "it was opened"
                time.sleep(0.05)
            assert read_openings(search) == ()
            worker.communicate(timeout=60)
            thread.join(timeout=60)
    assert told[-1].opening == 1


def test_a_worker_that_was_killed_is_not_waited_for(search):
    with start(search, TRAIN) as worker:
        assert worker.stdout.readline() == "trains\n"
        assert sum(search.workers.values()) == 1
        worker.send_signal(signal.SIGKILL)
        worker.wait(timeout=30)
    assert tuner.evaluate(search).opening == 1


def test_ctrl_c_ends_the_waiting(search):
    with Lease(search.optuna_study), start(search, WAIT) as process:
        while "stays closed" not in process.stdout.readline():
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in err.splitlines()[-1]


def test_a_lock_that_cannot_be_is_told(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(FolderError, match=r'lock" must be a file that can be locked'),
        hold_alone(tmp_path / "lock", int),
    ):
        pass


def test_nobody_to_wait_for_is_no_line(search, tmp_path):
    told = []
    wait_for_workers(search, told.append)
    with hold_alone(tmp_path / "made" / "lock", lambda: told.append("waits")):
        pass
    assert told == []
