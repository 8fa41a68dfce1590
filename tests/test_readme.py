"""What the README says can be done is done here, and what it names is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from tuner.cli.app import app

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
RUNNABLE = re.findall(r"^```python run\n(.*?)^```$", README, re.M | re.S)
SMALLER = """
from dataclasses import replace as _replace
from tuner import EvaluationSettings as _EvaluationSettings
study = _replace(
    study,
    problem=_replace(study.problem, events=Resonance(3000)),
    budget=Budget(trials=2, epochs=1),
    evaluation=_EvaluationSettings(finalists=2, seeds=1, baseline_trials=1, bag=None, refit=False, replicas=20),
)
"""
CHECKED = """
assert len(search.trials) >= 2
assert page.exists()
assert len(scores) == 1000
assert network.exists()
"""
CHECKED_NETWORK = """
from tuner import check_study
print(*check_study(study).lines, sep="\\n")
"""


def run_python(program: str, folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_python_block_runs() -> None:
    assert len(RUNNABLE) == README.count("```python") == 4


def test_program_runs(tmp_path: Path) -> None:
    study, program, _, _ = RUNNABLE
    run_python(study + SMALLER + program + CHECKED, tmp_path)
    assert (tmp_path / "runs" / "dileptons" / "report.html").exists()


def test_events_are_selected_and_columns_made(tmp_path: Path) -> None:
    study, _, expressions, _ = RUNNABLE
    assert "lepton2_pt > 20" in run_python(study + expressions, tmp_path)


def test_own_network_and_search_space_hold(tmp_path: Path) -> None:
    study, _, _, network = RUNNABLE
    said = run_python(study + SMALLER + network + CHECKED_NETWORK, tmp_path)
    assert "BottleneckSettings" in said
    assert "2 parameters, 1 warm start" in said


def test_every_command_is_described_and_exists() -> None:
    described = re.findall(r"^\|[^|]*\| `tuner (\w+)", README, re.M)
    assert described == [name for name, command in get_command(app).commands.items() if not command.hidden]
    assert set(re.findall(r"(?<!from )\btuner (\w+) [A-Z]", README)) <= set(described)


def test_every_option_exists() -> None:
    parameters = [parameter for command in get_command(app).commands.values() for parameter in command.params]
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    ours = re.sub(r"^    (mlflow|tensorboard|#SBATCH) .*$", "", README, flags=re.M)
    assert set(re.findall(r"(?<=[ `])--\w[\w-]+", ours)) <= known


@pytest.mark.parametrize("text", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_exists(text: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z]+)\b *(?:#|`)", (REPOSITORY / text).read_text()))
    assert {"sweep", "test"} & named
    assert named <= targets


def test_every_path_exists() -> None:
    tree = re.findall(r"^ {4}([\w./]+) {2,}", README, re.M)
    paths = tree + re.findall(r"`((?:tuner|studies|search_spaces)/[\w./]+)`", README)
    paths += re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert len(tree) > 15
    assert [path for path in paths if not (REPOSITORY / path).exists() and path != "studies/events.py"] == []


def test_every_room_of_the_house_is_in_the_tree() -> None:
    rooms = {f"tuner/{path.name}/" for path in (REPOSITORY / "tuner").iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if room not in README} == set()
