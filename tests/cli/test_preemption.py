"""Signals of a batch system that come while a command still reads its study end it with the code for a requeue."""

import signal

import pytest
import typer
from samples import make_study
from typer.testing import CliRunner

from tuner.cli.app import app
from tuner.cli.conclusion import explain_interruption
from tuner.run_folder import RunFolder
from tuner.tuning.search import Search


@pytest.mark.parametrize("command", ["sweep", "work", "evaluate"])
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 75), ("SIGUSR1", 75), ("SIGHUP", 75), ("SIGINT", 130)])
def test_a_signal_at_any_moment_has_its_exit_code(tmp_path, command, name, code):
    path = tmp_path / "study.py"
    path.write_text(f"import signal\nsignal.raise_signal(signal.{name})\n")
    result = CliRunner().invoke(app, [command, str(path)])
    assert result.exit_code == code, result.output
    assert ("rerun the same command to resume" in result.output) is (code == 75)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_an_evaluation_says_what_it_keeps_and_has_the_code(tmp_path, capsys, number, code):
    search = Search(make_study(), RunFolder(tmp_path).create())
    with pytest.raises(typer.Exit) as ended, explain_interruption(search):
        signal.raise_signal(number)
    assert ended.value.exit_code == code
    assert "Interrupted: 0 trainings are kept" in capsys.readouterr().err
