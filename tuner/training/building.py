"""Networks as they are trained, loaded and exported: built in one place, from a seed, in one width of numbers."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from tuner.errors import TrainingError, name_all
from tuner.models.layers import exchange_dropout
from tuner.training.device import keep_random_state
from tuner.training.settings import NetworkSettings

CONSTANTS_SEED = 0
"""Seed of what a network draws when it is built and that is neither a parameter nor a buffer, such as an order of its
inputs in a list. The members of a pack are computed by one network, so this is the same for all members and trials."""


def build_network(
    settings: NetworkSettings, d_in: int, *, seed: int = CONSTANTS_SEED, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Return a network on the CPU with dropout that trains in packs; all random states stay as they were.

    Args:
        settings: The network's; `build(d_in)` makes it.
        d_in: Number of features.
        seed: Of the generators that `build` may draw from.
        dtype: Type of its floating-point parameters and buffers, whatever `build` made them.

    Raises:
        TrainingError: It cannot be trained: no parameters, or some that are lazy or no real numbers.
    """
    with _seed_generators(seed):
        network = settings.build(d_in)
    if not isinstance(network, nn.Module):
        raise TrainingError(f"`build` must return a `torch.nn.Module`, but {_name(settings)} gave {network!r}.")
    _check_parameters(network, _name(settings))
    network = exchange_dropout(network)
    for tensor in list_state(network).values():
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
    return network


def list_state(network: nn.Module) -> dict[str, Tensor]:
    """Return all parameters and buffers by name, one of several names each; those that a state dict leaves out, too."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


@contextlib.contextmanager
def _seed_generators(seed: int) -> Iterator[None]:
    """Seed the generators that a `build` may draw from: torch's on the CPU, Python's and NumPy's."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the one that others draw from
    try:
        with keep_random_state(torch.device("cpu")):
            torch.default_generator.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _check_parameters(network: nn.Module, name: str) -> None:
    """Raise `TrainingError` where the parameters are none that a pack can train."""
    parameters = dict(network.named_parameters())
    lazy = [key for key, p in parameters.items() if isinstance(p, nn.parameter.UninitializedParameter)]
    if lazy:
        raise TrainingError(
            f"The parameters of {name} must have their shapes when it is built, but {name_all(lazy)} have none yet. "
            "Give lazy layers their sizes: `nn.Linear(d_in, ...)` in place of `nn.LazyLinear(...)`."
        )
    odd = [f"{key} ({p.dtype})".replace("torch.", "") for key, p in parameters.items() if not p.is_floating_point()]
    if odd:
        raise TrainingError(
            f"The parameters of {name} must be real floating-point numbers, but these are not: {name_all(odd)}. "
            "Write complex numbers as two real ones; keep whole numbers in a buffer."
        )
    if not any(p.requires_grad for p in parameters.values()):
        raise TrainingError(f"{name} must have parameters to train, but all are frozen or there are none.")


def _name(settings: object) -> str:
    """Return the name of a network's settings, for messages."""
    return type(settings).__qualname__


def compute_logits(network: nn.Module, x: Tensor) -> Tensor:
    """Return a network's logits [n] of features [n, d_in], which it gets as a copy: it may write into them."""
    logits: Tensor = network(x.clone())
    if logits.numel() != len(x) or logits.ndim > 1:
        raise TrainingError(
            f"A network must map features [n, d_in] to one logit each, [n], but gave {list(logits.shape)} for "
            f"{len(x)} events. For [n, 1] end it with `nn.Flatten(0)` or `.squeeze(-1)`."
        )
    return logits.reshape(len(x))  # a `squeeze()` takes the dimension of a single event, too
