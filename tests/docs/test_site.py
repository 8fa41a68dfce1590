"""The site: its examples run, what it names exists, it builds without a warning, the tutorial comes to an answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest
from typer.main import get_command

from tuner.cli.app import app

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from docs.site_hooks.notebooks import find_notebooks, write_notebooks  # noqa: E402

PAGES = sorted((ROOT / "docs").rglob("*.md"))
TEXT = {page.relative_to(ROOT / "docs").as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
BLOCKS = {name: re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S) for name, text in TEXT.items()}
OF_BENCHMARKS = {"--database"}
"""Options of `python -m benchmarks...` that pages name."""
NEEDS_A_RUN = ("runs/mine", "tuner.sweep(")


@pytest.mark.parametrize("name", [name for name, blocks in BLOCKS.items() if blocks])
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", example)
    for block in BLOCKS[name]:
        code = compile(block, name, "exec", dont_inherit=True)
        if not any(words in block for words in NEEDS_A_RUN):
            exec(code, vars(example))


def test_commands_and_options_that_are_named_exist():
    commands = get_command(app).commands
    everything = "\n".join(TEXT.values()) + "\n".join(p.read_text() for p in (ROOT / "docs/tutorial").glob("*.py"))
    assert set(re.findall(r"^tuner (\w+) ", everything, re.M)) | set(re.findall(r"`tuner (\w+)", everything)) <= set(
        commands
    )
    assert not re.findall(r"`tuner \w+ \w+/[^`]*\.\.\.", everything)
    options = {option for c in commands.values() for p in c.params for option in (*p.opts, *p.secondary_opts)}
    ours = re.sub(r"^(mlflow|tensorboard|pip|g\+\+|git|python) .*$", "", everything, flags=re.M)
    assert set(re.findall(r"(?<=[ `(])--[a-z][\w-]+", ours)) <= options | {"--debug", "--help"} | OF_BENCHMARKS


def test_the_tutorial_has_each_step_once_and_no_output():
    names = [path.stem for path in sorted((ROOT / "docs/tutorial").glob("*.py"))]
    steps = ("frame", "get", "visualize", "prepare", "choose", "train", "tune", "evaluate", "predict")
    assert names == [f"{number}_{step}" for number, step in enumerate(steps)]
    assert not list((ROOT / "docs").rglob("*.ipynb"))


def test_notebooks_for_jupyter_lead_on_and_are_never_written_over(tmp_path):
    sources = find_notebooks(ROOT / "docs/tutorial")
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    written = write_notebooks(sources, tmp_path / "notebooks")
    assert [path.stem for path in written] == [path.stem for path in sources]
    for path in written:
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        text = "\n".join(cell.source for cell in book.cells)
        for link in re.findall(r"\]\((?!https:)([^)#]+)", text):
            assert (path.parent / link).exists(), (path.name, link)
    written[0].write_text("mine")
    write_notebooks(sources, tmp_path / "notebooks")
    assert written[0].read_text() == "mine"


@pytest.mark.timeout(900)
def test_the_site_builds_without_a_warning_and_the_tutorial_comes_to_its_answer(data_folder, tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=880)
    assert done.returncode == 0, done.stderr[-3_000:]
    answer = (tmp_path / "site/tutorial/7_evaluate/index.html").read_text()
    assert re.search(r"sensitivity +0\.\d+ ± 0\.\d+", answer)
    assert re.search(r"The trees are (better|worse)\.|They cannot be told apart\.", answer)
    assert "largest difference: " in (tmp_path / "site/tutorial/8_predict/index.html").read_text()
    assert "--min-background" in (tmp_path / "site/reference/cli/index.html").read_text()
