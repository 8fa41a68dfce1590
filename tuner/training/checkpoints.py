"""Checkpoints: the parameters of a trained network, and its logits of a few events that it is known again by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tuner.checked_files import RESTORE, expect_form
from tuner.errors import TrainingError, describe_failure, name_all
from tuner.training.building import build_network, compute_logits, list_state
from tuner.training.pack import Pack
from tuner.training.settings import NetworkSettings
from tuner.training.state_files import read_state, write_state

N_EVENTS = 64
"""Validation events whose logits are kept, the first."""

TOLERANCE = 1e4
"""Largest difference of a logit that passes, in units of the resolution of its type and of max(1, |logit|): 1.2e-3 in
float32. Packs, devices and libraries round otherwise."""

MAX_JUMPS = 0.05
"""Share of events whose logits may differ by more: a network with steps may jump where it rounds otherwise."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained network without its code."""

    state: Mapping[str, Tensor]
    """Parameters and buffers by name, on the CPU; those that a state dict leaves out, too."""
    x: Tensor
    """Prepared features of a few validation events, [n, d_in]."""
    logits: Tensor
    """What the network gave for them at the end of its training, [n]."""


def take_checkpoint(pack: Pack, row: int) -> Checkpoint:
    """Return a member's network at its best epoch.

    Args:
        pack: The pack that it trains in.
        row: Its row.

    Raises:
        TrainingError: A network that is built anew from it scores otherwise: its figure could not be reproduced.
    """
    member = pack.members[row]
    assert member is not None
    x = pack.data.validation_x[:N_EVENTS]
    checkpoint = Checkpoint(pack.best_state(row), x.cpu().clone(), pack.best_logits(row, x).cpu())
    try:
        restore_network(checkpoint, member.settings.network)
    except TrainingError as error:
        raise TrainingError(
            f"{error} What its forward pass depends on must be a parameter or a buffer, or be drawn in `build` from "
            "the global generator of torch, NumPy or Python; a field marked as a knob must act through one of these; "
            "in evaluation nothing may be drawn, and an event's score must not depend on the others."
        ) from error
    return checkpoint


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint atomically. Raise `FolderError` where that cannot be."""
    write_state(path, {"state": dict(checkpoint.state), "x": checkpoint.x, "logits": checkpoint.logits})


def read_checkpoint(path: Path, *, advice: str = RESTORE) -> Checkpoint:
    """Return the checkpoint in a file.

    Args:
        path: The file.
        advice: What to do where it is damaged, as a sentence.

    Raises:
        DamagedFileError: It is missing, or is not a whole checkpoint.
    """
    content = read_state(path, advice=advice)
    with expect_form(path, advice=advice):
        return Checkpoint(content["state"], content["x"], content["logits"])


def restore_network(checkpoint: Checkpoint, settings: NetworkSettings) -> nn.Module:
    """Return the network of a checkpoint, on the CPU, ready to score prepared features [n, d_in] as logits [n].

    Args:
        checkpoint: Its parameters, and a few events with their logits.
        settings: What it was built from.

    Raises:
        TrainingError: These settings build nothing or other tensors, or the network scores the kept events otherwise.
    """
    try:
        network = build_network(settings, checkpoint.x.shape[1], dtype=checkpoint.x.dtype)
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(
            f"`build` must give the network as it did in training, but {describe_failure(error)}."
        ) from error
    _put_back(network, checkpoint.state)
    network.eval()
    try:
        with torch.no_grad():  # one event alone: what it scores must not follow from its companions
            parts = [compute_logits(network, part) for part in (checkpoint.x[:1], checkpoint.x[1:]) if len(part)]
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(
            f"The network must score events as it did in training, one alone too, but {type(error).__name__}: {error}"
        ) from error
    _compare(torch.cat(parts), checkpoint.logits)
    return network


@torch.no_grad()
def _put_back(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill parameters and buffers; raise `TrainingError` where names or shapes are not the same."""
    tensors = list_state(network)
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    problems = {
        "lacks": [name for name in state if name not in shapes],
        "adds": [name for name in shapes if name not in state],
        "has other shapes for": [name for name in state if name in shapes and shapes[name] != state[name].shape],
    }
    if any(problems.values()):
        told = " and ".join(f"{what} {name_all(names)}" for what, names in problems.items() if names)
        raise TrainingError(f"The network that is built must have the tensors that were trained, but {told}.")
    for name, tensor in tensors.items():
        tensor.copy_(state[name])


def _compare(logits: Tensor, kept: Tensor) -> None:
    """Raise `TrainingError` where more logits than may jump differ by more than the tolerance."""
    difference = (logits - kept).abs()
    allowed = TOLERANCE * torch.finfo(kept.dtype).eps * kept.abs().clamp(min=1)
    n_different = int((~(difference <= allowed)).sum())
    if n_different > MAX_JUMPS * len(kept):
        raise TrainingError(
            f"The network that is built must score as the one that was trained, but {n_different} of {len(kept)} "
            f"kept events have other logits, by up to {float(difference.max()):.2g}."
        )
