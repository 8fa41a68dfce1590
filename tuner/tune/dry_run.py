"""The parts of `tuner check`: what a sweep would do, found without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import optuna
import torch

from tuner.errors import StudyError, TunerError
from tuner.prepare.splits import Splits
from tuner.run_folder import RunFolder
from tuner.train.data import load_training_data
from tuner.train.device import find_device
from tuner.train.pack import Member, Pack
from tuner.tune.asking import describe_error
from tuner.tune.resume import probe_space
from tuner.tune.samplers import make_default_sampler
from tuner.tune.study import Study
from tuner.tune.sweep import check_batches, choose_workers, find_study_file

N_SCORED = 64
"""Validation events that a tried network scores."""


@dataclass(frozen=True)
class TriedNetwork:
    """One network that was built and trained for one step."""

    name: str
    n_parameters: int
    seconds_per_step: float
    n_steps: int


def describe_run(study: Study, folder: str | Path, device: str | None) -> tuple[str, ...]:
    """Return what is searched, where and how much. Raise `TunerError`."""
    RunFolder(Path(folder) / study.name).check()
    parameters = probe_space(study).distributions
    workers = choose_workers(study.budget.trials, None, device, find_study_file(study))
    budget, space = study.budget, study.space
    minutes = "" if budget.minutes is None else f", at most {budget.minutes:g} minutes"
    return (
        f"Search space: {_count(len(parameters), 'parameter')}, {_count(len(space.warm_starts), 'warm start')}.",
        f"Budget: {budget.trials} trials of at most {budget.epochs} epochs{minutes}, on {find_device(device)} "
        f"with {_count(workers, 'worker')}.",
    )


def try_one_step(study: Study, splits: Splits, device: str | None) -> TriedNetwork:
    """Build the network of the first setting and train it for one step. Raise `StudyError` where it cannot be."""
    check_batches(splits, probe_space(study))
    probe = optuna.create_study(sampler=make_default_sampler(study.seed))
    if study.space.warm_starts:
        probe.enqueue_trial(dict(study.space.warm_starts[0]))
    trial = probe.ask()
    try:
        settings = study.space(trial)
        pack = Pack(settings, load_training_data(splits, find_device(device)), n_epochs=study.budget.epochs)
        pack.admit(Member(0, settings, study.seed))
        seconds = pack.time_step()
        logits = pack.score(pack.data.validation_x[:N_SCORED])
    except (TunerError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise StudyError(
            f"The network must build and train, but for {trial.params}: {describe_error(error)}"
        ) from error
    if not logits.isfinite().all():
        raise StudyError(f"The network must give finite logits, but for {trial.params} some are not.")
    return TriedNetwork(type(settings.network).__name__, pack.n_parameters, seconds, pack.n_steps)


def describe_network(network: TriedNetwork) -> str:
    """Return the tried network in a sentence."""
    return (
        f"Network: {network.name} with {network.n_parameters:,} parameters was built and trained for one step "
        f"({1e3 * network.seconds_per_step:.0f} ms; an epoch has {_count(network.n_steps, 'step')})."
    )


def _count(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
