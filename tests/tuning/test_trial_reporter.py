"""What is told to Optuna: which epochs, when its pruner is asked, and trials that others have told already."""

import itertools

import optuna
import pytest
from optuna.pruners import BasePruner
from samples import make_study

import tuner
from tuner.trackers import NoTracker
from tuner.tuning.heartbeats import Lease, reap_trials
from tuner.tuning.samplers import SeededSampler
from tuner.tuning.search import Search
from tuner.tuning.trial_attributes import claim
from tuner.tuning.trial_queue import Asker
from tuner.tuning.trial_reporter import MAX_REPORTS, Teller, space_reports


@pytest.mark.parametrize("n_epochs", [1, 7, MAX_REPORTS])
def test_few_epochs_are_all_reported(n_epochs):
    assert space_reports(n_epochs) == set(range(1, n_epochs + 1))


def test_many_epochs_are_reported_at_growing_distances():
    epochs = sorted(space_reports(1000))
    assert len(epochs) <= MAX_REPORTS
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


@pytest.mark.parametrize("end", [Teller.give_back, Teller.try_again])
def test_a_trial_that_was_given_to_another_worker_is_given_up(tmp_path, caplog, end):
    """The worker was silent for so long that others took it for dead; what else it holds it still gives back."""
    search = tuner.sweep(make_study(trials=1, epochs=1, n_events=400), folder=tmp_path, tracker=NoTracker())
    study = make_study(trials=9, epochs=1, n_events=400)
    late, others = (Search(study, search.folder) for _ in range(2))
    teller = Teller(late, late.optuna_study, NoTracker())
    with Lease(late.optuna_study) as lease:
        asker = Asker(late, SeededSampler(lambda seed: optuna.samplers.RandomSampler(seed=seed), 0), lease.worker)
        for _ in range(2):
            asked = asker.ask()
            teller.asked[asked.trial.number] = asked
        claim(teller.asked[1].trial, "gone")
        assert reap_trials(others.optuna_study) == [1]
        for number in (1, 2):
            end(teller, number, "Its pack failed.")
    assert teller.asked == {}
    assert "Trial 1 was given to another worker" in caplog.text
    assert [trial.state for trial in search.trials] == ["complete", "interrupted", "interrupted", "waiting", "waiting"]
