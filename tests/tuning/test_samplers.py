"""Samplers draw what they draw alone, from seeds of the study and the number of the trial; a structure stays."""

import warnings

import optuna
import pytest
from optuna.trial import TrialState

from tuner.tuning.pruners import make_default_pruner
from tuner.tuning.samplers import SeededSampler, derive_seed, make_default_sampler
from tuner.tuning.trial_attributes import Failure, enqueue_again, write_reason


def suggest(trial):
    depth = trial.suggest_int("depth", 1, 4)
    width = trial.suggest_categorical("width", [32, 64, 128])
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    extra = trial.suggest_float("deep.rate", 0, 1) if depth > 2 else 0
    return -((depth - 3) ** 2) - abs(lr - 0.01) - extra - width / 1000


def run(study, n, fixed=None):
    for _ in range(n):
        trial = study.sampler.ask(study, fixed)
        study.tell(trial, suggest(trial))
    return [trial.params for trial in study.get_trials(deepcopy=False)]


def make(seed, storage=None, name=None):
    sampler = SeededSampler(make_default_sampler, seed)
    return optuna.create_study(
        sampler=sampler, storage=storage, study_name=name, load_if_exists=True, direction="maximize"
    )


def test_a_resumed_search_goes_on_as_if_it_had_not_stopped():
    whole = run(make(1), 24)
    storage = optuna.storages.InMemoryStorage()
    run(make(1, storage, "s"), 9)
    resumed = run(make(1, storage, "s"), 15)
    assert resumed == whole
    assert len({str(params) for params in resumed}) == 24


@pytest.mark.parametrize("make_pruner", [make_default_pruner, lambda n: optuna.pruners.HyperbandPruner(3, n, 3)])
def test_a_trial_goes_on_whichever_bracket_of_hyperband_its_new_number_falls_into(make_pruner):
    study = make(1)
    study.pruner = make_pruner(30)
    first = [study.sampler.ask(study) for _ in range(12)]
    for trial in first:
        suggest(trial)
        trial.report(0.5, 3)
        trial.should_prune()
        trial.storage.set_trial_system_attr(trial._trial_id, "completed_rung_0", 0.5 + trial.number)
    for trial in first:
        enqueue_again(study, trial.params, trial)
        study.tell(trial, state=TrialState.FAIL)
    again = [study.sampler.ask(study) for _ in range(12)]
    assert [study.trials[trial.number].user_attrs["resumes trial"] for trial in again] == [
        trial.number for trial in first
    ]
    assert [study.trials[trial.number].system_attrs["completed_rung_0"] for trial in again] == [
        0.5 + trial.number for trial in first
    ]
    if make_pruner is make_default_pruner:
        brackets = [
            [study.pruner._get_bracket_id(study, t) for t in trials]
            for trials in (study.trials[:12], study.trials[12:])
        ]
        assert brackets[0] == brackets[1]
        assert len(set(brackets[0])) > 1


def test_another_seed_is_another_search():
    assert run(make(1), 5) != run(make(2), 5)
    assert derive_seed(1, 2) != derive_seed(2, 1)
    assert derive_seed(1, 2, purpose=1) != derive_seed(1, 2)


@pytest.mark.parametrize(("failure", "is_left"), [(Failure.MEMORY, True), (Failure.CODE, False)])
def test_a_choice_that_cannot_be_trained_is_left(failure, is_left):
    """Of failed trials samplers learn nothing: each choice that never fits would be drawn again and again."""
    study, n_large = make(4), 0
    for _ in range(40):
        trial = study.sampler.ask(study)
        is_large = trial.suggest_categorical("width", ["small", "medium", "large"]) == "large"
        value = trial.suggest_float("lr", 0, 1)
        if is_large:
            write_reason(study, trial, "Out of memory.", failure)
        study.tell(trial, None if is_large else value, state=TrialState.FAIL if is_large else None)
        n_large += is_large and trial.number >= 20
    assert (n_large < 8) is is_left
    assert {t.state for t in study.get_trials()} == {TrialState.COMPLETE, TrialState.FAIL}


