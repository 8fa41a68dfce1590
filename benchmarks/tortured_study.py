"""The study of `torture.py`: short trials, each setting written down when it is drawn, apart from Optuna."""

from __future__ import annotations

import json
import os

from optuna.trial import Trial

from tuner import Budget, Problem, Settings, Study, TrainingSettings, models, search_space
from tuner.events import Resonance

DRAWN = "TORTURE_DRAWN"
"""Environment variable that names the file of what was drawn; nothing is written where it is not set."""

NAME, EPOCHS = "tortured", 5


@search_space(structure=["width"])
def suggest(trial: Trial) -> Settings:
    """Draw a small network, and append what was drawn to the file."""
    width = trial.suggest_categorical("width", [8, 16, 32])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    if DRAWN in os.environ and trial.study.study_name == NAME:  # not where the sweep only looks at the space
        file = os.open(os.environ[DRAWN], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, (json.dumps([width, lr]) + "\n").encode())
        os.close(file)
    return Settings(network=models.MLPSettings(widths=(width,)), training=TrainingSettings(lr=lr, batch_size=64))


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
)
