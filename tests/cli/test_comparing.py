"""`tuner compare`: two studies, two folders of one study, a real terminal of 80 columns, clear errors."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image
from typer.testing import CliRunner

import tuner
from tuner.cli.app import app
from tuner.cli.json_forms import CompareForm
from tuner.trackers import NoTracker


@pytest.fixture(scope="module")
def compared(shared_workplace):
    """The small study swept in two folders, and in the first one a study `other` that is not evaluated."""
    folder = shared_workplace.folder
    text = (folder / "small.py").read_text()
    (folder / "other.py").write_text(text.replace('name="small"', 'name="other"').replace("trials=6", "trials=3"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for file, place, seed in (("small.py", "runs", 0), ("small.py", "runs2", 1), ("other.py", "runs", 0)):
            study = replace(tuner.load_study(file), seed=seed)
            search = tuner.sweep(study, folder=place, workers=1, device="cpu", tracker=NoTracker())
            if file == "small.py":
                tuner.evaluate(search)
    return shared_workplace


@pytest.fixture
def run(compared, monkeypatch):
    """Run `tuner compare ...` in this process, which spares the imports."""
    monkeypatch.chdir(compared.folder)
    return lambda *words: CliRunner().invoke(app, ["compare", *words])


def test_two_folders_of_one_study_are_compared_and_nothing_is_written(compared, run) -> None:
    before = sorted(compared.folder.rglob("*"))
    done = run("small.py", "--folder", "runs", "--folder", "runs2")
    assert done.exit_code == 0, done.stderr
    assert "event by event on the same 180 test events" in " ".join(done.stdout.split())
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("seed")] == [["seed", "0", "1"]]
    assert [path for path in sorted(compared.folder.rglob("*")) if path.suffix != ".lock"] == [
        path for path in before if path.suffix != ".lock"
    ]


def test_two_studies_fit_a_narrow_terminal_and_are_drawn_where_it_is_asked_for(compared) -> None:
    shown = compared.show_terminal("compare", "small.py", "other.py", "-o", "out", columns=80)
    assert max(map(len, shown.splitlines())) <= 80
    told = " ".join(shown.split())
    assert "There is no verdict on other against small" in told
    assert "After the first 3 trials:" in told
    assert sorted(path.name for path in (compared.folder / "out").iterdir()) == ["compare.pdf", "compare.png"]
    assert Image.open(BytesIO((compared.folder / "out/compare.png").read_bytes())).width > 1000


def test_each_search_of_each_folder_is_compared_with_the_first(run) -> None:
    done = run("small.py", "other.py", "--folder", "runs", "--folder", "runs2", "--json")
    assert done.exit_code == 0, done.stderr
    content = json.loads(done.stdout)
    CompareForm.model_validate(content)
    assert [search["name"] for search in content["searches"]] == ["runs/small", "runs2/small", "runs/other"]
    assert [search["verdict"] is None for search in content["searches"]] == [False, False, True]
    assert content["after_same_trials"]["trials"] == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["small.py"], "at least two searches to compare, but 1 was given"),
        (["small.py", "small.py"], "must be different ones"),
        (["small.py", "--folder", "runs", "--folder", "runs3"], '"runs3" holds none of "small"'),
        (["small.py", "other.py", "--folder", "runs2"], 'There must be a search of study "other"'),
        (["small.py", "other.py", "-o", "small.py"], 'The folder of "small.py/compare.png" must be one'),
    ],
)
def test_what_cannot_be_compared_is_an_error_without_a_traceback(run, words, told) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
