"""Which epochs are told to Optuna."""

import itertools

import pytest

from tuner.tune.telling import MOST_REPORTS, space_reports


@pytest.mark.parametrize("n_epochs", [1, 7, MOST_REPORTS])
def test_few_epochs_are_all_reported(n_epochs):
    assert space_reports(n_epochs) == set(range(1, n_epochs + 1))


def test_many_epochs_are_reported_at_growing_distances():
    epochs = sorted(space_reports(1000))
    assert len(epochs) <= MOST_REPORTS
    assert epochs[0] == 1
    assert epochs[-1] == 1000
    steps = [b - a for a, b in itertools.pairwise(epochs)]
    assert steps == sorted(steps)
