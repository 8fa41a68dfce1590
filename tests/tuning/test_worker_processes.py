"""Workers that are killed, crash or leave early: what is blamed, what is replaced, and where it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from samples import make_study

import tuner
from tuner.errors import SearchError, StudyError
from tuner.launchers.local import launch
from tuner.progress.display import NoDisplay
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.training.pack import Pack
from tuner.tuning.samplers import describe_sampler
from tuner.tuning.search import Search
from tuner.tuning.search_clock import SearchClock
from tuner.tuning.storage import open_storage
from tuner.tuning.study_file import load_study
from tuner.tuning.sweep import run_sweep
from tuner.tuning.trial_attributes import (
    claim,
    enqueue_warm_start,
    read_leases,
    write_budget,
    write_lease,
    write_stopped,
)
from tuner.tuning.trial_states import TrialStates
from tuner.tuning.worker_processes import work_in_processes

STUDY = """
import os, signal, sys, time
from dataclasses import dataclass
from torch import nn
from samples import make_study
from tuner import Checkpoints, Settings, TrainingSettings, search_space


class Network(nn.Module):
    def __init__(self, d_in, code):
        super().__init__()
        self.layer, self.code = nn.Linear(d_in, 1), code

    def forward(self, x):
        exec(self.code)
        return self.layer(x).squeeze(-1)


@dataclass(frozen=True)
class NetworkSettings:
    code: str

    def build(self, d_in):
        return Network(d_in, self.code)


@search_space(warm_starts=[{{"lr": 0.0123}}])
def suggest(trial):
    {in_space}
    lr = trial.suggest_float("lr", 1e-3, 1e-1)
    network = NetworkSettings({in_network!r} if lr == 0.0123 else "pass")
    return Settings(network=network, training=TrainingSettings(lr=lr, batch_size=256))


