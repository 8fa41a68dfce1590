"""The task that every peer is given: events, network, epochs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import QuantileTransformer
from torch import nn

BATCH_SIZE, WIDTH, DEPTH, DROPOUT, LR, WEIGHT_DECAY = 256, 128, 3, 0.1, 1e-3, 1e-4


@dataclass(frozen=True)
class Task:
    """Prepared events, float32 tensors on the CPU."""

    x: torch.Tensor
    y: torch.Tensor
    validation_x: torch.Tensor
    validation_y: torch.Tensor
    name: str

    @property
    def d_in(self) -> int:
        """Number of features."""
        return self.x.shape[1]


def load_task() -> Task:
    """Return MAGIC where `$TUNER_DATA` holds it, else simulated events of the same shape (speed is the same)."""
    path = Path(os.environ.get("TUNER_DATA", "../shared/data")) / "magic04.data"
    if path.exists():
        table = pd.read_csv(path, header=None)
        x, y, name = table.iloc[:, :-1].to_numpy("float32"), (table.iloc[:, -1] == "g").to_numpy(int), "MAGIC"
    else:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(19_020, 10)).astype("float32")
        y, name = (x.sum(1) + rng.normal(size=len(x)) * 3 > 0).astype(int), "simulated, of the shape of MAGIC"
    rows, _ = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)
    train, validation = train_test_split(rows, test_size=0.25, random_state=0, stratify=y[rows])
    scaler = QuantileTransformer(output_distribution="normal", n_quantiles=256, random_state=0).fit(x[train])
    z, t = torch.from_numpy(scaler.transform(x).astype("float32")), torch.from_numpy(y.astype("float32"))
    return Task(z[train], t[train], z[validation], t[validation], name)


def make_network(d_in: int, dropout: float = DROPOUT) -> nn.Sequential:
    """Return the network that every peer trains."""
    layers: list[nn.Module] = []
    for width in [d_in, *[WIDTH] * (DEPTH - 1)]:
        layers += [nn.Linear(width, WIDTH), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 1), nn.Flatten(0))


def make_optimizer(network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that every peer uses."""
    return torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)


def describe_device(device: torch.device) -> str:
    """Return a device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
