"""Multilayer perceptrons, with periodic embeddings or without. The default of all studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from search_spaces import embeddings, optimizer
from search_spaces.optimizer import suggest_or_zero
from tuner import models
from tuner.train.settings import Settings
from tuner.tune.study import search_space

if TYPE_CHECKING:
    from optuna.trial import Trial

    from tuner.models import MLPSettings
    from tuner.models.mlp import ActivationKind, NormalisationKind

STRUCTURE = (
    "mlp.n_layers",
    "mlp.width",
    "mlp.activation",
    "mlp.normalisation",
    *(f"mlp.{name}" for name in embeddings.STRUCTURE),
    *(f"mlp.{name}" for name in optimizer.STRUCTURE),
)

WARM_STARTS: tuple[dict[str, Any], ...] = (
    {
        "mlp.n_layers": 3,
        "mlp.width": 256,
        "mlp.activation": "silu",
        "mlp.normalisation": "none",
        "mlp.dropout.on": True,
        "mlp.dropout": 0.1,
        "mlp.embedding": "none",
        "mlp.optimizer": "adamw",
        "mlp.batch_size": 256,
        "mlp.lr": 2e-3,
        "mlp.weight_decay.on": True,
        "mlp.weight_decay": 1e-2,
        "mlp.schedule": "cosine",
        "mlp.warmup": 0.05,
    },
)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample an MLP and how it is trained."""
    return Settings(
        network=suggest_network(trial),
        training=optimizer.suggest(trial, "mlp", lr=(3e-4, 2e-2), optimizers=("adamw", "sgd")),
    )


def suggest_network(trial: Trial) -> MLPSettings:
    """Sample an MLP."""
    # Depth 1-8 and width 1-512 in arXiv:2106.11959; beyond 4 and 384 nothing is gained on 10,000 events in 30 epochs.
    n_layers = trial.suggest_int("mlp.n_layers", 1, 4)
    width = trial.suggest_categorical("mlp.width", [64, 128, 192, 256, 384])
    activation = trial.suggest_categorical("mlp.activation", ["relu", "silu", "gelu", "selu"])
    normalisation = trial.suggest_categorical("mlp.normalisation", ["none", "layer", "batch"])
    return models.MLPSettings(
        widths=(width,) * n_layers,
        activation=cast("ActivationKind", activation),
        normalisation=cast("NormalisationKind", normalisation),
        dropout=suggest_or_zero(trial, "mlp.dropout", 0.0, 0.5),  # {0, U[0, .5]}: arXiv:2106.11959
        embedding=embeddings.suggest(trial, "mlp"),
    )
