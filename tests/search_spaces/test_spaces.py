"""Every search space: structure complete and exact, warm starts inside, no heavy import."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import import_module

import optuna
import pytest
from optuna.samplers import PartialFixedSampler, RandomSampler

from tuner.training.structure import find_structure
from tuner.tuning.study import SearchSpace

NAMES = ["auto", "ft_transformer", "mlp", "realmlp", "resnet", "snn", "tabm"]


@pytest.fixture(params=NAMES)
def space(request: pytest.FixtureRequest) -> SearchSpace:
    if request.param in ("auto", "ft_transformer", "resnet"):
        pytest.importorskip("rtdl_revisiting_models")
    return import_module(f"search_spaces.{request.param}").suggest


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def ask(space: SearchSpace, seed: int, fixed: dict | None = None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = PartialFixedSampler(fixed or {}, RandomSampler(seed))
    trial = optuna.create_study(sampler=sampler).ask()
    return space(trial), trial.params


def test_trials_that_share_structure_parameters_share_a_structure(space: SearchSpace):
    """No structure parameter is forgotten: all others may change, and the pack stays one."""
    for seed in range(40):
        first, params = ask(space, seed)
        structure = {name: value for name, value in params.items() if name in space.structure}
        second, others = ask(space, 1000 + seed, structure)
        assert others != params
        assert find_structure(first) == find_structure(second)


def test_no_parameter_is_called_structure_that_is_none(space: SearchSpace):
    """Another value of a structure parameter, another structure: none of them splits packs without need."""
    seen = {}
    for seed in range(60):
        settings, params = ask(space, seed)
        chosen = tuple(sorted((n, v) for n, v in params.items() if n in space.structure))
        assert seen.setdefault(find_structure(settings), chosen) == chosen


def test_warm_starts_are_taken_as_they_are(space: SearchSpace):
    """Each name exists in the branch and each value is inside its range: Optuna samples what it cannot use anew."""
    assert space.warm_starts
    for start in space.warm_starts:
        study = optuna.create_study(sampler=RandomSampler(0))
        study.enqueue_trial(dict(start))
        trial = study.ask()
        space(trial)
        assert {name: trial.params.get(name) for name in start} == dict(start)


def test_schedule_free_training_has_no_schedule_and_waits_less(space: SearchSpace):
    """A falling rate makes late epochs better: only without one is a short patience right."""
    seen = set()
    for seed in range(40):
        settings, _ = ask(space, seed)
        training = settings.training
        seen.add(training.optimizer)
        free = training.optimizer == "schedule_free"
        assert (training.schedule == "constant") == free
        assert training.patience == (8 if free else 16)
    assert {"adamw", "schedule_free"} <= seen


def test_networks_of_a_space_are_built(space: SearchSpace):
    for start in space.warm_starts:
        trial = optuna.trial.FixedTrial(dict(start) | fill(space, start))
        assert sum(p.numel() for p in space(trial).network.build(5).parameters()) > 0


def fill(space: SearchSpace, start) -> dict:
    """What a warm start leaves to the sampler."""
    study = optuna.create_study(sampler=RandomSampler(0))
    study.enqueue_trial(dict(start))
    trial = study.ask()
    space(trial)
    return {name: value for name, value in trial.params.items() if name not in start}


@pytest.mark.parametrize("name", ["auto", "mlp"])
def test_a_space_is_imported_without_the_heavy_packages(name: str):
    heavy = ("torch", "pandas", "optuna", "sklearn", "matplotlib", "wandb")
    code = f"import sys, search_spaces.{name}; print([m for m in {heavy!r} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
