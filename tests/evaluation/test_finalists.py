"""Which settings are trained anew: a search with trials whose networks are written down by hand."""

from __future__ import annotations

import numpy as np
import optuna
import pytest
import torch
from samples import make_settings, make_study
from torch import nn

import tuner
from tuner.errors import SearchError
from tuner.evaluation.finalists import choose_finalists
from tuner.metrics.figures_of_merit import Custom
from tuner.trackers import NoTracker
from tuner.training.checkpoints import Checkpoint, save_checkpoint
from tuner.training.settings import Settings
from tuner.tuning.trial_attributes import FIGURE


class Slanted(nn.Module):
    """A logit of one feature: offset + slope * first input."""

    def __init__(self, d_in):
        super().__init__()
        self.layer = nn.Linear(d_in, 1)

    def forward(self, x):
        return self.layer(x).squeeze(-1)


class SlantedSettings:
    def build(self, d_in):
        return Slanted(d_in)


def suggest(trial):
    trial.suggest_float("slope", 0.0, 100.0)
    return Settings(network=SlantedSettings(), training=make_settings().training)


def mean_of_signal(labels, scores, weights):
    return float(scores[labels == 1].mean())


@pytest.fixture
def search(tmp_path, make_events, make_problem):
    figure = Custom(name="mean score of signal", function=mean_of_signal)
    problem = make_problem(make_events(n=300), figure_of_merit=figure, observers=(), ignored=("m", "id"))
    study = make_study(trials=1, epochs=1, problem=problem, search_space=suggest)
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker())
    search.checkpoint_path(0).unlink()
    return search


def add(search, *, slope, offset=0.0, figure=0.5, kept=True, state="COMPLETE"):
    """Add a trial, its network written down; return its number."""
    distributions = {"slope": optuna.distributions.FloatDistribution(0.0, 100.0)}
    trial = optuna.trial.create_trial(
        params={"slope": slope},
        distributions=distributions,
        value=figure,
        user_attrs={FIGURE: figure},
        state=optuna.trial.TrialState[state],
    )
    search.optuna_study.add_trial(trial)
    number = search.trials[-1].number
    if kept:
        network = Slanted(search.splits.d_in)
        with torch.no_grad():
            network.layer.weight.zero_()
            network.layer.weight[0, 0] = slope
            network.layer.bias.fill_(offset)
        x = torch.from_numpy(search.splits.validation.x[:8].copy())
        with torch.no_grad():
            checkpoint = Checkpoint(network.state_dict(), x, network(x))
        save_checkpoint(checkpoint, search.checkpoint_path(number))
    return number


def choose(search, most=5):
    return [finalist.trial.number for finalist in choose_finalists(search, most=most, n_replicas=100)]


def test_the_stable_comes_before_the_lucky(search):
    """The lucky one's figure is higher, yet some of its scores are 0 and the rest 1; the stable one's are all alike."""
    lucky = add(search, slope=100.0, figure=0.9)
    signal = search.splits.validation.x[search.splits.validation.labels == 1]
    share = (signal[:, 0] > 0).mean()
    logit = np.log(share / (1 - share))
    stable = add(search, slope=0.0, offset=logit - 0.05, figure=0.8)
    by_number = {finalist.trial.number: finalist for finalist in choose_finalists(search, most=2, n_replicas=400)}
    assert list(by_number) == [stable, lucky]
    assert by_number[stable].lower == pytest.approx(share - 0.0125, abs=0.005)  # constant scores: no interval
    of_lucky = np.sqrt(share * (1 - share) / len(signal))
    assert by_number[lucky].lower == pytest.approx(share - of_lucky, abs=0.02)
    assert choose(search, most=1) == [stable]


def test_equal_settings_count_once_and_the_best_of_them_stands_for_all(search):
    add(search, slope=1.0, offset=0.1, figure=0.6)
    best = add(search, slope=1.0, offset=0.3, figure=0.7)
    add(search, slope=1.0, offset=0.2, figure=0.65)
    other = add(search, slope=1.5, figure=0.5)
    assert sorted(choose(search)) == [best, other]


def test_only_complete_trials_with_kept_parameters_are_chosen(search):
    with pytest.raises(SearchError, match="kept parameters"):
        choose(search)
    add(search, slope=1.0, figure=0.9, kept=False)
    add(search, slope=2.0, figure=0.9, state="PRUNED")
    kept = add(search, slope=3.0, figure=0.4)
    assert choose(search) == [kept]


def test_a_kept_duplicate_stands_in_for_one_that_was_not_kept(search):
    add(search, slope=1.0, figure=0.9, kept=False)
    kept = add(search, slope=1.0, figure=0.5)
    assert choose(search) == [kept]


def test_no_more_than_the_most_and_the_best_first(search):
    numbers = [add(search, slope=1e-6 * place, offset=offset) for place, offset in enumerate((0.1, 0.5, 0.3, 0.4))]
    assert choose(search, most=3) == [numbers[1], numbers[3], numbers[2]]