study = make_study(
    name="deadly", trials={trials}, epochs=2, n_events=800, search_space=suggest, checkpoints={checkpoints}
)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("tuner.tuning.worker_processes.STATUS_SECONDS", 0.1)
    tests = str(Path(__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([tests, str(Path(tests).parent)]))


def write_study(tmp_path, *, trials, in_space="pass", in_network="pass", checkpoints="Checkpoints()"):
    """Write a study with code of its own in its search space, or in the network of its first setting."""
    path = tmp_path / "deadly.py"
    path.write_text(STUDY.format(in_space=in_space, in_network=in_network, trials=trials, checkpoints=checkpoints))
    return path


def test_a_setting_that_ends_the_only_worker_is_found_alone_and_fails(tmp_path, caplog):
    """By a segmentation fault, then by `os._exit`: the command, which watches the worker, outlives both."""
    mark = str(tmp_path / "mark")
    in_network = (
        f"import ctypes; os._exit(0) if os.path.exists({mark!r}) else (open({mark!r}, 'w'), ctypes.string_at(0))"
    )
    path = write_study(tmp_path, in_network=in_network, trials=2)
    search = run_sweep(
        load_study(path),
        folder=tmp_path / "runs",
        workers=1,
        device="cpu",
        tracker=NoTracker(),
        apart=True,
    )
    assert not search.folder.wandb.exists()
    states = [trial.state for trial in search.trials if trial.params.get("lr") != 0.0123]
    assert [state for state in states if state != "interrupted"] == ["complete"] * 2
    *tries, last = [trial for trial in search.trials if trial.params.get("lr") == 0.0123]
    assert {trial.state for trial in tries} == {"interrupted"}
    assert last.state == "failed"
    assert last.reason.startswith("Its worker ended with exit code 0 each time that this setting trained alone")
    *ends, failure = caplog.messages
    assert "was ended by SIGSEGV" in ends[0]
    assert all("ended with exit code 0" in message for message in ends[1:])
    assert tries[0].reason == "Its worker was ended by SIGSEGV."
    assert failure == f"Trial {last.number} failed: {last.reason}"


@pytest.mark.parametrize("place", ["in_network", "in_space"])
def test_sys_exit_in_the_users_code_fails_the_trial_and_ends_no_worker(tmp_path, place):
    code = "sys.exit(0)" if place == "in_network" else "if trial.number == 0: sys.exit(0)"
    path = write_study(tmp_path, trials=2, **{place: code})
    search = tuner.sweep(load_study(path), folder=tmp_path / "runs", workers=1, device="cpu", tracker=NoTracker())
    assert [trial.state for trial in search.trials] == ["failed", "complete", "complete"]
    assert "must not end the program, but called `sys.exit(0)`" in search.trials[0].reason


def test_sys_exit_in_a_study_file_is_told(tmp_path):
    path = tmp_path / "leaving.py"
    path.write_text("import sys\nsys.exit()\n")
    with pytest.raises(StudyError, match=r"must not end the program.*leaving\.py:2"):
        load_study(path)


@pytest.fixture
def search(tmp_path):
    folder = RunFolder(tmp_path).create()
    optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    return Search(make_study(), folder)


def work(search, program, *, workers=2):
    command = [sys.executable, "-c", program, str(search.folder.journal)]

    def start():
        return launch(command, workers=workers, folder=search.folder)

    return work_in_processes(search, start, workers, NoDisplay(), SearchClock(search), gpus=False)


@pytest.mark.parametrize("code", [1, 0])
def test_workers_that_end_before_they_begin_are_an_error_with_what_they_said(search, code, caplog):
    with pytest.raises(SearchError, match=rf"all 2 ended while 4 of 4 trials(?s:.*)exit code {code}(?s:.*)no such"):
        work(search, f"print('no such study'); raise SystemExit({code})")
    assert len(caplog.messages) == 2


WORKER = """
import os, sys, time, optuna, signal
from pathlib import Path
from optuna.trial import TrialState
from filelock import FileLock
from tuner.tuning.heartbeats import Lease, reap_trials
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import claim, write_reason
study = optuna.load_study(study_name="small", storage=open_storage(Path(sys.argv[1])))
def is_first(name):
    try:
        os.close(os.open(Path(sys.argv[1]).with_name(name), os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False
def train(n=1):
    for _ in range(n):
        trial = study.ask()
        claim(trial, lease.worker)
        study.tell(trial, trial.suggest_float("x", 0, 1))
def n_told():
    return len(study.get_trials(states=(TrialState.COMPLETE,)))
with Lease(study) as lease:
    reap_trials(study, FileLock(Path(sys.argv[1]).with_name(".lock")))
"""


def test_a_worker_that_leaves_early_is_replaced(search):
    work(search, WORKER + "    train()", workers=1)
    assert [trial.state for trial in search.trials] == ["complete"] * 4


def test_workers_that_leave_and_leave_with_nothing_done_are_told_of(search, caplog):
    work(search, WORKER + "    pass")
    assert caplog.messages == ["The workers ended while 4 of 4 trials were left."]


def test_a_killed_worker_is_replaced_and_its_trial_goes_on(search, caplog):
    program = WORKER + (
        "    if is_first('one'):\n"
        "        trial = study.ask(); trial.suggest_float('x', 0, 1); claim(trial, lease.worker)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    train(4)\n"
    )
    work(search, program, workers=1)
    assert [trial.state for trial in search.trials] == ["interrupted", *["complete"] * 4]
    assert search.trials[0].params == search.trials[1].params
    assert len(caplog.messages) == 1
    assert "was ended by SIGKILL" in caplog.messages[0]


def test_a_trial_lost_between_asking_and_claiming_does_not_end_the_sweep_early(search, monkeypatch):
    monkeypatch.setattr("tuner.tuning.heartbeats.ORPHAN_SECONDS", 1.0)
    program = (
        f"import tuner.tuning.heartbeats as leases; leases.ORPHAN_SECONDS = 1.0\n{WORKER}"
        "    if is_first('one'):\n"
        "        study.ask()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    running = len(study.get_trials(states=(TrialState.RUNNING,)))\n"
        "    train(4 - n_told() - running)\n"
    )
    work(search, program, workers=1)
    assert [trial.state for trial in search.trials] == ["interrupted", *["complete"] * 4]


def test_the_sweep_waits_for_trials_of_workers_elsewhere(search, caplog):
    """The worker of this sweep has nothing to do, as one of another machine trains what is left: no end before it."""
    study = search.optuna_study
    write_lease(study, "elsewhere", {"host": "elsewhere", "pid": 1, "started": "1", "beat": 1e12})
    taken = [study.ask() for _ in range(4)]
    for trial in taken:
        claim(trial, "elsewhere")
    other = optuna.load_study(study_name="small", storage=open_storage(search.folder.journal))
    thread = threading.Timer(1.5, lambda: [other.tell(trial.number, 0.5) for trial in taken])
    thread.start()
    work(search, WORKER + "    pass")
    thread.join()
    assert [trial.state for trial in search.trials] == ["complete"] * 4
    assert caplog.messages == []


def test_no_worker_is_started_in_vain_where_the_sampler_has_stopped(search, caplog):
    """The last trials are in training elsewhere: a worker that finds nothing to do is not replaced by another."""
    sampler = optuna.samplers.GridSampler({"x": [0.0, 1.0]})
    search = Search(make_study(sampler=sampler), search.folder)
    study = search.optuna_study
    write_stopped(study, describe_sampler(sampler))
    write_lease(study, "elsewhere", {"host": "elsewhere", "pid": 1, "started": "1", "beat": 1e12})
    trial = study.ask()
    claim(trial, "elsewhere")
    other = optuna.load_study(study_name="small", storage=open_storage(search.folder.journal))
    thread = threading.Timer(6.0, lambda: other.tell(trial.number, 0.5))
    thread.start()
    work(search, WORKER + "    pass", workers=1)
    thread.join()
    assert [trial.state for trial in search.trials] == ["complete"]
    assert caplog.messages == []
    assert len(read_leases(study)) == 2


def test_where_every_setting_ends_its_worker_the_search_stops(search):
    program = WORKER + (
        "    trial = study.ask()\n"
        "    write_reason(study, trial, 'It crashed.')\n"
        "    study.tell(trial, state=TrialState.FAIL)\n"
        "    os._exit(3)\n"
    )
    with pytest.raises(SearchError, match=r"[45] trials failed and 0 did not.*It crashed"):
        work(search, program)


SLOW = """
calls = globals().setdefault('calls', [])
calls.append(1)
if 'SLOW' in os.environ and len(calls) > 3:
    print('slow', flush=True)
    time.sleep(3)
"""
"""A network that has one quick epoch, of two steps and a validation, where the environment says so."""


def test_a_preempted_worker_leaves_a_long_epoch_and_another_goes_on_from_the_one_before(tmp_path, monkeypatch):
    path = write_study(tmp_path, trials=4, in_network=SLOW, checkpoints="Checkpoints(seconds=0.001)")
    study = load_study(path)
    search = tuner.sweep(
        replace(study, budget=replace(study.budget, trials=1)),
        folder=tmp_path / "runs",
        workers=1,
        device="cpu",
        tracker=NoTracker(),
    )
    enqueue_warm_start(search.optuna_study, {"lr": 0.0123})
    write_budget(search.optuna_study, trials=400, epochs=2, seed=study.seed)
    command = [sys.executable, "-m", "tuner", "work", str(path), "--folder", str(tmp_path / "runs"), "--device", "cpu"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={**os.environ, "SLOW": ""}, **pipes) as worker:
        assert worker.stdout.readline() == "slow\n"
        for _ in range(2):
            worker.send_signal(signal.SIGUSR1)
        _, err = worker.communicate(timeout=60)
    assert worker.returncode == 75, err
    assert "Stopping within seconds (SIGUSR1)" in err
    assert "Traceback" not in err
    assert not search.folder.wandb.exists()  # as in the sweep
    *_, interrupted, waiting = search.trials
    assert (interrupted.state, interrupted.failure, waiting.state) == ("interrupted", "preemption", "waiting")
    assert TrialStates(search).read(interrupted.number)["age"] == 1
    monkeypatch.setattr(Pack, "begin_epoch", note_epoch(trained := [], Pack.begin_epoch))
    write_budget(search.optuna_study, trials=2, epochs=2, seed=study.seed)
    limited = replace(study, budget=replace(study.budget, trials=2))
    tuner.sweep(limited, folder=tmp_path / "runs", workers=1, device="cpu", tracker=NoTracker())
    assert trained == [1]  # the epoch that was left, and not the one before it
    assert (search.trials[waiting.number].state, search.trials[waiting.number].epochs) == ("complete", 2)
    assert list(search.folder.checkpoints.glob("*.resume.pt")) == []


def note_epoch(ages, train_epoch):
    """Return a method of packs that notes how old its members are before each epoch that it trains."""

    def noting(self):
        ages.extend(member.age for _, member in self.rows)
        return train_epoch(self)

    return noting
