"""Optuna with a hand-written PyTorch loop: with a `DataLoader`, as the examples have it, and with sliced tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import optuna
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.task import BATCH_SIZE, Task, make_network, make_optimizer

Batches = Callable[[], Iterator[tuple[torch.Tensor, torch.Tensor]]]


def train_with_data_loader(task: Task, n_epochs: int, device: torch.device) -> None:
    """Train one trial with a `DataLoader`."""
    loader = DataLoader(TensorDataset(task.x, task.y), batch_size=BATCH_SIZE, shuffle=True)
    _train(task, n_epochs, device, lambda: ((x.to(device), y.to(device)) for x, y in loader))


def train_with_slices(task: Task, n_epochs: int, device: torch.device) -> None:
    """Train one trial with tensors that stay on the device and are sliced."""
    x, y = task.x.to(device), task.y.to(device)

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = torch.randperm(len(x), device=device)
        return ((x[rows], y[rows]) for rows in order.split(BATCH_SIZE))

    _train(task, n_epochs, device, batches)


def _train(task: Task, n_epochs: int, device: torch.device, batches: Batches) -> None:
    """Run one Optuna trial."""

    def objective(trial: optuna.Trial) -> float:
        network = make_network(task.d_in).to(device)
        optimizer = make_optimizer(network)
        auc = 0.0
        for epoch in range(n_epochs):
            network.train()
            for x, y in batches():
                optimizer.zero_grad()
                binary_cross_entropy_with_logits(network(x), y).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                scores = network(task.validation_x.to(device)).cpu().numpy()
            auc = float(roc_auc_score(task.validation_y.numpy(), scores))
            trial.report(auc, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return auc

    optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner()).optimize(objective, n_trials=1)
