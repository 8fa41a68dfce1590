"""A study of `torture_scenes.py`: settings that hang, crash, end their process, or ask for all memory that there is."""

from __future__ import annotations

import ctypes
import os
import resource
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, PartialFixedSampler, RandomSampler
from optuna.trial import Trial
from torch import Tensor, nn

from benchmarks import tortured_study
from tuner import Budget, Settings, TrainingSettings, search_space

FATES = ("hang", "segfault", "exit", "leak")
"""What settings do that do not train."""

SPARE = 2**29
"""Bytes that a setting may take beyond what its process has, before the limit that stands for a machine's memory."""


class Network(nn.Module):
    """A layer, and the fate of its process."""

    def __init__(self, d_in: int, fate: str) -> None:
        super().__init__()
        self.layer, self.fate = nn.Linear(d_in, 1), fate

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, or never."""
        if self.fate == "hang":
            while True:
                pass
        if self.fate == "segfault":
            ctypes.string_at(0)
        if self.fate == "exit":
            os._exit(0)
        if self.fate == "leak":
            _leak()
        logits: Tensor = self.layer(x).squeeze(-1)
        return logits


def _leak() -> None:
    """Take memory until there is none, under a limit on the address space (`ulimit -v`)."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, before[1]))
    kept = []
    try:
        while True:
            kept.append(torch.ones(2**24))
    finally:
        kept.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


@dataclass(frozen=True)
class NetworkSettings:
    """Settings of such a network."""

    fate: str

    def build(self, d_in: int) -> nn.Module:
        """Return the network."""
        return Network(d_in, self.fate)


@search_space(warm_starts=[{"fate": fate, "lr": 0.01} for fate in FATES])
def suggest(trial: Trial) -> Settings:
    """Draw a setting; those that do not train come as warm starts."""
    fate = trial.suggest_categorical("fate", ["train", *FATES])
    lr = trial.suggest_float("lr", 1e-3, 1e-1, log=True)
    return Settings(network=NetworkSettings(fate), training=TrainingSettings(lr=lr, batch_size=64))


def make_sampler(seed: int) -> BaseSampler:
    """Return a sampler that draws nothing deadly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PartialFixedSampler({"fate": "train"}, RandomSampler(seed=seed))


study = replace(
    tortured_study.study,
    search_space=suggest,
    sampler=make_sampler,
    budget=Budget(trials=6, epochs=2, stop_in_vain=False),
    hang_minutes=0.05,
)
