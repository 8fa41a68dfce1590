"""Damaged files, some hundred of them, by the fuzzer that `make fuzz` runs for long."""

from random import Random

import pytest

from benchmarks.fuzz.damage import damage_file
from benchmarks.fuzz.trying import FAILURES, measure_references, try_input, write_inputs

QUICK = ("status", "predict", "predict with the ensemble", "evaluate", "sweep")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write_inputs(folder / "whole")
    return folder


@pytest.fixture(scope="module")
def references(scratch):
    """What is read of the whole files."""
    return measure_references(scratch / "whole", scratch, QUICK)


@pytest.mark.parametrize(("kind", "n_inputs"), [("events", 180), ("runs", 40)])
def test_damaged_files_are_read_as_they_were_or_refused_in_one_sentence(scratch, references, kind, n_inputs):
    whole, own = scratch / "whole", scratch / "own"
    outcomes = [try_input(1, n, whole, own, references, kind=kind, alarm=False) for n in range(n_inputs)]
    assert [outcome for outcome in outcomes if outcome.outcome in FAILURES] == []
    assert {"same", "refused"} <= {outcome.outcome for outcome in outcomes}


def test_whole_files_are_read_by_everything(references):
    refused = {name for name, found in references.items() if found is None}
    assert refused <= {"no header.data read", "no header.data features"}  # a study names the columns


def test_every_damage_changes_the_file_and_a_seed_repeats_it(tmp_path):
    path, other = tmp_path / "a.csv", tmp_path / "b.json"
    whole, seen = bytes(range(256)) * 40, {}
    other.write_bytes(b"{}")
    for number in range(120):
        found = []
        for _ in range(2):
            path.write_bytes(whole)
            name = damage_file(path, [path, other], Random(number))
            found.append((name, path.read_bytes() if path.exists() else None))
        assert found[0] == found[1]
        assert found[0][1] != whole
        seen[found[0][0]] = found[0][1]
    assert len(seen) == 10
