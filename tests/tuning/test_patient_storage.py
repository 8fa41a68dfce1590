"""Against a real PostgreSQL server that is stopped and started while trials run."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from samples import make_study

import tuner
from tuner.cli.sweep import tell_work
from tuner.errors import SearchError
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker
from tuner.tuning.heartbeats import STALE_SECONDS, find_workers, reap_trials
from tuner.tuning.patient_storage import StorageAway, find_return, hurry_when, is_away, is_passing, without_waiting
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.sweep import start_search
from tuner.tuning.trial_attributes import read_leases, write_budget, write_lease

STUDY = """
import time
from dataclasses import dataclass

from samples import make_study
from torch import nn
from tuner import Settings, TrainingSettings, search_space


class Pausing(nn.Sequential):
    def forward(self, x):
        if not self.training:
            time.sleep(0.06)
        return super().forward(x)


@dataclass(frozen=True)
class PausingSettings:
    def build(self, d_in):
        return Pausing(nn.Linear(d_in, 1), nn.Flatten(0))


@search_space(structure=())
def suggest(trial):
    return Settings(network=PausingSettings(), training=TrainingSettings(lr=trial.suggest_float("lr", 1e-3, 1e-1)))


study = make_study(name="restarted", trials=1, epochs=5, n_events=600, search_space=suggest)
"""


@pytest.fixture
def answers(postgresql):
    """The server, which runs again afterwards whatever a test did."""
    yield postgresql
    try:
        postgresql.start()
    except RuntimeError:  # it runs
        return


def make(server, tmp_path, patience=60.0):
    url = server.url.replace("+psycopg", "")  # as one types it
    storage = open_storage(tmp_path / "j.log", f"{url}?application_name={tmp_path.name}", patience=patience)
    return optuna.create_study(study_name=str(tmp_path), storage=storage, direction="maximize")


def test_calls_wait_for_a_server_that_restarts_and_say_so_twice(answers, tmp_path, caplog):
    study = make(answers, tmp_path)
    trial = study.ask()
    answers.stop()
    starting = threading.Timer(1.0, answers.start)
    starting.start()
    with without_waiting(study), pytest.raises(SearchError, match="must answer"):
        study.get_trials()
    assert is_away(study)
    trial.suggest_float("x", 0, 1)
    trial.report(0.4, 1)
    study.tell(trial, 0.5)
    starting.join()
    assert not is_away(study)
    assert [t.value for t in study.get_trials()] == [0.5]
    told = [record.message for record in caplog.records if record.name == "tuner"]
    assert len(told) == 2
    assert "does not answer" in told[0]
    assert "tried again for up to 1 min." in told[0]
    assert "answers again" in told[1]
    write_lease(study, "elsewhere", {"host": "other", "pid": 1, "started": 1, "beat": time.time() - STALE_SECONDS - 9})
    assert find_workers(study) == {"elsewhere": True}, "nobody could beat while the storage was away"
    assert time.time() - find_return(study) < 60


def test_after_the_stated_time_the_error_says_what_to_do(answers, tmp_path):
    study = make(answers, tmp_path, patience=0.5)
    answers.stop()
    with pytest.raises(SearchError, match=r"has not for 0\.5 s.*rerun the same command"):
        study.ask()


def test_a_worker_that_is_to_leave_tells_what_it_can_without_its_storage(answers, tmp_path):
    study = make(answers, tmp_path)
    search = Search(make_study(), RunFolder(tmp_path), opened=study)
    assert tell_work(search, signal.SIGINT) == {
        "study": "small",
        "interrupted": True,
        "finished": 0,
        "budget_trials": 4,
    }
    answers.stop()
    hurry_when(study, lambda: True)
    told = {"study": "small", "interrupted": True, "finished": None, "budget_trials": 4}
    assert tell_work(search, signal.SIGTERM) == told
    with pytest.raises(StorageAway):
        tell_work(search, None)


class LostError(Exception):
    """An answer that never came."""


@pytest.mark.parametrize("lost", ["create_new_trial", "set_trial_state_values"])
def test_what_was_done_though_the_answer_was_lost_is_not_done_twice(postgresql, tmp_path, monkeypatch, lost):
    from sqlalchemy.exc import OperationalError

    study = make(postgresql, tmp_path)
    inner, calls = study._storage.inner, []
    method = getattr(inner, lost)

    def lose(*arguments, **options):
        calls.append(arguments)
        given = method(*arguments, **options)
        if len(calls) == 1:
            raise OperationalError("commit", {}, LostError())
        return given

    monkeypatch.setattr(inner, lost, lose)
    trial = study.ask()
    study.tell(trial, 0.5)
    assert calls
    assert [(t.number, t.value) for t in study.get_trials()] == [(0, 0.5)]
    with pytest.raises(UpdateFinishedTrialError):
        study._storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.5])


def test_a_question_that_is_wrong_is_not_asked_again(postgresql, tmp_path):
    study = make(postgresql, tmp_path)
    with pytest.raises(KeyError):
        study._storage.get_trial(10**6)
    engine = study._storage.inner._backend.engine
    with pytest.raises(Exception, match="does_not_exist") as caught, engine.connect() as connection:
        connection.exec_driver_sql("select * from does_not_exist")
    assert not is_passing(caught.value)


class Disturbing(Memory):
    """A tracker that stops the server after the second epoch of the first trial, and starts it after the fourth."""

    def __init__(self, server):
        super().__init__()
        self.server = server
        self.seen = []

    def start_trial(self, **about):
        log = super().start_trial(**about)
        log_epoch = log.log_epoch

        def disturb(epoch, figures):
            log_epoch(epoch, figures)
            self.seen.append(epoch)
            if len(self.seen) == 2:
                self.server.stop()
            if len(self.seen) == 4:
                self.server.start()

        log.log_epoch = disturb
        return log


def test_training_goes_on_while_the_storage_is_away_and_is_told_later(answers, tmp_path):
    tracker = Disturbing(answers)
    study = make_study(name="disturbed", trials=2, epochs=5, n_events=600, pruner=optuna.pruners.NopPruner())
    search = tuner.sweep(study, folder=tmp_path, storage=answers.url, tracker=tracker)
    assert tracker.seen == [1, 2, 3, 4, 5] * 2, "epochs 3 and 4 were trained without a server"
    trials = search.optuna_study.get_trials()
    assert [t.state.name for t in trials] == ["COMPLETE"] * 2
    assert [sorted(t.intermediate_values) for t in trials] == [[1, 2, 3, 4, 5]] * 2


def test_workers_outlive_a_restart_and_lose_nothing(answers, tmp_path, monkeypatch):
    (tmp_path / "restarted.py").write_text(STUDY)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[1]}")
    study = tuner.load_study(tmp_path / "restarted.py")
    search = tuner.sweep(study, folder=tmp_path / "runs", storage=answers.url, workers=1, tracker=NoTracker())
    write_budget(search.optuna_study, trials=8, epochs=5, seed=0)
    command = [sys.executable, "-m", "tuner", "work", "restarted.py", "--tracker", "none", "--storage", answers.url]
    workers = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    while sum("left" not in lease for lease in read_leases(search.optuna_study).values()) < 2:
        assert None in [worker.poll() for worker in workers], workers[0].stderr.read()
        time.sleep(0.05)
    answers.stop("immediate")
    time.sleep(0.5)
    answers.start()
    ended = [(worker.communicate()[1], worker.returncode) for worker in workers]
    assert [code for _, code in ended] == [0, 0], "\n".join(text for text, _ in ended)
    states = Counter(trial.state for trial in search.trials)
    assert states["complete"] + states["pruned"] == 8
    assert set(states) <= {"complete", "pruned", "interrupted"}
    assert sorted(trial.number for trial in search.trials) == list(range(len(search.trials)))
    lines = (tmp_path / "runs" / "restarted" / "tuner.log").read_text().splitlines()
    assert 1 <= sum("does not answer" in line for line in lines) <= 2, "one warning of each worker at the most"


def test_processes_that_are_to_leave_wait_for_no_storage(answers, tmp_path, monkeypatch):
    (tmp_path / "left.py").write_text(STUDY.replace("restarted", "left"))  # a search of its own on the server
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[2]}:{Path(__file__).parents[1]}")
    study = tuner.load_study(tmp_path / "left.py")
    search, _ = start_search(study, RunFolder(tmp_path / "runs" / study.name), answers.url)
    options = ["--trials", "400", "--workers", "2", "--tracker", "none", "--storage", answers.url]
    command = [sys.executable, "-m", "tuner", "sweep", "left.py", *options]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while len(read_leases(search.optuna_study)) < 2 or not search.trials:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        answers.stop("immediate")
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert "Traceback" not in err
    logs = [log.read_text() for log in search.folder.logs.glob("worker-*.log")]
    assert ["are given back once it answers" in log for log in logs] == [True, True], "each left before it was killed"
    answers.start()
    reap_trials(search.optuna_study, FileLock(search.folder.lock))
    assert "running" not in [trial.state for trial in search.trials]
