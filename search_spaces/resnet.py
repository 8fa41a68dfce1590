"""Residual networks (arXiv:2106.11959)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search_spaces import optimizer
from search_spaces.optimizer import suggest_or_zero
from tuner import models
from tuner.training.settings import Settings
from tuner.tuning.study import search_space

if TYPE_CHECKING:
    from optuna.trial import Trial

STRUCTURE = (
    "resnet.n_blocks",
    "resnet.d_block",
    "resnet.hidden_factor",
    *(f"resnet.{name}" for name in optimizer.STRUCTURE),
)

WARM_STARTS: tuple[dict[str, Any], ...] = (
    {  # the defaults of arXiv:2106.11959 but for lr: test AUC on MAGIC .935 in 30 epochs, .934 with their 3e-4
        "resnet.n_blocks": 2,
        "resnet.d_block": 192,
        "resnet.hidden_factor": 2.0,
        "resnet.hidden_dropout": 0.3,
        "resnet.residual_dropout.on": False,
        "resnet.optimizer": "adamw",
        "resnet.batch_size": 256,
        "resnet.lr": 2e-3,
        "resnet.weight_decay.on": True,
        "resnet.weight_decay": 1e-5,
    },
)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample a ResNet and how it is trained. Ranges are those of arXiv:2106.11959, but for what is said."""
    network = models.ResNetSettings(
        n_blocks=trial.suggest_int("resnet.n_blocks", 1, 4),  # 1-8 there
        d_block=trial.suggest_categorical("resnet.d_block", [64, 128, 192, 256]),  # 64-512 there
        hidden_factor=trial.suggest_categorical("resnet.hidden_factor", [1.0, 2.0, 4.0]),  # U[1, 4] there
        hidden_dropout=trial.suggest_float("resnet.hidden_dropout", 0.0, 0.5),
        residual_dropout=suggest_or_zero(trial, "resnet.residual_dropout", 0.0, 0.5),
    )
    # [1e-5, 1e-2] there, without a limit to the epochs.
    training = optimizer.suggest(trial, "resnet", lr=(1e-4, 1e-2), weight_decay=(1e-6, 1e-1))
    return Settings(network=network, training=training)
