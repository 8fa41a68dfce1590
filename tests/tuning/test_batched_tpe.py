"""The default sampler: Optuna's own for the first of a pack, one fit for all, and draws that differ."""

import warnings

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from tuner.tuning import batched_tpe
from tuner.tuning.batched_tpe import BatchedTPESampler
from tuner.tuning.samplers import SeededSampler, make_default_sampler


def suggest(trial):
    kind = trial.suggest_categorical("kind", ["deep", "wide"])
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    if kind == "deep":
        return trial.suggest_int("depth", 1, 8) / 8 - lr
    return trial.suggest_float("width", 16, 256) / 256 - lr


def make_plain(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, group=True)


def search(make, n):
    """Search with every third trial pruned and every seventh left running, as a worker has them."""
    study = optuna.create_study(sampler=make(3), direction="maximize")
    for number in range(n):
        trial = study.ask()
        value = suggest(trial)
        if number % 7 == 6:
            continue
        trial.report(value, 1)
        study.tell(trial, None if number % 3 else value, state=TrialState.PRUNED if number % 3 else None)
    return study


def test_trial_by_trial_it_draws_what_optunas_tpe_draws():
    ours, plain = (search(make, 40).get_trials() for make in (BatchedTPESampler, make_plain))
    assert [t.params for t in ours] == [t.params for t in plain]


@pytest.fixture
def fits(monkeypatch):
    made, split = [], batched_tpe._split_trials
    monkeypatch.setattr(batched_tpe, "_split_trials", lambda *given: made.append(1) or split(*given))
    return made


def test_a_pack_is_one_fit_and_its_trials_differ(fits):
    study = search(BatchedTPESampler, 30)
    study.sampler = sampler = SeededSampler(make_default_sampler, 1)
    fits.clear()
    drawn = []
    for fixed in (None, {"kind": "deep"}, {"kind": "deep"}, {"kind": "deep"}, None):
        trial = sampler.ask(study, fixed)
        suggest(trial)
        drawn.append(trial.params)
    assert len(fits) == 2, "the second free draw begins another pack"
    assert [p["kind"] for p in drawn[1:4]] == ["deep"] * 3
    assert len({p["lr"] for p in drawn}) == len({p["lr"] for p in drawn[1:4]}) + 2 == 5


def test_workers_draw_apart_from_the_same_history():
    study, drawn = search(BatchedTPESampler, 30), []
    for _ in range(3):
        study.sampler = SeededSampler(make_default_sampler, 1)
        for fixed in (None, {"kind": "deep"}):
            trial = study.sampler.ask(study, fixed)
            suggest(trial)
            drawn.append(trial.params["lr"])
    assert len(set(drawn)) == 6


def test_a_long_history_is_sampled_and_its_best_are_kept(monkeypatch):
    monkeypatch.setattr(batched_tpe, "MAX_HISTORY", 8)
    study = search(BatchedTPESampler, 60)
    study.sampler.before_trial(study, study.trials[-1])
    fit = study.sampler._find_fit(study, study.trials[-1])
    complete = sorted((t.value for t in study.trials if t.state == TrialState.COMPLETE), reverse=True)
    assert sorted((t.value for t in fit.below), reverse=True) == complete[: len(fit.below)]
    numbers = [t.number for t in fit.above]
    assert len(numbers) == 8
    assert numbers == sorted(set(numbers))
    assert max(numbers) - min(numbers) > 8, "a sample of all, not the last ones"
