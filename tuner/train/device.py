"""Which device trains, and in which precision."""

from __future__ import annotations

import contextlib

import torch

from tuner.errors import DeviceError


def find_device(name: str | None = None) -> torch.device:
    """Return the named device; without a name a GPU where there is one, else the CPU. Raise `DeviceError`."""
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        n_gpus = torch.cuda.device_count()
        there = ", ".join(["cpu", *(f"cuda:{i}" for i in range(n_gpus))])
        raise DeviceError(f'`device` must be one that is here, but is "{name}". Here are: {there}.') from error
    return device


def keep_random_state(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return a context after which torch's random state, on the CPU and on this device, is as it was before."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def mixed_precision(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return the context of a forward pass: bfloat16 on a CUDA device that has it, float32 elsewhere.

    Casts are not cached: in a CUDA graph they must not be, and a pass uses a parameter once.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()
