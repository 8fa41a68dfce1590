"""skorch, its epochs scored by its own callback, reporting to Optuna."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import skorch
import torch
from skorch.callbacks import Callback, EpochScoring
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from benchmarks.task import BATCH_SIZE, LR, WEIGHT_DECAY, Task, make_network


class Report(Callback):
    """Reports each epoch to Optuna."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_epoch_end(self, net: Any, **_: Any) -> None:
        """Report and prune."""
        self.trial.report(net.history[-1, "auc"], len(net.history))
        if self.trial.should_prune():
            raise optuna.TrialPruned


def train(task: Task, n_epochs: int, device: torch.device) -> None:
    """Run one Optuna trial."""

    def objective(trial: optuna.Trial) -> float:
        net = skorch.NeuralNetBinaryClassifier(
            make_network(task.d_in),
            optimizer=torch.optim.AdamW,
            optimizer__lr=LR,
            optimizer__weight_decay=WEIGHT_DECAY,
            batch_size=BATCH_SIZE,
            iterator_train__shuffle=True,
            max_epochs=n_epochs,
            train_split=predefined_split(Dataset(task.validation_x, task.validation_y)),
            callbacks=[EpochScoring("roc_auc", lower_is_better=False, name="auc"), Report(trial)],
            verbose=0,
            device=str(device),
        )
        net.fit(task.x.numpy(), task.y.numpy().astype(np.float32))
        return float(net.history[-1, "auc"])

    optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner()).optimize(objective, n_trials=1)
