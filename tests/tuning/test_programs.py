"""Programs as a user writes them: one file, no guard; a folder with a file named like a library."""

import json
import os
import subprocess
import sys
from pathlib import Path

STUDY = """
from search_spaces import mlp
from tuner import Budget, EvaluationSettings, Problem, Study
from tuner.events import Resonance

study = Study(
    name="small",
    problem=Problem(
        question="Is it?", events=Resonance(1500), label="label", signal="signal", weight="weight",
        observers=("mass", "log_likelihood_ratio"), undefined=-999.0,
    ),
    search_space=mlp.suggest,
    budget=Budget(trials=2, epochs=1),
    evaluation=EvaluationSettings(finalists=2, seeds=2, baseline_trials=0, bag=None, refit=False, replicas=20),
)
"""

PROGRAM = """
import tuner

search = tuner.sweep(study)
evaluation = tuner.evaluate(search)
print("winner", evaluation.winner)
"""

USES_WORKERS = """
import tuner

search = tuner.sweep(tuner.load_study("mine.py"), workers=2, tracker=tuner.trackers.NoTracker())
tuner.evaluate(search, open_test=False)
print(sum(trial.state in ("complete", "pruned") for trial in search.trials), "of", search.study.budget.trials)
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_study_and_sweep_in_one_file_train_in_its_own_process(tmp_path):
    (tmp_path / "program.py").write_text(STUDY + PROGRAM)
    done = run(tmp_path, "program.py")
    assert done.returncode == 0, done.stderr
    assert "winner" in done.stdout
    calls = json.loads((tmp_path / "runs/small/provenance.json").read_text())["calls"]
    assert [call["workers"] for call in calls] == [1]


def test_a_file_of_the_current_folder_does_not_stand_for_a_library_in_workers(tmp_path):
    (tmp_path / "signal.py").write_text("raise SystemExit('not the library')")
    (tmp_path / "mine.py").write_text(STUDY)
    done = run(tmp_path, "-P", "-c", USES_WORKERS)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 of 2\n"
    calls = json.loads((tmp_path / "runs/small/provenance.json").read_text())["calls"]
    assert [call["workers"] for call in calls] == [2]
