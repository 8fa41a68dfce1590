"""Commands that the page and the terminal name run as they stand, whatever the names of study and folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tuner.checked_files import read_json
from tuner.cli.app import app
from tuner.reporting.sections.deployment import write_hand_off, write_reproduction
from tuner.run_folder import RunFolder
from tuner.tuning.commands import name_command, name_step, open_in_python
from tuner.tuning.provenance import record_call
from tuner.tuning.search import Search

ODD = ["plain.py", "my studies/a b.py", """it's "odd".py""", "$HOME/`date`.py", "a;b&c.py", "line\nbreak.py", "-x.py"]


def split_by_a_shell(command: str) -> list[str]:
    """Return the words that a real shell makes of a command."""
    program = "import sys; print('\\0'.join(sys.argv[1:]), end='')"
    script = f'tuner() {{ "{sys.executable}" -c "$PROGRAM" "$@"; }}; {command}'
    done = subprocess.run(
        ["sh", "-c", script], env={"PROGRAM": program, "TUNER_STORAGE": "x://y"}, capture_output=True, check=True
    )
    return done.stdout.decode().split("\0")


@pytest.mark.parametrize("name", ODD)
def test_a_shell_gives_the_names_back(make_search, name):
    study = make_search(complete=1).study
    search = Search(study, RunFolder(Path(name).with_suffix("") / "s"), None, Path(name))
    command = name_command(search, "predict", name)
    folder = str(Path(name).with_suffix(""))
    given, place = (f"./{text}" if text.startswith("-") else text for text in (name, folder))
    assert split_by_a_shell(command) == ["predict", given, name, "--folder", place]


def test_the_usual_folder_needs_no_option_and_a_storage_hides_its_address(make_search):
    study = make_search().study
    plain = Search(study, RunFolder(Path("runs/s")), None, Path("a.py"))
    assert name_command(plain, "evaluate") == "tuner evaluate a.py"
    there = Search(study, RunFolder(Path("runs/s")), "postgresql://me:secret@host/db", Path("a.py"))
    assert split_by_a_shell(name_command(there, "export")) == ["export", "a.py", "--storage", "x://y"]
    kept = Search(study, RunFolder(Path("runs/s")), "my trials.log", Path("a.py"))
    assert split_by_a_shell(name_command(kept, "export")) == ["export", "a.py", "--storage", "my trials.log"]
    for search in (there, Search(study, there.folder, there.storage_url)):
        assert "secret" not in str((name_command(search, "export"), open_in_python(search)))


@pytest.mark.parametrize("storage", [None, "trials.log", "postgresql://me@host/db"])
@pytest.mark.parametrize("words", [("predict", "e.csv"), ("export",), ("dashboard",), ("sync",), ("evaluate",)])
def test_the_command_line_knows_every_option(make_search, words, storage):
    search = Search(make_search().study, RunFolder(Path("elsewhere/s")), storage, Path("a.py"))
    verb, *arguments = split_by_a_shell(name_command(search, *words))
    context = typer.main.get_command(app).commands[verb].make_context(verb, arguments)
    assert (str(context.params["study"]), str(context.params["folder"])) == ("a.py", "elsewhere")


def test_a_study_without_a_file_is_told_in_python(make_search):
    made = make_search(complete=1)
    search = Search(made.study, RunFolder(made.folder.path.rename(made.folder.path.with_name("s"))))
    assert name_command(search, "evaluate") is None
    assert name_step(search, "evaluate") == "tuner.evaluate(search)"
    code = [block.text for block in write_hand_off(search).blocks if block.kind == "code"]
    assert len(code) == 1
    assert "tuner predict" not in code[0]
    compile(code[0], "page", "exec")
    found = {"study": search.study}
    exec("import tuner\n" + code[0].splitlines()[0], found)
    assert found["search"].best_trial == search.best_trial


def write_call(folder: Path, *argv: str) -> str:
    """Record a call of `tuner.sweep` in another process, started so; return the commands on the page."""
    program = """
import sys
from tuner import Problem, Study
from tuner.run_folder import RunFolder
from tuner.tuning.provenance import record_call
from pathlib import Path
study = Study(name="s", problem=Problem(question="?", events="e", label="y", signal=1), search_space=lambda trial: None)
record_call(RunFolder(Path("s")), study, events_digest="", device="cpu", workers=1)
"""
    (folder / "my program.py").write_text(program)
    done = [program if word == "PROGRAM" else word for word in argv]
    root = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, *done], cwd=folder, env={"PYTHONPATH": root}, check=True, timeout=60)
    return write_reproduction(RunFolder(folder / "s")).blocks[0].text


def test_a_program_is_told_as_it_was_called(tmp_path):
    assert write_call(tmp_path, "my program.py", "--cut", "$x") == "python 'my program.py' --cut '$x'"


def test_a_session_has_no_command_and_says_what_to_call(tmp_path):
    assert write_call(tmp_path, "-c", "PROGRAM") == (
        "It was called in a Python session: `tuner.sweep(study)` with the same study does it again."
    )


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/usr/bin/tuner", "sweep", "my study.py"], "tuner sweep 'my study.py'"),
        (["/lib/tuner/__main__.py", "sweep", "a.py"], "python -m tuner sweep a.py"),
    ],
)
def test_the_command_line_is_told_as_it_was_typed(make_search, monkeypatch, argv, command):
    search = make_search()
    monkeypatch.setattr(sys, "argv", argv)
    record_call(search.folder, search.study, events_digest="", device="cpu", workers=1)
    assert read_json(search.folder.provenance)["calls"][-1]["command"] == command