@pytest.mark.parametrize("n_before", [0, 30])
def test_fixed_parameters_stay_and_the_others_are_sampled(n_before):
    study = make(3)
    run(study, n_before)
    params = run(study, 8, fixed={"depth": 3, "width": 64})[n_before:]
    assert {(p["depth"], p["width"]) for p in params} == {(3, 64)}
    assert len({p["lr"] for p in params}) == 8
    assert len({p["deep.rate"] for p in params}) == 8


def test_the_default_pruner_takes_any_number_of_epochs():
    for n_epochs in (1, 2, 3, 30, 256):
        study = optuna.create_study(direction="maximize", pruner=make_default_pruner(n_epochs))
        trial = study.ask()
        trial.report(0.5, 1)
        assert trial.should_prune() in (False, True)


def suggest_flat(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    return x * (1 - x) + trial.suggest_int("n", 1, 4) + trial.suggest_float("lr", 1e-4, 1e-1, log=True)


GRID = {"x": [0.1, 0.2, 0.3], "n": [1, 2], "lr": [1e-3, 1e-2]}


def quietly(make):
    def make_quietly(seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return make(seed)

    return make_quietly


SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=4),
    "cma": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=2),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed, n_startup_trials=8),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=4),
    "nsga3": lambda seed: optuna.samplers.NSGAIIISampler(seed=seed, population_size=4),
    "grid": lambda seed: optuna.samplers.GridSampler(GRID, seed=seed),
    "sobol": lambda seed: optuna.samplers.QMCSampler(qmc_type="sobol", seed=seed, warn_independent_sampling=False),
    "halton": lambda seed: optuna.samplers.QMCSampler(
        qmc_type="halton", seed=seed, scramble=True, warn_independent_sampling=False
    ),
    "fixed": lambda seed: optuna.samplers.PartialFixedSampler({"n": 3}, optuna.samplers.RandomSampler(seed=seed)),
}
ONE_SEQUENCE = ("grid", "sobol", "halton")
"""Samplers that draw one sequence, which their seed scrambles."""


def draw(study, n):
    for _ in range(n):
        trial = study.ask()
        study.tell(trial, suggest_flat(trial))
    return [trial.params for trial in study.get_trials(deepcopy=False)]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_every_sampler_draws_what_it_draws_alone(kind):
    if kind == "cma":
        pytest.importorskip("cmaes")
    make, n = quietly(SAMPLERS[kind]), 9  # of a Gaussian process one: from the second on it begins with the last fit
    ours = draw(optuna.create_study(sampler=SeededSampler(make, 7), direction="maximize"), n)
    plain = optuna.create_study(sampler=make(7), direction="maximize")
    if kind in ONE_SEQUENCE:
        begin = 0 if kind == "grid" else 1  # a sequence begins with a random draw
        assert ours[begin:] == draw(plain, n)[begin:]
        return
    for number in range(n):  # the same sampler, its random numbers those of the trial
        plain.sampler = make(derive_seed(7, number))
        draw(plain, 1)
    assert ours == [trial.params for trial in plain.get_trials(deepcopy=False)]


def test_a_sampler_that_ignores_its_seed_never_repeats_itself():
    study = optuna.create_study(sampler=SeededSampler(lambda _: optuna.samplers.RandomSampler(seed=1), 0))
    assert len({params["x"] for params in draw(study, 6)}) == 6


@pytest.mark.parametrize("kind", ["sobol", "halton"])
def test_workers_share_one_sequence(kind):
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="s", storage=storage)
    workers = [
        optuna.load_study(study_name="s", storage=storage, sampler=SeededSampler(quietly(SAMPLERS[kind]), 7))
        for _ in "ab"
    ]
    for number in range(9):
        draw(workers[number % 2], 1)
    alone = draw(optuna.create_study(sampler=quietly(SAMPLERS[kind])(7)), 9)
    assert [trial.params for trial in workers[0].get_trials()][1:] == alone[1:]


def test_every_combination_comes_once_and_then_no_more():
    study = optuna.create_study(sampler=(sampler := SeededSampler(quietly(SAMPLERS["grid"]), 3)))
    counts = []
    while not sampler.is_exhausted(study):
        counts.append(len(draw(study, 1)))
    assert counts == list(range(1, 13))
    assert len({str(trial.params) for trial in study.get_trials()}) == 12
