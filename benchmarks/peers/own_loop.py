"""The loop that a user writes for a setting of the search space: a `DataLoader`, event weights, early stopping.

All that a setting says is done, as our packs do it: schedule, warm-up, clipping, decay of matrices only, patience.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from tuner.models.layers import Dropout, find_decayed
from tuner.training.data import TrainingData
from tuner.training.schedules import draw_schedules
from tuner.training.settings import NetworkSettings, Settings, TrainingSettings
from tuner.training.validation import rank_auc


@dataclass(frozen=True)
class Epoch:
    """An epoch that was just trained."""

    number: int
    """From 1."""
    auc: float
    """Best weighted validation AUC of the trial so far."""
    is_best: bool
    """Whether it is this epoch's."""
    network: nn.Module


class Slices:
    """Batches cut from tensors in memory, in a new order each epoch: what replaces a slow `DataLoader`."""

    def __init__(self, data: TrainingData, batch_size: int) -> None:
        self.tensors = (data.x, data.labels, data.weights)
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of batches."""
        return math.ceil(len(self.tensors[0]) / self.batch_size)

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Yield features, labels and training weights of each batch."""
        for rows in torch.randperm(len(self.tensors[0]), device=self.tensors[0].device).split(self.batch_size):
            yield [tensor[rows] for tensor in self.tensors]


def make_loader(data: TrainingData, batch_size: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return the same batches from a `DataLoader`, as the examples have it: on the CPU, whence each batch is moved."""
    events = TensorDataset(data.x.cpu(), data.labels.cpu(), data.weights.cpu())
    return DataLoader(events, batch_size=batch_size, shuffle=True)


def train_setting(
    settings: Settings,
    data: TrainingData,
    *,
    n_epochs: int,
    on_epoch: Callable[[Epoch], bool],
    in_slices: bool = False,
) -> float:
    """Train one setting and return its best weighted validation AUC; not-a-number where it gave no finite score.

    `on_epoch` says whether training goes on. in_slices: with `Slices`, not with a `DataLoader`.
    """
    training = settings.training
    network = build_network(settings.network, data.d_in).to(data.device)
    optimizer = make_optimizer(network, training)
    batches = (Slices if in_slices else make_loader)(data, training.batch_size)
    best, best_epoch = math.nan, 0
    for age in range(n_epochs):
        network.train()
        switch(optimizer, "train")
        rates = draw_schedules([training], [age], len(batches), n_epochs)[:, 0]
        for rate, batch in zip(rates, batches, strict=True):
            x, labels, weights = (tensor.to(data.device) for tensor in batch)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(network(x), labels, weight=weights).backward()
            nn.utils.clip_grad_norm_(network.parameters(), training.clip_norm)
            optimizer.step()
        switch(optimizer, "eval")
        auc = validate(network, data)
        if not math.isfinite(auc):
            break
        if is_best := not auc <= best:
            best, best_epoch = auc, age
        if not on_epoch(Epoch(age + 1, best, is_best, network)) or age - best_epoch >= training.patience:
            break
    return best


def build_network(settings: NetworkSettings, d_in: int) -> nn.Module:
    """Return a network with PyTorch's own dropout: ours, made for packs, draws its numbers at a rate of zero too."""
    network = settings.build(d_in)
    for name, module in list(network.named_modules()):
        if isinstance(module, Dropout):
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, nn.Dropout(module.initial_rate))
    return network


def make_optimizer(network: nn.Module, training: TrainingSettings) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer, or its authors' schedule-free one; matrices decay, biases and norms do not."""
    decayed = find_decayed(network)
    named = list(network.named_parameters())
    groups = [
        {"params": [p for name, p in named if name in decayed], "weight_decay": training.weight_decay},
        {"params": [p for name, p in named if name not in decayed], "weight_decay": 0.0},
    ]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.lr, momentum=training.momentum, nesterov=True)
    if training.optimizer == "schedule_free":
        import schedulefree

        # The warm-up comes with the rates, as the rest of a schedule does.
        return schedulefree.AdamWScheduleFree(groups, lr=training.lr, betas=(training.momentum, training.beta2))
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=training.lr, betas=(training.momentum, training.beta2))


def switch(optimizer: torch.optim.Optimizer, mode: str) -> None:
    """Tell an optimizer that knows the difference that training or evaluation comes next."""
    if hasattr(optimizer, mode):
        getattr(optimizer, mode)()


@torch.no_grad()
def validate(network: nn.Module, data: TrainingData) -> float:
    """Return the weighted validation AUC; not-a-number where a score is not finite."""
    network.eval()
    scores = network(data.validation_x)[None]
    return float(rank_auc(scores, data.validation_labels, data.validation_weights))
