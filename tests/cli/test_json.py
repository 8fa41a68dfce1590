"""What commands print with `--json` is what the reference says, field by field, and nothing else.

Other commands are held to their forms in `test_command_line`, `test_workflow` and `test_comparing`.
"""

from __future__ import annotations

import json

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.cli.json_forms import FORMS

SERVING = {"dashboard"}
"""What serves until Ctrl-C, and has no result."""


@pytest.fixture
def run(workplace, monkeypatch):
    """Run a command in this process, in a folder with a small study; return what it printed as its form."""
    monkeypatch.chdir(workplace.folder)

    def run(command, *words):
        done = CliRunner().invoke(app, [command, *words, "--json"])
        assert done.exit_code == 0, done.stderr
        return FORMS[command].model_validate_json(done.stdout)

    return run


def test_every_command_that_has_a_result_prints_json_of_a_form_that_is_told():
    commands = {name: command for name, command in get_command(app).commands.items() if not command.hidden}
    with_json = {name for name, command in commands.items() if any("--json" in p.opts for p in command.params)}
    assert with_json == set(commands) - SERVING
    assert set(FORMS) | {"evaluate"} == with_json


def test_a_study_is_drafted(run):
    drafted = run("new", "events.csv", "-o", "drafted.py")
    assert (drafted.study, drafted.name, drafted.problem) == ("drafted.py", "events", None)


def test_events_that_cannot_be_read_are_no_finding_but_a_problem(run, workplace):
    table = (workplace.folder / "events.csv").read_text().splitlines()
    (workplace.folder / "few.csv").write_text("\n".join(table[:4]) + "\n")
    drafted = run("new", "few.csv", "--label", "label", "--signal", "1")
    assert drafted.problem
    assert drafted.findings == []


def test_a_command_that_fails_prints_no_json():
    done = CliRunner().invoke(app, ["status", "nowhere.py", "--json"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nowhere.py" in done.stderr


def test_schemas_are_valid_json_schema():
    jsonschema = pytest.importorskip("jsonschema")
    for form in FORMS.values():
        jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(form.model_json_schema())))
