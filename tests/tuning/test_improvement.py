"""When a search is good enough, or not worth going on with."""

import math
from dataclasses import replace

import numpy as np
import pytest
from samples import make_study

import tuner
from tuner import Budget
from tuner.errors import StudyError
from tuner.trackers import NoTracker
from tuner.tuning.improvement import MIN_COMPLETE, ImprovementWatch, estimate_gain
from tuner.tuning.status import count_left
from tuner.tuning.trial_attributes import write_stopped_improbable

DRAWS = {
    "exponential": lambda rng, n: rng.exponential(0.01, n),
    "normal": lambda rng, n: rng.normal(0.9, 0.01, n),
    "bounded": lambda rng, n: rng.uniform(0.8, 0.9, n),
}


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("n_left", [20, 200])
def test_the_gain_is_a_bound_on_what_more_trials_gain_and_no_wild_one(kind, n_left):
    rng, draw = np.random.default_rng(3), DRAWS[kind]
    told, true = [], []
    for _ in range(400):
        figures = draw(rng, 100)
        told.append(estimate_gain(list(figures), 100, n_left))
        true.append(max(0.0, draw(rng, n_left).max() - figures.max()))
    assert np.mean(told) > 0.8 * np.mean(true)
    if kind == "exponential":  # where the tail is what it is taken for, at few trials the bound is nearly reached
        assert np.mean(told) < {20: 1.6, 200: 4}[n_left] * np.mean(true)


def test_few_trials_say_nothing_and_pruned_ones_make_a_gain_less_likely():
    figures = list(np.random.default_rng(0).normal(size=MIN_COMPLETE))
    assert estimate_gain(figures[:-1], 100, 10) == math.inf
    assert estimate_gain(figures, 90, 10) == pytest.approx(estimate_gain(figures, 30, 10) / 3)
    assert estimate_gain([0.9] * MIN_COMPLETE, MIN_COMPLETE, 10) == 0.0


@pytest.mark.parametrize(
    ("budget", "told"), [({"target": math.nan}, "finite number"), ({"target": 1.2}, "1 at the most")]
)
def test_a_target_that_cannot_be_reached_is_refused(budget, told):
    with pytest.raises(StudyError, match=told):
        make_study(budget=Budget(**budget))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(budget=Budget(trials=9, epochs=2, target=0.6), n_events=600)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("target"), tracker=NoTracker())


def test_a_search_ends_with_its_target_and_goes_on_with_a_higher_one(search):
    assert search.best_trial.figure >= 0.6
    n_trials = len(search.trials)
    assert n_trials < 9
    assert count_left(search) == 0
    assert search.describe_early_end().endswith("the target is 0.6.")
    assert tuner.open_search(make_study(n_events=600), search.folder.path.parent).study.budget.target == 0.6
    higher = replace(search.study, budget=replace(search.study.budget, target=0.999, trials=n_trials + 1))
    assert len(tuner.sweep(higher, folder=search.folder.path.parent, tracker=NoTracker()).trials) == n_trials + 1


def test_a_search_ends_where_less_than_the_noise_would_be_gained(search):
    trials = search.trials
    many = [*trials, *[replace(trials[-1], figure=0.5)] * 40]
    gain, noise = ImprovementWatch(search).find_gain(many, 5)
    assert 0 <= gain < noise < 0.1
    assert ImprovementWatch(search).find_gain(many[:20], 5) is None
    study = replace(search.study, budget=Budget(trials=20, epochs=2, stop_when_improbable=True))
    ended = replace(search, study=study)
    assert count_left(ended) > 0
    write_stopped_improbable(search.optuna_study, 20, 1e-4, 2e-3)
    assert count_left(ended) == 0
    assert ended.describe_early_end() == (
        "the trials that are left are expected to gain 0.0001 of AUC at the most, less than its noise of 0.002."
    )
    more = replace(ended, study=replace(study, budget=replace(study.budget, trials=30)))
    assert count_left(more) > 0


def test_a_sweep_ends_where_no_gain_is_expected_and_says_so(tmp_path, caplog):
    budget = Budget(trials=45, epochs=1, stop_when_improbable=True)
    study = make_study(budget=budget, n_events=300)
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker())
    assert MIN_COMPLETE <= len(search.trials) < 45
    (told,) = [message for message in caplog.messages if "ends early" in message]
    assert told.startswith("The search ends early: the trials that are left are expected to gain")
    assert len(tuner.sweep(study, folder=tmp_path, tracker=NoTracker()).trials) == len(search.trials)


def test_a_search_whose_last_trial_reaches_the_target_has_not_ended_early(tmp_path, caplog):
    study = make_study(budget=Budget(trials=1, epochs=1, target=0.01), n_events=300)
    assert tuner.sweep(study, folder=tmp_path, tracker=NoTracker()).has_reached_target
    assert not any("ends early" in message for message in caplog.messages)
