"""Multilayer perceptrons, with periodic embeddings or without. The default of all studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from search_spaces import embeddings, optimizer
from search_spaces.optimizer import suggest_or_zero
from tuner import models
from tuner.training.settings import Settings
from tuner.tuning.study import search_space

if TYPE_CHECKING:
    from optuna.trial import Trial

    from tuner.models import MLPSettings
    from tuner.models.mlp import ActivationKind, NormalisationKind
    from tuner.training.settings import OptimizerKind

STRUCTURE = (
    "mlp.n_layers",
    "mlp.width",
    "mlp.activation",
    "mlp.normalisation",
    *(f"mlp.{name}" for name in embeddings.STRUCTURE),
    *(f"mlp.{name}" for name in optimizer.STRUCTURE),
)

OPTIMIZERS: tuple[OptimizerKind, ...] = ("adamw", "schedule_free", "sgd")

WARM_STARTS: tuple[dict[str, Any], ...] = (
    {  # Mean of best-epoch validation AUCs of 3 folds, on MAGIC, 12,000 events of the resonance, and HiggsML:
        # .9365 .9558 .9276; see benchmarks/FINDINGS.md
        "mlp.n_layers": 3,
        "mlp.width": 256,
        "mlp.activation": "silu",
        "mlp.normalisation": "layer",
        "mlp.dropout.on": False,
        "mlp.embedding": "none",
        "mlp.optimizer": "schedule_free",
        "mlp.batch_size": 256,
        "mlp.warmup": 0.05,
        "mlp.schedule_free.lr": 1e-2,
        "mlp.weight_decay.on": True,
        "mlp.weight_decay": 1e-2,
    },
    {  # likewise: .9374 .9539 (a smaller one) .9284
        "mlp.n_layers": 2,
        "mlp.width": 256,
        "mlp.activation": "relu",
        "mlp.normalisation": "none",
        "mlp.dropout.on": True,
        "mlp.dropout": 0.1,
        "mlp.embedding": "periodic",
        "mlp.periodic.n_frequencies": 16,
        "mlp.periodic.d_embedding": 16,
        "mlp.periodic.scale": 0.1,
        "mlp.optimizer": "schedule_free",
        "mlp.batch_size": 256,
        "mlp.warmup": 0.05,
        "mlp.schedule_free.lr": 1e-2,
        "mlp.weight_decay.on": True,
        "mlp.weight_decay": 1e-2,
    },
    {  # likewise: .9380 .9554 .9259, with two fifths of the first one's parameters
        "mlp.n_layers": 4,
        "mlp.width": 128,
        "mlp.activation": "selu",
        "mlp.normalisation": "none",
        "mlp.dropout.on": False,
        "mlp.embedding": "none",
        "mlp.optimizer": "schedule_free",
        "mlp.batch_size": 256,
        "mlp.warmup": 0.05,
        "mlp.schedule_free.lr": 3e-2,
        "mlp.weight_decay.on": True,
        "mlp.weight_decay": 1e-2,
    },
)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample an MLP and how it is trained."""
    network = suggest_network(trial)
    # lr: [1e-5, 1e-2] in arXiv:2106.11959, without a limit to the epochs; in 30 of them, 3e-3 to 1e-2 do best without
    # normalisation and 1e-3 with it. Decay: [1e-6, 1e-3] there, [1e-4, 1e-1] in arXiv:2410.24210.
    lr, weight_decay = (1e-4, 2e-2), (1e-6, 1e-1)
    training = optimizer.suggest(trial, "mlp", lr=lr, weight_decay=weight_decay, optimizers=OPTIMIZERS)
    return Settings(network=network, training=training)


def suggest_network(trial: Trial) -> MLPSettings:
    """Sample an MLP."""
    # Depth 1-8 and width 1-512 in arXiv:2106.11959; cut to what two CPU cores train in minutes.
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
