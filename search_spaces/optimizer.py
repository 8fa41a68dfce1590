"""How any network is trained: optimizer, learning rate, decay, batch size, schedule. Used by the networks' spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tuner.training.settings import OptimizerKind, ScheduleKind, TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.trial import Trial

STRUCTURE = ("optimizer", "batch_size")
"""Names, after the prefix, of the parameters that a pack's members share."""


PATIENCE = 8
"""Of a schedule-free training: without a falling rate nothing is to be waited for. Longer gained nothing, 256 times."""


def suggest(
    trial: Trial,
    prefix: str,
    *,
    lr: tuple[float, float],
    weight_decay: tuple[float, float] = (1e-4, 1e-1),
    optimizers: Sequence[OptimizerKind] = ("adamw", "schedule_free"),
    batch_sizes: Sequence[int] = (128, 256, 512),
) -> TrainingSettings:
    """Sample how a network is trained; `lr` and `weight_decay` are the ranges of AdamW.

    A learning rate means another thing in another network: names begin with the network's prefix. What only SGD
    or schedule-free AdamW has, or means otherwise, carries its name too: `mlp.sgd.lr`.
    """
    kind = optimizers[0]
    if len(optimizers) > 1:
        kind = cast("OptimizerKind", trial.suggest_categorical(f"{prefix}.optimizer", list(optimizers)))
    batch_size = trial.suggest_categorical(f"{prefix}.batch_size", list(batch_sizes))
    schedule: ScheduleKind = "constant"
    if kind != "schedule_free":
        # "flat-cosine" has the shape of RealMLP's schedules for dropout and decay (arXiv:2407.04491).
        schedule = cast("ScheduleKind", trial.suggest_categorical(f"{prefix}.schedule", ["cosine", "flat-cosine"]))
    # Goyal et al. (arXiv:1706.02677) warm up in 5 of 90 epochs.
    warmup = trial.suggest_float(f"{prefix}.warmup", 0.0, 0.2)
    if kind == "sgd":
        # Here .2 does on MAGIC what AdamW does with 3e-3; .9 is the customary momentum (Sutskever et al. 2013).
        rate = trial.suggest_float(f"{prefix}.sgd.lr", 1e-2, 1.0, log=True)
        momentum = trial.suggest_float(f"{prefix}.sgd.momentum", 0.8, 0.98)
        # Added to the gradient, so that 1e-4 is much: it is the customary value (arXiv:1512.03385).
        decay = suggest_or_zero(trial, f"{prefix}.sgd.weight_decay", 1e-6, 1e-3, log=True)
    elif kind == "schedule_free":
        # Three to ten times AdamW's, here (benchmarks/FINDINGS.md) as in arXiv:2405.15682.
        rate = trial.suggest_float(f"{prefix}.schedule_free.lr", 5 * lr[0], 5 * lr[1], log=True)
        momentum = TrainingSettings.momentum
        decay = suggest_or_zero(trial, f"{prefix}.weight_decay", *weight_decay, log=True)
    else:
        rate, momentum = trial.suggest_float(f"{prefix}.lr", *lr, log=True), TrainingSettings.momentum
        decay = suggest_or_zero(trial, f"{prefix}.weight_decay", *weight_decay, log=True)
    return TrainingSettings(
        optimizer=kind,
        batch_size=batch_size,
        lr=rate,
        weight_decay=decay,
        momentum=momentum,
        schedule=schedule,
        warmup=warmup,
        patience=PATIENCE if kind == "schedule_free" else TrainingSettings.patience,
    )


def suggest_or_zero(trial: Trial, name: str, low: float, high: float, *, log: bool = False) -> float:
    """Sample a value in a range, or zero: the switch is `NAME.on`. The literature's "{0, X}"."""
    if not trial.suggest_categorical(f"{name}.on", [True, False]):
        return 0.0
    return trial.suggest_float(name, low, high, log=log)
