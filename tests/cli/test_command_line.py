"""The command line teaches, starts at once, and answers mistakes with one message."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.cli.json_forms import CheckForm
from tuner.cli.options import CandidateOption
from tuner.evaluation.candidates import BAG_ENSEMBLE
from tuner.tuning.evaluation_settings import HandOn

COMMANDS = (
    "new",
    "check",
    "explore",
    "sweep",
    "work",
    "submit",
    "status",
    "dashboard",
    "evaluate",
    "report",
    "compare",
    "templates",
    "predict",
    "export",
    "sync",
    "doctor",
    "replay",
    "fork",
)


def test_help_names_every_command_in_the_order_of_the_workflow(workplace) -> None:
    shown = workplace.tuner("--help")
    assert shown.returncode == 0
    places = [re.search(rf"^│ {name}\s+[0-8]", shown.stdout, re.M) for name in COMMANDS]
    starts = [place.start() if place else -1 for place in places]
    assert -1 not in starts
    assert starts == sorted(starts)
    assert "Step 7: evaluate" in shown.stdout


def test_the_help_lists_every_candidate_that_may_be_handed_on() -> None:
    _, option = get_args(CandidateOption)
    listed = option.help.partition(": ")[2].removesuffix(".").split(", ")
    assert sorted(listed) == sorted({*get_args(HandOn), BAG_ENSEMBLE} - {"auto"})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "STUDY" in shown.stdout or command == "new"
    if command != "new":
        assert "--folder" in shown.stdout
    for hyperparameter in ("--lr", "--batch", "--width", "--optimizer"):
        assert hyperparameter not in shown.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["sweep", "--help"]])
def test_help_imports_nothing_heavy(workplace, arguments: list[str]) -> None:
    assert workplace.find_heavy_imports(*arguments) == set()


def test_version() -> None:
    assert re.fullmatch(r"tuner \d+\.\d+\.\d+\S*\n", CliRunner().invoke(app, ["--version"]).stdout)


def test_unknown_command_and_option_are_answered() -> None:
    unknown = CliRunner().invoke(app, ["sweeep", "studies/a.py"])
    assert unknown.exit_code == 2
    assert "Did you mean" in unknown.stderr
    assert CliRunner().invoke(app, ["status", "a.py", "--foldr", "x"]).exit_code == 2
    assert CliRunner().invoke(app, ["sweep", "a.py", "--trials", "0"]).exit_code == 2
    assert "Usage: " in CliRunner().invoke(app, []).output


def test_missing_study_file_is_one_message(workplace) -> None:
    failed = workplace.tuner("sweep", "smal.py")
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("Error: ")
    assert 'Did you mean "small.py"?' in failed.stderr
    assert not (workplace.folder / "runs").exists()


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_every_command_answers_a_missing_study_file(command: str, tmp_path: Path) -> None:
    more = {"predict": ["events.csv"], "replay": ["0"], "fork": ["--name", "other"], "submit": ["--slurm"]}
    answer = CliRunner().invoke(app, [command, str(tmp_path / "none.py"), *more.get(command, [])])
    assert answer.exit_code == 2
    assert "none.py" in answer.stderr
    assert answer.stdout == ""


@pytest.mark.parametrize("arguments", [("--debug", "status", "a.py"), ("status", "a.py", "--debug")])
def test_debug_shows_the_traceback(workplace, arguments: tuple[str, ...]) -> None:
    failed = workplace.tuner(*arguments)
    assert failed.returncode == 1
    assert "Traceback" in failed.stderr
    assert "StudyError" in failed.stderr


def test_no_search_yet_is_told_without_making_one(workplace) -> None:
    answer = CliRunner().invoke(
        app, ["status", str(workplace.folder / "small.py"), "--folder", str(workplace.folder / "runs")]
    )
    assert answer.exit_code == 2
    assert "Start it with `tuner sweep`" in answer.stderr
    assert not (workplace.folder / "runs").exists()


def test_new_writes_a_study_that_holds_and_never_over_it(workplace) -> None:
    made = workplace.tuner("new", "events.csv")
    assert made.returncode == 0, made.stderr
    assert 'label = "label"' in made.stdout
    assert 'weight = "weight"' in made.stdout
    assert "Wrote studies/events.py" in made.stdout
    again = workplace.tuner("new", "events.csv")
    assert again.returncode == 2
    assert "is never overwritten" in again.stderr
    checked = workplace.tuner("check", "studies/events.py", "--json")
    assert checked.returncode == 0, checked.stderr
    assert any("4 features" in line for line in CheckForm.model_validate_json(checked.stdout).lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "cuda:77"), "cuda:77"),
        (("--events", "event.csv"), 'Did you mean "events.csv"?'),
        (("--folder", "/proc/no"), "must be writable"),
    ],
)
def test_bad_input_of_a_sweep_is_told_before_anything_is_trained(workplace, arguments, words: str) -> None:
    failed = workplace.tuner("sweep", "small.py", *arguments)
    assert failed.returncode == 2
    assert "Error: " in failed.stderr
    assert words in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (workplace.folder / "runs/small/curves").exists()
