"""TabM (arXiv:2410.24210): an ensemble in one network. Slow on a CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search_spaces import embeddings, optimizer
from search_spaces.optimizer import suggest_or_zero
from tuner import models
from tuner.training.settings import Settings
from tuner.tuning.study import search_space

if TYPE_CHECKING:
    from optuna.trial import Trial

STRUCTURE = (
    "tabm.n_blocks",
    "tabm.d_block",
    "tabm.k",
    *(f"tabm.{name}" for name in embeddings.STRUCTURE),
    *(f"tabm.{name}" for name in optimizer.STRUCTURE),
)

WARM_STARTS: tuple[dict[str, Any], ...] = (
    {  # the defaults of the package `tabm`, and lr and decay of its example
        "tabm.n_blocks": 3,
        "tabm.d_block": 512,
        "tabm.k": 32,
        "tabm.dropout.on": True,
        "tabm.dropout": 0.1,
        "tabm.embedding": "none",
        "tabm.optimizer": "adamw",
        "tabm.batch_size": 256,
        "tabm.lr": 2e-3,
        "tabm.weight_decay.on": True,
        "tabm.weight_decay": 3e-4,
    },
)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample a TabM and how it is trained. Ranges are those of arXiv:2410.24210, but for what is said."""
    network = models.TabMSettings(
        n_blocks=trial.suggest_int("tabm.n_blocks", 1, 5),
        d_block=trial.suggest_categorical("tabm.d_block", [64, 128, 256, 512]),  # 64-1024 there
        k=trial.suggest_categorical("tabm.k", [8, 32]),  # 32 there; 8 costs a CPU a quarter
        dropout=suggest_or_zero(trial, "tabm.dropout", 0.0, 0.5),
        embedding=embeddings.suggest(trial, "tabm", kinds=("none", "periodic", "piecewise")),
    )
    training = optimizer.suggest(trial, "tabm", lr=(1e-4, 5e-3), weight_decay=(1e-4, 1e-1))
    return Settings(network=network, training=training)
