"""Leases: a living worker keeps its trials, a dead one's are given to others."""

import os
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState

from tuner.tune.leases import RESUMES, WORKER, Lease, find_workers, give_back, name_host, reap_trials
from tuner.tune.storage import open_storage

CHILD = """
import sys, time, optuna
from pathlib import Path
from tuner.tune.leases import Lease, WORKER
from tuner.tune.storage import open_storage
study = optuna.load_study(study_name="s", storage=open_storage(Path(sys.argv[1])))
with Lease(study) as lease:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr(WORKER, lease.worker)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def study(tmp_path):
    return optuna.create_study(study_name="s", storage=open_storage(tmp_path / "journal.log"))


def ask(study, lease):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    trial.set_user_attr(WORKER, lease.worker)
    return trial


def test_a_living_worker_keeps_its_trials(study):
    with Lease(study) as lease:
        ask(study, lease)
        assert find_workers(study.user_attrs) == {lease.worker: True}
        assert reap_trials(study) == []
    assert find_workers(study.user_attrs) == {}


def test_a_killed_worker_loses_its_trials_at_once_and_they_are_tried_again(study, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "journal.log")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        assert reap_trials(study) == []
        child.kill()
    assert list(find_workers(study.user_attrs).values()) == [False]
    assert reap_trials(study) == [0]
    trial = study.get_trials()[0]
    assert trial.state == TrialState.FAIL
    assert "died" in trial.user_attrs["tuner:reason"]
    again = study.ask()
    assert again.suggest_float("x", 0, 1) == trial.params["x"]
    assert again.user_attrs[RESUMES] == 0
    assert reap_trials(study) == []


def test_a_silent_worker_of_another_host_counts_as_dead_after_a_while(study):
    lease = {"host": "elsewhere", "pid": os.getpid(), "started": "1", "beat": time.time()}
    assert find_workers({"tuner:worker:w": lease}) == {"w": True}
    assert find_workers({"tuner:worker:w": lease | {"beat": time.time() - 1000}}) == {"w": False}


def test_a_number_given_to_another_process_is_not_the_worker(study):
    lease = {"host": name_host(), "pid": os.getpid(), "started": "1", "beat": time.time()}
    assert find_workers({"tuner:worker:w": lease}) == {"w": False}


DEAD = {"host": "elsewhere", "pid": 1, "started": "1", "beat": 0.0}


def test_a_setting_of_which_three_workers_died_is_not_tried_again(study):
    study.set_user_attr("tuner:worker:dead", DEAD)
    for death in range(3):
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        trial.set_user_attr(WORKER, "dead")
        assert reap_trials(study) == [death]
    assert all(t.state == TrialState.FAIL for t in study.get_trials())
    assert study.get_trials()[2].user_attrs["tuner:reason"].startswith("Its worker died, as 2 before it")
    assert "tuner:interrupted" not in study.get_trials()[2].user_attrs


def test_a_setting_is_put_back_once_with_what_it_was(study):
    study.enqueue_trial({"x": 0.25}, user_attrs={"tuner:warm_start": True})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study.enqueue_trial({"x": 0.25}, user_attrs={"tuner:warm_start": True, RESUMES: 0})  # killed after this line
    give_back(study, trial, "its worker died")
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert len(waiting) == 1
    assert waiting[0].user_attrs["tuner:warm_start"] is True
    assert waiting[0].user_attrs[RESUMES] == 0
