"""Numerical embeddings, none, periodic or piecewise-linear. Used by the networks' spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuner import models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import Trial

    from tuner.models.embeddings import EmbeddingSettings

STRUCTURE = (
    "embedding",
    "periodic.n_frequencies",
    "periodic.d_embedding",
    "piecewise.n_bins",
    "piecewise.d_embedding",
)
"""Names, after the prefix, of the parameters that a pack's members share."""


def suggest(trial: Trial, prefix: str, *, kinds: Sequence[str] = ("none", "periodic")) -> EmbeddingSettings | None:
    """Sample one of the `kinds` of embeddings: "none", "periodic", "piecewise"."""
    kind = trial.suggest_categorical(f"{prefix}.embedding", list(kinds))
    if kind == "periodic":
        return models.PeriodicSettings(
            # 16-96 and 16-32 in arXiv:2410.24210; fewer cost less on a CPU.
            n_frequencies=trial.suggest_categorical(f"{prefix}.periodic.n_frequencies", [8, 16, 32]),
            d_embedding=trial.suggest_categorical(f"{prefix}.periodic.d_embedding", [8, 16]),
            # [.01, 10] in arXiv:2410.24210; on MAGIC .5 is too much already: it learns the events by heart.
            scale=trial.suggest_float(f"{prefix}.periodic.scale", 0.01, 1.0, log=True),
        )
    if kind == "piecewise":
        return models.PiecewiseLinearSettings(
            # 2-128 and 8-32 in arXiv:2410.24210.
            n_bins=trial.suggest_categorical(f"{prefix}.piecewise.n_bins", [8, 16, 32]),
            d_embedding=trial.suggest_categorical(f"{prefix}.piecewise.d_embedding", [8, 16]),
        )
    return None
