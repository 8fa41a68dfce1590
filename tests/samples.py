"""Small data and settings that several tests train with."""

import torch

from tuner.models import MLPSettings
from tuner.train.data import TrainingData
from tuner.train.settings import Settings, TrainingSettings


def make_data(n=330, d_in=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d_in, generator=generator)
    labels = (x.sum(1) + torch.randn(n, generator=generator) > 0).float()
    weights = torch.rand(n, generator=generator) + 0.5
    cut = 2 * n // 3
    return TrainingData(
        x=x[:cut],
        labels=labels[:cut],
        weights=weights[:cut],
        validation_x=x[cut:],
        validation_labels=labels[cut:],
        validation_weights=weights[cut:].double(),
        validation_training_weights=weights[cut:],
    )


def make_settings(**changes):
    network = {k: changes.pop(k) for k in ("widths", "normalisation", "dropout", "activation") if k in changes}
    network = MLPSettings(**{"widths": (8, 8), **network})
    return Settings(network=network, training=TrainingSettings(**{"batch_size": 32, "lr": 1e-2, **changes}))
