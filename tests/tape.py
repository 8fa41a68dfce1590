"""A tape of tensor operations that stands for a CUDA graph, and a lane that stands for a stream.

Like a graph, the tape repeats operations on the tensors of the capture and runs no Python, so that what a step
would take from the host is found out where there is no GPU.
"""

import itertools
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Records operations with their tensors; raises where the host would wait for the device."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise RuntimeError("operation not permitted when stream is capturing")
        came = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, came))
        return came

    def replay(self):
        for func, args, kwargs, came in self.operations:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(came), tree_leaves(again), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.detach().copy_(new)


class TapeRecorder:
    """Captures on a tape. A capture runs nothing: what it wrote is put back."""

    def __init__(self, pack):
        self.pack = pack
        self.n_captures = self.n_steps = 0

    def run(self, step):
        self.n_steps += 1
        step()

    check = run

    def capture(self, step):
        self.n_captures += 1
        stack = self.pack.stack
        optimizer = stack.optimizer
        written = [stack.flat, optimizer.steps, optimizer.weight_sum, *optimizer.moments, *stack.buffers.values()]
        written += [self.pack.losses, self.pack.at]
        before, state = [tensor.clone() for tensor in written], torch.get_rng_state()
        with torch.no_grad(), Tape() as tape, torch.enable_grad():
            step()
        with torch.no_grad():
            for tensor, old in zip(written, before, strict=True):
                tensor.copy_(old)
        torch.set_rng_state(state)

        def replay():
            self.n_steps += 1
            with torch.no_grad():
                tape.replay()

        return replay


class TapeLane:
    """A lane of a CPU that behaves as one of a GPU: results come late, random numbers are its own.

    What is fetched is not-a-number until a later mark was asked some times and is done.
    """

    stream = None
    steps_at_once = 1

    def __init__(self, delays=(1, 3, 2)):
        self.delays = itertools.cycle(delays)
        self.state = torch.get_rng_state()
        self.fetched = []

    @contextmanager
    def turn(self):
        outer = torch.get_rng_state()
        torch.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = torch.get_rng_state()
            torch.set_rng_state(outer)

    def fetch(self, tensor):
        late = torch.full_like(tensor, torch.nan)
        self.fetched.append((late, tensor.clone()))
        return late

    def mark(self):
        (fetched, self.fetched), left = (self.fetched, []), itertools.count(next(self.delays), -1)

        def is_done():
            if next(left) > 0:
                return False
            for late, tensor in fetched:
                late.copy_(tensor)
            return True

        return is_done
