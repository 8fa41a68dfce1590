"""The parts of `tuner check`: what a sweep would do, found without doing it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import optuna
import torch

from tuner.errors import FolderError, StudyError, TunerError
from tuner.prepare.splits import Splits
from tuner.train.data import load_training_data
from tuner.train.device import find_device
from tuner.train.pack import Member, Pack
from tuner.tune.asking import describe_error
from tuner.tune.resume import probe_space
from tuner.tune.samplers import make_default_sampler
from tuner.tune.study import Study
from tuner.tune.sweep import check_batches, choose_workers, find_study_file


@dataclass(frozen=True)
class TriedNetwork:
    """One network that was built and trained for one step."""

    name: str
    n_parameters: int
    seconds_per_step: float
    n_steps: int


def describe_run(study: Study, folder: str | Path, device: str | None) -> tuple[str, ...]:
    """Return what is searched, where and how much. Raise `TunerError`."""
    _check_folder(Path(folder))
    parameters = probe_space(study).distributions
    workers = choose_workers(study, None, device, find_study_file(study))
    budget, space = study.budget, study.space
    minutes = "" if budget.minutes is None else f", at most {budget.minutes:g} minutes"
    return (
        f"Search space: {len(parameters)} parameters, {len(space.warm_starts)} warm starts.",
        f"Budget: {budget.trials} trials of at most {budget.epochs} epochs{minutes}, on {find_device(device)} "
        f"with {workers} worker{'s' if workers > 1 else ''}.",
    )


def _check_folder(folder: Path) -> None:
    """Raise `FolderError` where the nearest existing folder cannot be written; leave nothing behind."""
    nearest = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise FolderError(
            f'The run folder must be writable, but "{folder}" is not ({error.strerror}). '
            "Choose another place with --folder."
        ) from error


def try_one_step(study: Study, splits: Splits, device: str | None) -> TriedNetwork:
    """Build the network of the first setting and train it for one step. Raise `StudyError` where it cannot be."""
    probe = optuna.create_study(sampler=make_default_sampler(study.seed))
    if study.space.warm_starts:
        probe.enqueue_trial(dict(study.space.warm_starts[0]))
    trial = probe.ask()
    settings = study.space(trial)
    check_batches(splits, probe_space(study))
    try:
        pack = Pack(settings, load_training_data(splits, find_device(device)), n_epochs=study.budget.epochs)
        pack.admit(Member(0, settings, study.seed))
        seconds = pack.time_step()
    except (TunerError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise StudyError(
            f"The network must build and train, but for {trial.params}: {describe_error(error)}"
        ) from error
    return TriedNetwork(type(settings.network).__name__, pack.n_parameters, seconds, pack.n_steps)


def describe_network(network: TriedNetwork) -> str:
    """Return the tried network in a sentence."""
    return (
        f"Network: {network.name} with {network.n_parameters:,} parameters was built and trained for one step "
        f"({1e3 * network.seconds_per_step:.0f} ms; an epoch has {network.n_steps} steps)."
    )
