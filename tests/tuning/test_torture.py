"""The short form of `make torture`: kills at any moment cost time and nothing else."""

import pytest

from benchmarks.torture import torture


@pytest.mark.timeout(200)
def test_a_sweep_outlives_kills_of_its_workers(tmp_path):
    outcome = torture(tmp_path, trials=12, workers=2, seconds=18, every=1.5, seed=1, timeout=150)
    assert outcome.kills >= 5
    assert (outcome.told, outcome.lost, outcome.doubled, outcome.failed, outcome.left) == (12, 0, 0, 0, 0)
    assert outcome.exit_code == 0
