"""The commit that is recorded is that of the study, wherever the command was called."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tuner.checked_files import read_json
from tuner.events import read_events
from tuner.preparation import Preparation, prepare_splits
from tuner.problem import Problem
from tuner.run_folder import RunFolder
from tuner.tuning.provenance import describe_parts, find_commit, record_call
from tuner.tuning.study import Budget, Study


def make_checkout(folder: Path) -> Path:
    """Make a checkout of one commit with a study file, and return the file."""
    folder.mkdir()
    (folder / "study.py").write_text("study = 1\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "study.py"], [*who, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return folder / "study.py"


def call(run_folder: RunFolder, study_file: Path | None) -> None:
    problem = Problem(question="?", events="events.csv", label="class", signal="g")
    study = Study(name="s", problem=problem, search_space=lambda trial: None, budget=Budget(trials=5, epochs=4))
    record_call(run_folder, study, events_digest="ab", device="cpu", workers=1, study_file=study_file)


def record(folder: Path, study_file: Path | None) -> str | None:
    run_folder = RunFolder(folder).create()
    call(run_folder, study_file)
    return read_json(run_folder.provenance)["calls"][-1]["git_commit"]


def test_the_commit_is_that_of_the_study_file(tmp_path, monkeypatch):
    study_file = make_checkout(tmp_path / "checkout")
    monkeypatch.chdir(tmp_path)
    commit = find_commit(study_file.parent)
    assert commit is not None
    assert record(tmp_path / "run", study_file) == commit
    study_file.write_text("study = 2\n")
    assert record(tmp_path / "run", study_file) == f"{commit}+changes"


def test_outside_of_a_checkout_the_commit_is_the_programs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = find_commit(Path(find_commit.__code__.co_filename).parent)
    assert record(tmp_path / "run", tmp_path / "study.py") == program
    assert record(tmp_path / "other", None) == program


def test_of_calls_at_once_none_is_lost(tmp_path):
    folder = RunFolder(tmp_path).create()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: call(folder, None), range(16)))
    assert len(read_json(folder.provenance)["calls"]) == 16


def test_parts_are_told_with_what_training_leaves_out(make_events, make_problem):
    problem = make_problem(make_events(300, w=np.where(np.arange(300) % 7 == 0, -1.0, 2.0)))
    splits = prepare_splits(read_events(problem), problem, Preparation(negative_weights="drop"))
    told = describe_parts(splits)
    assert [told[name]["events"] for name in ("train", "validation", "test")] == [180, 60, 60]
    assert sum(part["negative_weights"] for part in told.values()) == 43
    assert told["train"]["left_out_of_training"] == told["train"]["negative_weights"]
    assert {name: part["sha256"] for name, part in told.items()} == splits.fingerprints
