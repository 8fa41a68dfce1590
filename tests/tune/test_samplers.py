"""Seeds follow from the study and the number of the trial; a pack's structure stays."""

import optuna
import pytest

from tuner.tune.samplers import SeededSampler, derive_seed, make_default_pruner, make_default_sampler


def suggest(trial):
    depth = trial.suggest_int("depth", 1, 4)
    width = trial.suggest_categorical("width", [32, 64, 128])
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    extra = trial.suggest_float("deep.rate", 0, 1) if depth > 2 else 0
    return -((depth - 3) ** 2) - abs(lr - 0.01) - extra - width / 1000


def run(study, n):
    for _ in range(n):
        trial = study.ask()
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


def test_another_seed_is_another_search():
    assert run(make(1), 5) != run(make(2), 5)
    assert derive_seed(1, 2) != derive_seed(2, 1)
    assert derive_seed(1, 2, purpose=1) != derive_seed(1, 2)


@pytest.mark.parametrize("n_before", [0, 30])
def test_fixed_parameters_stay_and_the_others_are_sampled(n_before):
    study = make(3)
    run(study, n_before)
    study.sampler.fixed = {"depth": 3, "width": 64}
    params = run(study, 8)[n_before:]
    assert {(p["depth"], p["width"]) for p in params} == {(3, 64)}
    assert len({p["lr"] for p in params}) == 8
    assert len({p["deep.rate"] for p in params}) == 8


def test_the_default_pruner_takes_any_number_of_epochs():
    for n_epochs in (1, 2, 3, 30, 256):
        study = optuna.create_study(direction="maximize", pruner=make_default_pruner(n_epochs))
        trial = study.ask()
        trial.report(0.5, 1)
        assert trial.should_prune() in (False, True)
