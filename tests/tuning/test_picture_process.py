"""The process that draws: what it answers, that it lives and dies as it should, and that it is light."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from tuner.launchers.processes import read_start
from tuner.metrics import Auc
from tuner.metrics.measured_figures import measure_figures
from tuner.tuning.picture_process import PROGRAM, PictureProcess
from tuner.tuning.trial_pictures import PictureJob, ValidationEvents

pytestmark = pytest.mark.usefixtures("real_pictures")

CURVE = [{"epoch": e, "train_loss": 1 / e, "validation_loss": 1 / e, "validation_auc": 1 - 0.5 / e} for e in (1, 2, 3)]
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 500)
SCORES = 0.7 * RNG.random(500) + 0.3 * LABELS
EVENTS = ValidationEvents(
    labels=LABELS, weights=RNG.exponential(size=500), figure_of_merit=Auc(), n_bootstrap=50, seed=3
)
COMPLETE = PictureJob(trial=0, state="complete", curve=CURVE, scores=SCORES, threshold=0.6)
PRUNED = PictureJob(trial=1, state="pruned", curve=CURVE)


@pytest.fixture(scope="module")
def process():
    process = PictureProcess(EVENTS)
    yield process
    assert process.close() == 0


def test_figures_are_those_of_the_evaluation(process):
    drawn = process.draw(COMPLETE)
    assert drawn.problem == ""
    assert drawn.picture.startswith(b"\x89PNG")
    assert drawn.figures == measure_figures(
        LABELS, SCORES, EVENTS.weights, threshold=0.6, figure_of_merit=Auc(), n_bootstrap=50, seed=3
    )


def test_a_trial_without_scores_has_its_curve_drawn(process):
    drawn = process.draw(PRUNED)
    assert (drawn.problem, drawn.figures) == ("", {})
    assert drawn.picture.startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_said_and_the_next_is_drawn(process):
    first = process._process
    drawn = process.draw(PictureJob(trial=2, state="complete", curve=CURVE, scores=np.full(500, np.nan)))
    assert "Scores must be numbers" in drawn.problem
    assert drawn.picture.startswith(b"\x89PNG")
    assert process.draw(PRUNED).problem == ""
    assert process._process is first


def test_a_process_that_is_killed_is_replaced(process):
    process.draw(PRUNED)
    first = process._process.pid
    os.kill(first, signal.SIGKILL)
    assert process.draw(PRUNED).problem == ""
    assert process._process.pid != first


def test_where_none_lives_a_trial_has_no_picture_and_nothing_hangs(monkeypatch):
    monkeypatch.setattr("tuner.tuning.picture_process.PROGRAM", "import sys; sys.exit(3)")
    process = PictureProcess(EVENTS)
    for _ in range(4):
        drawn = process.draw(PRUNED)
        assert "ended" in drawn.problem
        assert drawn.picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("n_events", [500, 500_000], ids=["few events", "more than a pipe holds"])
def test_a_picture_that_takes_for_ever_is_given_up(monkeypatch, n_events):
    monkeypatch.setattr("tuner.tuning.picture_process.MAX_SECONDS", 0.2)
    monkeypatch.setattr("tuner.tuning.picture_process.PROGRAM", "import time; time.sleep(20)")
    process = PictureProcess(replace(EVENTS, labels=np.zeros(n_events, np.int8)))
    assert "SIGKILL" in process.draw(PRUNED).problem
    assert process._process is None


def test_a_process_that_is_ended_while_it_draws_is_not_replaced(monkeypatch):
    monkeypatch.setattr("tuner.tuning.picture_process.PROGRAM", "import time; time.sleep(20)")
    process = PictureProcess(EVENTS)
    killing = threading.Timer(0.2, process.kill)
    killing.start()
    assert "SIGKILL" in process.draw(PRUNED).problem
    killing.join()
    assert process._process is None
    assert process.draw(PRUNED).problem


def test_it_imports_neither_torch_nor_optuna():
    code = PROGRAM.replace("main()", "import sys; print([m for m in ('torch', 'optuna', 'wandb') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


SCRIPT = """
import os, pickle, sys, time
from tuner.tuning.picture_process import PictureProcess
print("begins", flush=True)
process = PictureProcess(pickle.load(sys.stdin.buffer))
process.draw(pickle.load(sys.stdin.buffer))
print(process._process.pid, os.getpriority(os.PRIO_PROCESS, process._process.pid), flush=True)
time.sleep(60)
"""


def test_it_dies_with_its_worker_and_runs_no_script_again(tmp_path):
    """The script has no guard: `multiprocessing` would run it again."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        for content in (EVENTS, PRUNED):
            pickle.dump(content, worker.stdin)
        worker.stdin.flush()
        assert worker.stdout.readline() == b"begins\n"
        pid, niceness = map(int, worker.stdout.readline().split())
        assert niceness > os.getpriority(os.PRIO_PROCESS, 0)
        worker.kill()
    for _ in range(200):
        if read_start(pid) is None:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("It lives on.")
