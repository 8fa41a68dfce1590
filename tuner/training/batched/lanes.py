"""Lanes: what several packs need to train on one device at once. A lane has one pack at a time.

On a CUDA device a lane is a stream, so that packs do not wait for each other, and random numbers of its own. The host
gives each pack some work in turn and never waits: a mark tells when the work before it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor

IsDone = Callable[[], bool]
"""Says, without waiting, whether a device has done what it was given before a mark."""

STEPS_AT_ONCE = 64
"""Steps that a stream is given at once at the most. CUDA holds the host up where some thousand calls wait, and with it
all other packs; each step is a graph and two small kernels that tell it where its random numbers begin."""


POLL_SECONDS = 1e-4
"""Pause of a host that has nothing to do before a device is done."""


class Lane(Protocol):
    """Where a pack's work runs."""

    @property
    def stream(self) -> torch.cuda.Stream | None:
        """The stream that it all runs on; None where there are no streams, or the present one serves."""
        ...

    @property
    def steps_at_once(self) -> int | None:
        """Steps of a pack's turn at the most; None where the device has done them when the host has called them."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Return the context in which the host gives the lane work."""
        ...

    def fetch(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the CPU. Its values are there once a later mark is done."""
        ...

    def mark(self) -> IsDone:
        """Return what says whether all that the lane was given until now is done."""
        ...


class HostLane:
    """The lane of a device whose work is done when the host has it, or that the host waits for."""

    stream = None
    steps_at_once = None

    def turn(self) -> AbstractContextManager[None]:
        """Return a context that changes nothing."""
        return nullcontext()

    def fetch(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the CPU, waiting for a device."""
        return tensor.cpu()

    def mark(self) -> IsDone:
        """Return what says that it is done."""
        return _is_done


def _is_done() -> bool:
    """Return that it is done."""
    return True


class CudaLane:
    """A stream of a CUDA device, and random numbers of its own.

    Graphs that are replayed at once must not share a generator's state: each replay writes into it where its numbers
    begin. All that draws from the default generator, a user's own layers too, draws from the lane's state during a
    turn, and a graph registers the state that its capture draws from. So a pack's numbers do not follow from its
    neighbours', either.
    """

    def __init__(self, device: torch.device) -> None:
        self.steps_at_once = STEPS_AT_ONCE
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.stream.wait_stream(torch.cuda.current_stream(device))  # the events were put on the device there
        self.state = torch.Generator(self.stream.device)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Make the stream the present one, and the lane's random state that of the default generator."""
        default = torch.cuda.default_generators[self.stream.device_index]
        outer = default.graphsafe_get_state()
        default.graphsafe_set_state(self.state)
        try:
            with torch.cuda.stream(self.stream):
                yield
        finally:
            self.state = default.graphsafe_get_state()  # a capture that failed has put another in its place
            default.graphsafe_set_state(outer)

    def fetch(self, tensor: Tensor) -> Tensor:
        """Return a tensor in pinned memory of the host, into which the device copies when it comes to it."""
        return tensor.to("cpu", non_blocking=True)

    def mark(self) -> IsDone:
        """Record an event on the stream, and return what queries it."""
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(self.stream)
        is_done: IsDone = event.query
        return is_done


def make_lane(device: torch.device) -> Lane:
    """Return a lane of a device."""
    return CudaLane(device) if device.type == "cuda" else HostLane()


def wait_for_all(turns: Iterator[IsDone]) -> None:
    """Take the turns of one pack, waiting for the device between them."""
    for is_done in turns:
        while not is_done():
            time.sleep(POLL_SECONDS)
