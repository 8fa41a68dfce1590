"""Which epochs are told to Optuna, and when its pruner is asked."""

import itertools

import pytest
from optuna.pruners import BasePruner
from samples import make_study

import tuner
from tuner.trackers import NoTracker
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


class Watching(BasePruner):
    """Prunes nothing, and keeps the last epoch that was reported whenever it is asked."""

    def __init__(self):
        self.asked = []

    def prune(self, study, trial):
        self.asked.append(trial.last_step)
        return False


def test_the_pruner_is_asked_once_for_each_reported_epoch_and_for_no_other(tmp_path):
    """Asked at an epoch between two reports it would judge the same report twice."""
    pruner = Watching()
    study = make_study(trials=1, epochs=60, n_events=400, pruner=lambda n_epochs: pruner)
    search = tuner.sweep(study, folder=tmp_path, workers=1, device="cpu", tracker=NoTracker())
    (trial,) = search.optuna_study.get_trials()
    reported = sorted(trial.intermediate_values)
    assert (
        pruner.asked == reported == [epoch for epoch in sorted(space_reports(60)) if epoch <= search.trials[0].epochs]
    )
    assert len(reported) < search.trials[0].epochs
