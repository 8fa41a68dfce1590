"""The network of a trial, with its best-epoch parameters, as a plain module."""

from __future__ import annotations

import numpy as np
import optuna
import torch
from torch import nn

from tuner.errors import SearchError
from tuner.models.layers import exchange_dropout
from tuner.train.device import find_device
from tuner.train.settings import Settings
from tuner.tune.search import Search, TrialRecord

EVENTS_AT_ONCE = 4096


def choose_trial(search: Search, number: int | None = None) -> TrialRecord:
    """Return the trial of that number, or the winner. Raise `SearchError` where there is none, or no parameters."""
    trial = search.winner if number is None else next((t for t in search.trials if t.number == number), None)
    if trial is None:
        wanted = "a complete trial" if number is None else f"a trial {number}"
        raise SearchError(f'The search of study "{search.study.name}" must hold {wanted}, but holds none yet.')
    if not search.checkpoint_path(trial.number).exists():
        raise SearchError(
            f"Trial {trial.number} ({trial.state}) must have kept its parameters, but has not: only the best complete "
            f'trials do. "{search.checkpoint_path(trial.number)}" is not there.'
        )
    return trial


def rebuild_settings(search: Search, trial: TrialRecord) -> Settings:
    """Return a trial's settings, by its parameters through the study's search space."""
    try:
        return search.study.space(optuna.trial.FixedTrial(dict(trial.params)))  # type: ignore[arg-type]
    except Exception as error:
        raise SearchError(
            f"The search space must still give the settings of trial {trial.number}, but raised "
            f"{type(error).__name__}: {error} Has it changed since?"
        ) from error


def load_network(search: Search, trial: TrialRecord) -> nn.Module:
    """Return a trial's network on the CPU, ready to score prepared features [n, d_in] as logits [n]."""
    network = exchange_dropout(rebuild_settings(search, trial).network.build(search.splits.d_in))
    state = torch.load(search.checkpoint_path(trial.number), weights_only=True, map_location="cpu")
    missing, _ = network.load_state_dict(state, strict=False)
    if missing:
        raise SearchError(
            f"The parameters of trial {trial.number} must fit the network that the study builds now, but "
            f"{missing} are missing. Has the network's code changed since?"
        )
    return network.eval()


@torch.no_grad()
def score_events(network: nn.Module, x: np.ndarray, device: str | None = None) -> np.ndarray:
    """Return scores in (0, 1), float64 [n], for prepared features [n, d_in], in chunks of events."""
    place = find_device(device)
    network = network.to(place)
    chunks = []
    for start in range(0, len(x), EVENTS_AT_ONCE):
        chunk = torch.from_numpy(np.array(x[start : start + EVENTS_AT_ONCE], dtype=np.float32)).to(place)
        chunks.append(network(chunk).double().sigmoid().cpu().numpy())
    return np.concatenate(chunks) if chunks else np.empty(0)
