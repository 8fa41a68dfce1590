"""Prepared parts in the run folder: used again while they follow from the same events, else made anew."""

from dataclasses import replace

import numpy as np
import pytest
from samples import make_study

from tuner import Preparation
from tuner.checked_files import read_json
from tuner.read import Resonance
from tuner.run_folder import RunFolder
from tuner.tune.preparing import keep_run, prepare_run

PROBLEM = make_study(n_events=300).problem
PREPARATION = Preparation()


@pytest.fixture
def folder(tmp_path):
    """A run folder that holds prepared parts."""
    folder = RunFolder(tmp_path).create()
    keep_run(prepare_run(PROBLEM, PREPARATION, folder), folder)
    return folder


def look(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.splits.iterdir()}


def test_nothing_is_written_before_it_is_kept(tmp_path):
    folder = RunFolder(tmp_path).create()
    prepared = prepare_run(PROBLEM, PREPARATION, folder)
    assert not prepared.is_kept
    assert not folder.splits.exists()
    kept = keep_run(prepared, folder)
    assert read_json(folder.splits / "key.json")["events"] == kept.events_digest
    np.testing.assert_array_equal(kept.train.x, prepared.splits.train.x)


def test_the_same_parts_are_mapped_and_no_file_is_touched(folder):
    before = look(folder)
    prepared = prepare_run(PROBLEM, PREPARATION, folder)
    assert prepared.is_kept
    assert isinstance(prepared.splits.train.x, np.memmap)
    kept = keep_run(prepared, folder)
    assert isinstance(kept.train.x, np.memmap)
    assert look(folder) == before


@pytest.mark.parametrize(
    ("problem", "preparation"),
    [
        (replace(PROBLEM, events=Resonance(300, seed=1)), PREPARATION),
        (PROBLEM, Preparation(seed=1)),
        (PROBLEM, Preparation(scaling="standard")),
        (PROBLEM, Preparation(balance=False)),
        (PROBLEM, Preparation(fractions=(0.5, 0.25, 0.25))),
        (replace(PROBLEM, observers=(), event_id="mass"), PREPARATION),
    ],
)
def test_what_changed_is_prepared_anew(folder, problem, preparation):
    before = read_json(folder.splits / "key.json")
    old = keep_run(prepare_run(PROBLEM, PREPARATION, folder), folder)
    changed = prepare_run(problem, preparation, folder)
    assert not changed.is_kept
    assert read_json(folder.splits / "key.json") == before
    new = keep_run(changed, folder)
    np.testing.assert_array_equal(new.train.x, changed.splits.train.x)
    assert read_json(folder.splits / "key.json") == changed.key != before
    assert prepare_run(problem, preparation, folder).is_kept
    same = all(
        np.array_equal(getattr(new.train, name), getattr(old.train, name)) for name in ("x", "rows", "training_weights")
    )
    assert same == (problem.event_id is not None)  # every mass is another: groups of one split the same
