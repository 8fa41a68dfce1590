"""The study of the tutorial: MAGIC's events, a search space of three knobs, a budget that a page has time for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from studies import magic
from tuner import Budget, EvaluationSettings, Settings, TrainingSettings, models, search_space

if TYPE_CHECKING:
    from optuna.trial import Trial


@search_space(structure=["width"], warm_starts=[{"width": 64, "lr": 5e-2, "dropout": 0.1}])
def suggest(trial: Trial) -> Settings:
    """Sample the width of two layers, the learning rate and the dropout."""
    width = trial.suggest_categorical("width", [32, 64])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)  # log: 0.001 to 0.01 matters as much as 0.01 to 0.1
    dropout = trial.suggest_float("dropout", 0.0, 0.5)
    return Settings(
        network=models.MLPSettings(widths=(width, width), activation="silu", dropout=dropout),
        training=TrainingSettings(optimizer="schedule_free", schedule="constant", lr=lr, batch_size=256),
    )


study = replace(
    magic.study,
    name="tutorial",
    search_space=suggest,
    budget=Budget(trials=8, epochs=15),
    evaluation=EvaluationSettings(
        finalists=1, seeds=2, bag=4, hand_on="bag", refit=False, baseline_trials=2, replicas=100
    ),
)
