"""FT-Transformers (arXiv:2106.11959). Slow on a CPU."""

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
    "ft_transformer.n_blocks",
    "ft_transformer.d_token",
    "ft_transformer.hidden_factor",
    *(f"ft_transformer.{name}" for name in optimizer.STRUCTURE),
)

WARM_STARTS: tuple[dict[str, Any], ...] = (
    {  # the defaults of arXiv:2106.11959
        "ft_transformer.n_blocks": 3,
        "ft_transformer.d_token": 192,
        "ft_transformer.hidden_factor": 4 / 3,
        "ft_transformer.attention_dropout": 0.2,
        "ft_transformer.hidden_dropout": 0.1,
        "ft_transformer.residual_dropout.on": False,
        "ft_transformer.optimizer": "adamw",
        "ft_transformer.batch_size": 256,
        "ft_transformer.lr": 1e-4,
        "ft_transformer.weight_decay.on": True,
        "ft_transformer.weight_decay": 1e-5,
    },
)


@search_space(structure=STRUCTURE, warm_starts=WARM_STARTS)
def suggest(trial: Trial) -> Settings:
    """Sample an FT-Transformer and how it is trained. Ranges as in arXiv:2106.11959, but for what is said."""
    network = models.FTTransformerSettings(
        n_blocks=trial.suggest_int("ft_transformer.n_blocks", 1, 4),
        d_token=trial.suggest_categorical("ft_transformer.d_token", [32, 64, 128, 192, 256]),  # 64-512 there
        hidden_factor=trial.suggest_categorical("ft_transformer.hidden_factor", [2 / 3, 4 / 3, 8 / 3]),
        attention_dropout=trial.suggest_float("ft_transformer.attention_dropout", 0.0, 0.5),
        hidden_dropout=trial.suggest_float("ft_transformer.hidden_dropout", 0.0, 0.5),
        residual_dropout=suggest_or_zero(trial, "ft_transformer.residual_dropout", 0.0, 0.2),
    )
    # Up to 1e-3 there, without a limit to the epochs.
    training = optimizer.suggest(trial, "ft_transformer", lr=(3e-5, 3e-3), weight_decay=(1e-6, 1e-3))
    return Settings(network=network, training=training)
