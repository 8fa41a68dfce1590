"""Prepared parts in the run folder: used again while they follow from the same events, else made anew."""

import json
from dataclasses import replace

import numpy as np
import pytest
from samples import make_study

from tuner import Preparation
from tuner.checked_files import read_json
from tuner.errors import SplitsError
from tuner.events import Resonance
from tuner.preparation import load_splits
from tuner.run_folder import RunFolder
from tuner.tuning.prepared_run import keep_run, prepare_run

PROBLEM = make_study(n_events=300).problem
PREPARATION = Preparation(azimuths=("lepton2_phi", "lepton1_phi"))


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


def test_two_sweeps_that_begin_at_once_share_what_the_first_has_written(tmp_path):
    """Neither removes what the other's workers may be reading."""
    folder = RunFolder(tmp_path).create()
    one, other = (prepare_run(PROBLEM, PREPARATION, folder) for _ in range(2))
    keep_run(one, folder)
    before = look(folder)
    kept = keep_run(other, folder)
    assert look(folder) == before
    np.testing.assert_array_equal(kept.train.x, one.splits.train.x)


@pytest.mark.parametrize(
    ("problem", "preparation"),
    [
        (replace(PROBLEM, events=Resonance(300, seed=1)), PREPARATION),
        (PROBLEM, replace(PREPARATION, seed=1)),
        (PROBLEM, replace(PREPARATION, scaling="standard")),
        (PROBLEM, replace(PREPARATION, training_weights="none")),
        (PROBLEM, replace(PREPARATION, azimuths=())),
        (PROBLEM, replace(PREPARATION, fractions=(0.5, 0.25, 0.25))),
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


def test_the_order_of_patterns_is_part_of_what_the_parts_follow_from(folder):
    rules = {"*": "robust", "*pt": "log"}
    one, other = (replace(PREPARATION, features=dict(pairs)) for pairs in (rules.items(), reversed(rules.items())))
    keys = [prepare_run(PROBLEM, preparation, folder).key for preparation in (one, other)]
    assert keys[0] != keys[1]
    assert keys[0] == json.loads(json.dumps(keys[0]))


def flip(path):
    content = bytearray(path.read_bytes())
    content[-40] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-30]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}
FILES = ["train-x.npy", "validation-weights.npy", "test-rows.npy", "preprocessing.npz", "splits.json", "key.json"]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_parts_that_are_damaged_are_made_again_from_the_events(folder, caplog, name, damage):
    whole = {path.name: path.read_bytes() for path in folder.splits.iterdir()}
    DAMAGES[damage](folder.splits / name)
    if name != "key.json":
        with pytest.raises(SplitsError, match=rf'"{folder.splits}" must hold .*Rerun `tuner sweep`'):
            load_splits(folder.splits)
    prepared = prepare_run(PROBLEM, PREPARATION, folder)
    assert not prepared.is_kept
    keep_run(prepared, folder)
    assert {path.name: path.read_bytes() for path in folder.splits.iterdir()} == whole
    told = [record.getMessage() for record in caplog.records]
    expected = [] if (name, damage) == ("key.json", "gone") else [name]
    assert len(told) == len(expected)
    assert all("are damaged; they are prepared again" in text for text in told)
    assert all(name in text for name, text in zip(expected, told, strict=True)) or damage == "gone"


def test_parts_of_before_that_have_no_checksums_are_used(folder):
    (folder.splits / "splits.json").write_text(
        json.dumps({"events_digest": read_json(folder.splits / "splits.json")["events_digest"]})
    )
    prepared = prepare_run(PROBLEM, PREPARATION, folder)
    assert prepared.is_kept
    flip(folder.splits / "preprocessing.npz")
    np.save(folder.splits / "train-labels.npy", np.zeros(3, np.float32))
    assert not prepare_run(PROBLEM, PREPARATION, folder).is_kept
