"""The command line teaches, starts at once, and answers mistakes with one message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tuner.cli.app import app

COMMANDS = (
    "new",
    "check",
    "explore",
    "sweep",
    "work",
    "status",
    "dashboard",
    "evaluate",
    "report",
    "predict",
    "export",
    "sync",
)
HEAVY = ("torch", "pandas", "sklearn", "matplotlib", "wandb", "scipy", "pyarrow")


def find_imports(importtime: str) -> set[str]:
    """Return the packages that `python -X importtime` saw."""
    return {line.rsplit("|", 1)[1].strip().split(".")[0] for line in importtime.splitlines() if "|" in line}


def test_help_names_every_command_in_the_order_of_the_workflow(tuner) -> None:
    shown = tuner("--help")
    assert shown.returncode == 0
    places = [re.search(rf"^│ {name}\s+[0-8]", shown.stdout, re.M) for name in COMMANDS]
    starts = [place.start() if place else -1 for place in places]
    assert -1 not in starts
    assert starts == sorted(starts)
    assert "Step 7: evaluate" in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "STUDY" in shown.stdout or command == "new"
    if command not in ("new", "check"):
        assert "--folder" in shown.stdout
    for hyperparameter in ("--lr", "--batch", "--width", "--optimizer"):
        assert hyperparameter not in shown.stdout


def test_help_and_version_import_nothing_heavy(tuner) -> None:
    for arguments in (["--help"], ["--version"], ["sweep", "--help"]):
        shown = tuner(*arguments, flags=("-X", "importtime"))
        imported = find_imports(shown.stderr)
        assert "typer" in imported
        assert not imported & {*HEAVY, "optuna", "numpy"}


def test_version(tuner) -> None:
    assert re.fullmatch(r"tuner \d+\.\d+\.\d+\S*\n", tuner("--version").stdout)


def test_unknown_command_and_option_are_answered(tuner) -> None:
    unknown = tuner("sweeep", "studies/a.py")
    assert unknown.returncode == 2
    assert "Did you mean" in unknown.stderr
    assert "sweep" in unknown.stderr
    assert tuner("status", "a.py", "--foldr", "x").returncode == 2
    assert tuner("sweep", "a.py", "--trials", "0").returncode == 2


def test_no_argument_shows_the_help(tuner) -> None:
    assert "Usage: tuner" in tuner().stdout


def test_missing_study_file_is_one_message(tuner, study_file: Path) -> None:
    failed = tuner("sweep", "smal.py")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("Error: ")
    assert 'Did you mean "small.py"?' in failed.stderr
    assert not (study_file.parent / "runs").exists()


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_every_command_answers_a_missing_study_file(command: str, tmp_path: Path) -> None:
    events = ["events.csv"] if command == "predict" else []
    answer = CliRunner().invoke(app, [command, str(tmp_path / "none.py"), *events])
    assert answer.exit_code == 2
    assert "none.py" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback(tuner, place: str) -> None:
    failed = tuner("--debug", "status", "a.py") if place == "before" else tuner("status", "a.py", "--debug")
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr
    assert "StudyError" in failed.stderr


def test_a_file_that_is_no_study_is_told(tuner, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import math\nstudy = math.no_such\n")
    (tmp_path / "other.py").write_text("answer = 42\n")
    assert "AttributeError in line 2" in tuner("status", "broken.py").stderr
    other = tuner("status", "other.py")
    assert other.returncode == 2
    assert "must define `study = Study(...)`" in other.stderr


def test_no_search_yet_is_told(tuner, study_file: Path) -> None:
    failed = tuner("status", study_file)
    assert failed.returncode == 2
    assert "Start it with `tuner sweep`" in failed.stderr
    assert not (study_file.parent / "runs").exists()


def test_new_writes_a_study_and_never_over_it(tuner, study_file: Path) -> None:
    made = tuner("new", "events.csv")
    assert made.returncode == 0, made.stderr
    assert 'label = "label"' in made.stdout
    assert 'weight = "weight"' in made.stdout
    assert "Wrote studies/events.py" in made.stdout
    again = tuner("new", "events.csv")
    assert again.returncode == 2
    assert "is not written over" in again.stderr
    assert tuner("new", "events.csv", "--name", "other", "--signal", "0").returncode == 0
    assert "signal=0," in (study_file.parent / "studies" / "other.py").read_text()
