"""A file that is cut off, changed, empty or of another format is told in one sentence, never by a traceback."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tuner.drafts.draft import draft_study
from tuner.errors import EventsError
from tuner.events import read_events
from tuner.exploration.explore import explore_events

N_DAMAGES = 12


def write_root(table, path):
    uproot = pytest.importorskip("uproot", reason='needs the extra "root"')
    with uproot.recreate(path) as file:
        file["tree"] = {name: table[name].to_numpy() for name in table.columns}


def write_hdf5(table, path):
    h5py = pytest.importorskip("h5py", reason='needs the extra "hdf5"')
    with h5py.File(path, "w") as file:
        file["events"] = table.to_records(index=False)


@pytest.fixture
def write_format():
    """Write a table in the format that a path's ending names."""

    def write(table, path):
        match path.suffix:
            case ".parquet":
                table.to_parquet(path)
            case ".h5":
                write_hdf5(table, path)
            case ".root":
                write_root(table, path)
            case _:
                table.to_csv(path, index=False)

    return write


def damage(content, rng):
    """Return bytes that were cut off, or of which bits were flipped, a stretch was lost or zeroed."""
    changed, place = bytearray(content), int(rng.integers(len(content)))
    match rng.integers(4):
        case 0:
            del changed[place:]
        case 1:
            changed[place] ^= 1 << int(rng.integers(8))
        case 2:
            del changed[place : place + 100]
        case _:
            changed[place : place + 32] = bytes(len(changed[place : place + 32]))
    return bytes(changed)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "h5", "root"])
def test_damage_is_told_in_one_sentence(tmp_path, make_events, make_problem, write_format, ending):
    path = tmp_path / f"events.{ending}"
    write_format(make_events(), path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(N_DAMAGES):
        path.write_bytes(damage(content, rng))
        for attempt in (
            lambda: draft_study(str(path)),
            lambda: explore_events(read_events(make_problem(events=path))),
        ):
            with warnings.catch_warnings(action="ignore"):
                try:
                    attempt()
                except EventsError as error:
                    assert str(path) in str(error)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.xz", "parquet", "h5", "root"])
@pytest.mark.parametrize("other", ["nothing", "csv", "parquet", "h5", "root"])
def test_another_format_under_the_name_is_told(tmp_path, make_events, make_problem, write_format, ending, other):
    if ending == other:
        pytest.skip("the same format")
    content = b""
    if other != "nothing":
        write_format(make_events(), tmp_path / f"other.{other}")
        content = (tmp_path / f"other.{other}").read_bytes()
    path = tmp_path / f"events.{ending}"
    path.write_bytes(content)
    for attempt in (lambda: draft_study(str(path)), lambda: read_events(make_problem(events=path))):
        with pytest.raises(EventsError) as caught:
            attempt()
        assert str(path) in str(caught.value)
        if other in ("parquet", "h5", "root"):
            assert "It begins like a" in str(caught.value)


@pytest.mark.parametrize("weight", [1e200, -1e300, 1e39])
def test_a_weight_that_no_sum_can_hold_is_refused(make_events, make_problem, weight):
    table = make_events()
    table.loc[3, "w"] = weight
    with pytest.raises(EventsError, match="but is not in 1, the first of them event 4"):
        read_events(make_problem(table))


def test_features_whose_squares_are_beyond_float32_are_explored(make_events, make_problem):
    table = make_events()
    table["a"] *= 1e30
    explored = explore_events(read_events(make_problem(table)))
    np.testing.assert_allclose(explored.features.loc["a", "sd_signal"], table["a"][table["y"] == 1].std(), rtol=0.2)
