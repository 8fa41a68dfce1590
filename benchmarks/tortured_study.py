"""The study of `torture.py`: short trials, each setting written down when it is drawn, apart from Optuna."""

from __future__ import annotations

import json
import os
import time

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, Trial

from tuner import Budget, Checkpoints, Problem, Settings, Study, TrainingSettings, models, search_space
from tuner.events import Resonance
from tuner.tuning.pruners import make_default_pruner
from tuner.tuning.trial_attributes import find_root

DRAWN = "TORTURE_DRAWN"
"""Environment variable that names the file of what was drawn; nothing is written where it is not set. The file beside
it with the ending .epochs has a line for each epoch: the first trial of its setting, its number, seconds."""

NAME, EPOCHS = "tortured", 5

INTERVAL = 1.0
"""Seconds between two checkpoints."""


@search_space(structure=["width"])
def suggest(trial: Trial) -> Settings:
    """Draw a small network, and append what was drawn to the file."""
    width = trial.suggest_categorical("width", [8, 16, 32])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    if trial.study.study_name == NAME:  # not where the sweep only looks at the space
        _note([width, lr])
    return Settings(network=models.MLPSettings(widths=(width,)), training=TrainingSettings(lr=lr, batch_size=64))


def _note(line: list[float], ending: str = "") -> None:
    """Append a line to the file of what was drawn, or to one beside it."""
    if DRAWN in os.environ:
        file = os.open(os.environ[DRAWN] + ending, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (json.dumps(line) + "\n").encode())
        os.close(file)


class NotingPruner(BasePruner):
    """The default pruner, which notes each epoch that was trained."""

    def __init__(self, n_epochs: int) -> None:
        self.pruner = make_default_pruner(n_epochs)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Ask the default pruner."""
        _note([find_root(trial), trial.last_step or 0, time.monotonic()], ".epochs")
        return self.pruner.prune(study, trial)


def make_pruner(n_epochs: int) -> BasePruner:
    """Return the pruner of the study."""
    return NotingPruner(n_epochs)


study = Study(
    name=NAME,
    problem=Problem(
        question="Does the search outlive its workers?",
        events=Resonance(20_000),
        label="label",
        signal="signal",
        weight="weight",
        observers=("mass", "log_likelihood_ratio"),
        undefined=-999.0,
    ),
    search_space=suggest,
    budget=Budget(trials=150, epochs=EPOCHS, stop_in_vain=False),
    pruner=make_pruner,
    checkpoints=Checkpoints(seconds=INTERVAL),
)
