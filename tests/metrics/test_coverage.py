"""Intervals hold the truth as often as they say, in simulated experiments whose truth is a closed form."""

from __future__ import annotations

import pytest

from benchmarks.coverage import COVERAGES, count_held, tabulate

N_EXPERIMENTS = 1500
"""The share of those in which a 68 % interval holds the truth is known to 1.2 %, that of a 95 % one to 0.6 %."""
TOLERANCE = 0.02
DISCRETE = {"1/eps_B at eps_S=0.5": 0.03}
"""A rejection is that of a cut that can be set, and cuts are sparser in a replica: its interval errs upwards."""


@pytest.fixture(scope="module")
def shares():
    return count_held(range(N_EXPERIMENTS), n_events=1200, n_replicas=200)


def test_intervals_hold_the_truth_as_often_as_they_say(shares):
    print(tabulate(shares, N_EXPERIMENTS))
    assert len({figure for figure, _ in shares}) == 7
    for (figure, name), share in shares.items():
        excess = share - COVERAGES[name]
        assert -TOLERANCE < excess < DISCRETE.get(figure, TOLERANCE), (figure, name, share)
