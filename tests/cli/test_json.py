"""What commands print with `--json` is what the reference says, field by field, and nothing else."""

from __future__ import annotations

import json
import shutil

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.cli.json_forms import FORMS
from tuner.evaluation.results import Evaluation

SERVING = {"dashboard"}
"""What serves until Ctrl-C, and has no result."""
QUICK = ("--trials", "2", "--epochs", "1", "--workers", "1", "--device", "cpu", "--tracker", "none", "--quiet")


@pytest.fixture(scope="module")
def run(shared_workplace):
    """Run a command in this process, in a folder with a small study that was swept; return what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shared_workplace.folder)

        def run(*words):
            done = CliRunner().invoke(app, [*words, "--json"])
            assert done.exit_code == 0, done.stderr
            return done.stdout

        run.swept = run("sweep", "small.py", *QUICK)
        yield run


def check(command, text):
    return FORMS[command].model_validate_json(text)


def test_every_command_that_has_a_result_prints_json_of_a_form_that_is_told():
    commands = {name: command for name, command in get_command(app).commands.items() if not command.hidden}
    with_json = {name for name, command in commands.items() if any("--json" in p.opts for p in command.params)}
    assert with_json == set(commands) - SERVING
    assert set(FORMS) | {"evaluate"} == with_json


def test_a_sweep_and_what_follows_print_what_their_forms_say(run):
    swept = check("sweep", run.swept)
    assert (swept.end, swept.finished) == ("spent", 2)
    assert swept.evaluation.figures["test"]["AUC"].value > 0.5
    status = check("status", run("status", "small.py"))
    assert status.handed_on_test["AUC"] == swept.evaluation.figures["test"]["AUC"].value
    evaluated = Evaluation.from_json(run("evaluate", "small.py", "--quiet"))
    assert evaluated.winner == swept.evaluation.winner
    assert check("work", run("work", "small.py", "--tracker", "none")).finished == 2
    assert check("report", run("report", "small.py", "--tracker", "none")).files == ["runs/small/report.html"]


def test_the_winner_in_use_prints_what_its_forms_say(run):
    predicted = check("predict", run("predict", "small.py", "events.csv", "-o", "scores.csv"))
    assert predicted.n_events == predicted.n_selected == 900
    assert check("export", run("export", "small.py")).files == ["runs/small/network.onnx"]
    made = check("templates", run("templates", "small.py", "--signal", "20", "--background", "100"))
    assert made.verdict == "alone"
    assert made.files == ["runs/small/templates.json"]


def test_events_that_are_looked_at_print_what_their_forms_say(run):
    check("check", run("check", "small.py", "--device", "cpu"))
    assert check("explore", run("explore", "small.py")).n_features == 4
    drafted = check("new", run("new", "events.csv", "-o", "drafted.py"))
    assert (drafted.study, drafted.problem) == ("drafted.py", None)


def test_searches_side_by_side_print_what_their_form_says(run, shared_workplace):
    shutil.copytree(shared_workplace.folder / "runs", shared_workplace.folder / "others")
    compared = check("compare", run("compare", "small.py", "--folder", "runs", "--folder", "others"))
    assert len(compared.searches) == 2


def test_runs_that_were_sent_print_what_their_form_says(run, monkeypatch):
    monkeypatch.setattr("tuner.trackers.wandb_sync.sync_runs", lambda folder: 3)
    assert check("sync", run("sync", "small.py")).runs == 3


def test_a_command_that_fails_prints_no_json(run, shared_workplace):
    done = CliRunner().invoke(app, ["status", "nowhere.py", "--json"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "nowhere.py" in done.stderr


def test_schemas_are_valid_json_schema():
    jsonschema = pytest.importorskip("jsonschema")
    for form in FORMS.values():
        jsonschema.Draft202012Validator.check_schema(json.loads(json.dumps(form.model_json_schema())))
