"""What is kept of the events is what was read: any observers, ids that share, variants by what they change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tuner.checked_files import read_json
from tuner.errors import DamagedFileError
from tuner.events import read_events, read_variant
from tuner.events.table import compute_digest
from tuner.events.variants import read_with_variants
from tuner.preparation.kept_events import keep_events, load_events, save_events
from tuner.problem import Nuisance


@pytest.fixture
def problem(make_problem, make_events, tmp_path):
    """Events with a text observer, ids of text, a nuisance by columns and one by a file."""
    table = make_events()
    table = table.assign(
        a_up=table["a"] * 1.5,
        channel=np.where(np.arange(len(table)) % 3, "e", "mu"),
        run=[f"r{i // 4}" for i in table.index],
    )
    table.assign(b=table["b"] + 1).to_parquet(tmp_path / "shifted.parquet")
    return make_problem(
        table,
        observers=("m", "channel"),
        event_id="run",
        nuisances=(Nuisance(name="scale", up={"a": "a_up"}), Nuisance(name="shift", up=tmp_path / "shifted.parquet")),
    )


def test_what_comes_back_is_what_was_read(problem, tmp_path):
    events = read_events(problem)
    fresh = keep_events(*read_with_variants(problem))
    save_events(fresh, tmp_path / "kept")
    kept = load_events(tmp_path / "kept")
    assert kept.known_digests == fresh.digests, "read, not computed again"
    assert replace(kept, known_digests=None).digests == fresh.digests
    pd.testing.assert_frame_equal(kept.events.table, events.table)
    pd.testing.assert_frame_equal(kept.events.observers, events.observers)
    np.testing.assert_array_equal(kept.events.labels, events.labels)
    np.testing.assert_array_equal(kept.events.weights, events.weights)
    assert (kept.events.digest, kept.events.features) == (events.digest, events.features)
    shared = np.equal.outer(events.event_id, events.event_id)
    np.testing.assert_array_equal(np.equal.outer(kept.events.event_id, kept.events.event_id), shared)
    rows = np.array([5, 2, 9])
    for nuisance, changed in zip(problem.nuisances, ("a", "b"), strict=True):
        expected = read_variant(problem, nuisance, "up", events)
        assert list(kept.variants[nuisance.name, "up"]) == [changed]
        found = kept.take_variant(nuisance.name, "up", rows)
        np.testing.assert_array_equal(found, expected.iloc[rows])
        assert list(found) == list(events.features)
        assert kept.digests[f"{nuisance.name}, up"] == compute_digest(expected, events.labels, events.weights)


def test_files_that_are_damaged_or_gone_are_noticed(problem, tmp_path):
    folder = tmp_path / "kept"
    kept = keep_events(*read_with_variants(problem))
    save_events(kept, folder)
    names = [*read_json(folder / "events.json")["files"], "events.json"]
    assert {"features.npy", "labels.npy", "event_id.npy", "observers.parquet", "variant_0.npy"} < set(names)
    for name in names:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-3] + bytes([whole[-3] ^ 4]) + whole[-2:])
        with pytest.raises(DamagedFileError, match=name):
            load_events(folder)
        (folder / name).unlink()
        with pytest.raises(DamagedFileError, match=name):
            load_events(folder)
        save_events(kept, folder)
    load_events(folder)
