"""GPUs of this machine, told apart by workers that know nothing of each other."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

VARIABLE = "CUDA_VISIBLE_DEVICES"

_MOST_CLAIMS = 1000
"""Workers of one GPU, at the most, that are told apart."""


def name_gpus(n_gpus: int, environment: Mapping[str, str]) -> list[str]:
    """Return the names of the GPUs that a process sees: those in `CUDA_VISIBLE_DEVICES`, else numbers.

    Args:
        n_gpus: How many it sees.
        environment: Its variables.
    """
    visible = [name.strip() for name in environment.get(VARIABLE, "").split(",") if name.strip()]
    return (visible or [str(gpu) for gpu in range(n_gpus)])[:n_gpus]


@contextmanager
def claim_gpu(n_gpus: int, environment: Mapping[str, str]) -> Iterator[str | None]:
    """Yield the GPU that the fewest workers of this machine train on, and count as one of them meanwhile.

    Workers of all studies and users are counted, also those that a sweep has given a GPU. A claim is a name in the
    kernel's list of sockets: no file is left, and it ends with its process, however that ends.

    Args:
        n_gpus: GPUs that are visible to this process.
        environment: Its variables; `CUDA_VISIBLE_DEVICES` names them in the order in which they are to be taken.

    Yields:
        What `CUDA_VISIBLE_DEVICES` is to be for this worker; None where there is no GPU.
    """
    names = name_gpus(n_gpus, environment)
    if not names:
        yield None
        return
    for place, name in itertools.product(range(_MOST_CLAIMS), names):
        claim = _claim(f"tuner gpu {name} {place}")
        if claim is not None:
            with claim:
                yield name
            return
    yield names[os.getpid() % len(names)]


def _claim(name: str) -> socket.socket | None:
    """Return what holds a name that no other process of this machine has; None where one has it.

    Where there are no such names, as on macOS, everybody gets each.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform != "linux":
        return claim
    try:
        claim.bind(f"\0{name}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            claim.close()
            return None
    return claim
