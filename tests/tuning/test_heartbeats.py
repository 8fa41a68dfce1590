"""Leases: a living worker keeps its trials, a dead one's are given to others."""

import os
import subprocess
import sys
import time

import optuna
import pytest
from filelock import FileLock, Timeout
from optuna.trial import TrialState

from tuner.launchers.processes import name_host
from tuner.launchers.watchdog_process import HANG_SIGNAL
from tuner.tuning.heartbeats import (
    MAX_KILLS,
    MAX_KILLS_AT_ALL,
    MAX_TRIES,
    Lease,
    find_lease,
    find_workers,
    give_back,
    reap_trials,
    record_exit,
    try_again,
)
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import (
    RESUMES,
    Failure,
    claim,
    enqueue_again,
    enqueue_warm_start,
    is_interrupted,
    is_suspect,
    is_warm_start,
    mark_alone,
    read_failure,
    read_leases,
    read_reason,
    write_lease,
)

CHILD = """
import sys, time, optuna
from pathlib import Path
from tuner.tuning.heartbeats import Lease
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import claim
study = optuna.load_study(study_name="s", storage=open_storage(Path(sys.argv[1])))
with Lease(study) as lease:
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    claim(trial, lease.worker)
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def study(tmp_path):
    return optuna.create_study(study_name="s", storage=open_storage(tmp_path / "journal.log"))


def reap(study, **options):
    return reap_trials(study, FileLock(study._storage._backend.path.with_name(".lock"), **options))


def ask(study, lease):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    claim(trial, lease.worker)
    return trial


def test_a_living_worker_keeps_its_trials(study):
    with Lease(study) as lease:
        ask(study, lease)
        assert find_workers(study) == {lease.worker: True}
        assert reap(study) == []
    assert find_workers(study) == {}


def test_a_killed_worker_loses_its_trials_at_once_and_they_are_tried_again(study, tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "journal.log")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        assert reap(study) == []
        child.kill()
    assert list(find_workers(study).values()) == [False]
    assert reap(study) == [0]
    trial = study.get_trials()[0]
    assert trial.state == TrialState.FAIL
    assert "died" in read_reason(trial)
    again = study.ask()
    assert again.suggest_float("x", 0, 1) == trial.params["x"]
    assert again.user_attrs[RESUMES] == 0
    assert reap(study) == []


def test_trials_are_given_back_by_one_at_a_time(study):
    study.enqueue_trial({"x": 0.25})
    claim(study.ask(), "gone")
    with FileLock(study._storage._backend.path.with_name(".lock")), pytest.raises(Timeout):
        reap(study, timeout=0)
    assert study.get_trials()[0].state == TrialState.RUNNING
    assert reap(study) == [0]


def test_a_silent_worker_of_another_host_counts_as_dead_after_a_while(study):
    lease = {"host": "elsewhere", "pid": os.getpid(), "started": "1", "beat": time.time()}
    write_lease(study, "w", lease)
    assert find_workers(study) == {"w": True}
    write_lease(study, "w", lease | {"beat": time.time() - 1000})
    assert find_workers(study) == {"w": False}


def test_a_number_given_to_another_process_is_not_the_worker(study):
    write_lease(study, "w", {"host": name_host(), "pid": os.getpid(), "started": "1", "beat": time.time()})
    assert find_workers(study) == {"w": False}


DEAD = {"host": "elsewhere", "pid": 1, "started": "1", "beat": 0.0}


def die(study, *, alone, number=0, **lease):
    """Let a worker take the next trial and die with it; return the trial as it stands after."""
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    worker = f"worker-{trial.number}-{number}"
    write_lease(study, worker, DEAD | lease)
    claim(trial, worker)
    if alone:
        mark_alone(trial)
    assert trial.number in reap(study)
    return study.get_trials()[trial.number]


@pytest.mark.parametrize(("code", "how"), [(1, "ended with exit code 1"), (0, "exit code 0"), (-11, "SIGSEGV")])
def test_a_setting_that_ends_its_workers_is_tried_alone_and_fails(study, code, how):
    tries = [die(study, alone=alone, exit=code) for alone in (False, True, True)]
    assert [is_suspect(t) for t in tries] == [False, True, True]
    assert [is_interrupted(t) for t in tries] == [True, True, False]
    assert how in read_reason(tries[2])
    assert study.get_trials(states=(TrialState.WAITING,)) == []


def test_a_setting_that_hangs_alone_fails_at_once(study):
    first, second = (die(study, alone=alone, exit=-HANG_SIGNAL) for alone in (False, True))
    assert [is_interrupted(t) for t in (first, second)] == [True, False]
    assert is_suspect(second)
    assert [read_failure(t) for t in (first, second)] == [Failure.HANG] * 2
    assert read_reason(first) == "Its worker made no progress for too long and was ended."
    assert "made no progress for too long while it trained alone" in read_reason(second)


@pytest.mark.parametrize(
    ("exit_code", "kind"), [({"exit": -9}, "killed worker"), ({"exit": 1}, "crash"), ({}, "killed worker")]
)
def test_a_given_back_trial_says_what_became_of_its_worker(study, exit_code, kind):
    assert read_failure(die(study, alone=False, **exit_code)) == kind


@pytest.mark.parametrize("lease", [{"exit": -9}, {"exit": -15}, {}])
def test_kills_that_meet_others_too_are_not_the_settings_fault(study, lease):
    for _ in range(MAX_KILLS + 2):
        write_lease(study, "other", DEAD | {"beat": time.time(), "exit": -9})
        assert is_interrupted(die(study, alone=True, **lease))
    assert len(study.get_trials(states=(TrialState.WAITING,))) == 1


def test_a_setting_whose_workers_alone_are_killed_is_found_in_the_end(study):
    tries = [die(study, alone=True, exit=-9) for _ in range(MAX_KILLS)]
    assert all(map(is_interrupted, tries[:-1]))
    assert f"killed {MAX_KILLS} times" in read_reason(tries[-1])
    assert study.get_trials(states=(TrialState.WAITING,)) == []


def test_a_worker_that_left_in_order_does_not_excuse_a_setting(study):
    die(study, alone=True, exit=-9)
    gone = DEAD | {"host": name_host(), "beat": time.time(), "left": time.time()}
    write_lease(study, "other", gone)
    tries = [die(study, alone=True, exit=-9) for _ in range(MAX_KILLS - 1)]
    assert f"killed {MAX_KILLS} times" in read_reason(tries[-1])


def test_a_setting_whose_workers_are_killed_twice_is_tried_alone(study):
    tries = [die(study, alone=False, exit=-9) for _ in range(3)]
    assert [is_suspect(t) for t in tries] == [False, False, True]


def test_a_setting_is_tried_three_times_by_workers_that_live(study):
    with Lease(study) as lease:
        tried = [try_again(study, ask(study, lease), "no memory") for _ in range(MAX_TRIES)]
    assert tried == [True, True, False]


def test_no_setting_is_tried_for_ever(study):
    for number in range(MAX_KILLS_AT_ALL):
        write_lease(study, "other", DEAD | {"beat": time.time(), "exit": -9})
        last = die(study, alone=True, number=number, exit=-9)
    assert not is_interrupted(last)


def test_deaths_in_a_pack_are_nobodys_fault(study):
    for _ in range(MAX_KILLS_AT_ALL):
        assert is_interrupted(die(study, alone=False, exit=1))


def test_how_a_process_ended_is_written_to_its_lease(study, tmp_path):
    since = time.time()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "journal.log")], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n"
        worker, lease = find_lease(study, child.pid, since)
        child.kill()
    record_exit(study, child.pid, since, child.returncode)
    assert read_leases(study)[worker] == lease | {"exit": -9}
    assert find_lease(study, child.pid, time.time() + 60) is None  # another process of that number
    record_exit(study, 1234567, since, -9)  # died before it was a worker
    assert list(find_workers(study).values()) == [False, False]


def test_a_trial_that_nobody_claimed_is_given_back_after_a_moment(study, monkeypatch):
    study.enqueue_trial({"x": 0.25})
    study.ask()  # killed before it was claimed, and before the space drew anything
    assert reap(study) == []
    monkeypatch.setattr("tuner.tuning.heartbeats.ORPHAN_SECONDS", 0.0)
    assert reap(study) == [0]
    assert study.ask().suggest_float("x", 0, 1) == 0.25


def test_a_setting_that_goes_on_already_is_not_put_back_again(study):
    """A worker died between putting a setting back and telling its trial; another has taken the setting since."""
    write_lease(study, "dead", DEAD)
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    claim(trial, "dead")
    study.enqueue_trial(trial.params, user_attrs={RESUMES: 0})
    with Lease(study) as lease:
        claim(study.ask(), lease.worker)
        assert reap(study) == [0]
    assert [t.state for t in study.get_trials()] == [TrialState.FAIL, TrialState.RUNNING]


def test_a_setting_is_put_back_once_with_what_it_was(study):
    enqueue_warm_start(study, {"x": 0.25})
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    enqueue_again(study, {"x": 0.25}, trial)  # killed after this line
    give_back(study, trial, "its worker died")
    waiting = study.get_trials(states=(TrialState.WAITING,))
    assert len(waiting) == 1
    assert is_warm_start(waiting[0])
    assert waiting[0].user_attrs[RESUMES] == 0
