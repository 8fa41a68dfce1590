"""Networks that users write: each does something that a plain perceptron does not."""

import random
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from tuner import KNOB


class Fourier(nn.Module):
    """Random Fourier features: what was drawn is no part of the state dict."""

    def __init__(self, d_in):
        super().__init__()
        self.output = nn.Linear(32, 1)
        self.register_buffer("projection", 0.5 * torch.randn(d_in, 32), persistent=False)

    def forward(self, x):
        return self.output(torch.cos(x @ self.projection)).squeeze(-1)


class Ordered(nn.Module):
    """Inputs in an order that was drawn by torch, Python or NumPy and is kept in a list."""

    def __init__(self, d_in, draw):
        super().__init__()
        self.hidden, self.output = nn.Linear(d_in, 8), nn.Linear(8, 1)
        self.order = draw(d_in)

    def forward(self, x):
        return self.output(torch.tanh(self.hidden(x[:, self.order]))).squeeze(-1)


def shuffle(d):
    order = list(range(d))
    random.shuffle(order)
    return order


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self, d_in):
        super().__init__()
        self.a, self.b, self.c, self.output = nn.Linear(d_in, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1)
        self.c.weight = self.b.weight

    def forward(self, x):
        return self.output(torch.tanh(self.c(torch.tanh(self.b(torch.tanh(self.a(x))))))).squeeze(-1)


def build_reused(d_in):
    block = nn.Linear(8, 8)
    return nn.Sequential(nn.Linear(d_in, 8), nn.Tanh(), block, nn.Tanh(), block, nn.Linear(8, 1), nn.Flatten(0))


class Temperature(nn.Module):
    """A parameter without dimensions, and one without elements."""

    def __init__(self, d_in):
        super().__init__()
        self.layer, self.t = nn.Linear(d_in, 1), nn.Parameter(torch.tensor(1.0))
        self.none = nn.Parameter(torch.empty(0, 3))

    def forward(self, x):
        return self.layer(x).squeeze(-1) * self.t + self.none.sum()


class Squeezed(nn.Module):
    """Gives no dimension for a single event."""

    def __init__(self, d_in):
        super().__init__()
        self.layer = nn.Linear(d_in, 1)

    def forward(self, x):
        return self.layer(x).squeeze()


class Sign(torch.autograd.Function):
    """A function that `torch.vmap` cannot run."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Step(nn.Module):
    def forward(self, x):
        return Sign.apply(x)


class Clamping(nn.Module):
    """Writes into its input: what is large becomes small."""

    def forward(self, x):
        x[:, 0] = x[:, 0].abs().log1p()
        return x.clamp_(-0.5, 0.5)


class Bounded(nn.Module):
    """Writes into its input what follows from its parameters."""

    def __init__(self, d_in):
        super().__init__()
        self.bound, self.layer = nn.Parameter(torch.ones(d_in)), nn.Linear(d_in, 1)

    def forward(self, x):
        x.mul_(self.bound)
        return self.layer(x.sub_(1.0)).squeeze(-1)


def build_sequence(*first, d_hidden=8):
    def build(d_in):
        return nn.Sequential(*[one() for one in first], nn.Linear(d_in, d_hidden), nn.Tanh(), nn.Linear(d_hidden, 1),
                             nn.Flatten(0))  # fmt: skip

    return build


def build_spectral(d_in):
    hidden = nn.utils.parametrizations.spectral_norm(nn.Linear(d_in, 8))
    return nn.Sequential(hidden, nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))


NETWORKS = {
    "drawn buffer": Fourier,
    "order drawn by torch": lambda d_in: Ordered(d_in, lambda d: torch.randperm(d).tolist()),
    "order drawn by Python": lambda d_in: Ordered(d_in, shuffle),
    "order drawn by NumPy": lambda d_in: Ordered(d_in, lambda d: np.random.permutation(d).tolist()),  # noqa: NPY002
    "tied": Tied,
    "reused": build_reused,
    "scalar": Temperature,
    "double": lambda d_in: build_sequence()(d_in).double(),
    "half": lambda d_in: build_sequence(lambda: nn.BatchNorm1d(d_in))(d_in).half(),
    "squeezed": Squeezed,
    "clamping": build_sequence(Clamping),
    "bounded": Bounded,
    "relu in place": build_sequence(lambda: nn.ReLU(inplace=True)),
    "silu in place": build_sequence(lambda: nn.SiLU(inplace=True)),
}
"""What trains in packs."""

ALONE = {
    "sign": lambda d_in: nn.Sequential(nn.Linear(d_in, 8), Step(), nn.Linear(8, 1), nn.Flatten(0)),
    "spectral norm": build_spectral,
}
"""What `torch.vmap` cannot run."""

IN_PLACE = ("clamping", "bounded", "relu in place", "silu in place")


@dataclass(frozen=True)
class Own:
    """Settings of a network by its name."""

    name: str

    def build(self, d_in):
        return (NETWORKS | ALONE | WRONG)[self.name](d_in)


@dataclass(frozen=True)
class Sharp:
    """A knob that acts through a number of Python, not through a buffer."""

    factor: float = field(default=1.0, metadata=KNOB)

    def build(self, d_in):
        return Scaled(d_in, self.factor)


class Scaled(nn.Module):
    def __init__(self, d_in, factor):
        super().__init__()
        self.layer, self.factor = nn.Linear(d_in, 1), factor

    def forward(self, x):
        return self.layer(x).squeeze(-1) * self.factor


class Counting(Scaled):
    """Keeps in a number of Python what changes while it trains."""

    def __init__(self, d_in):
        super().__init__(d_in, 1.0)

    def forward(self, x):
        self.factor += 0.1 * self.training
        return super().forward(x)


class Noisy(Scaled):
    """Draws in evaluation."""

    def __init__(self, d_in):
        super().__init__(d_in, 1.0)

    def forward(self, x):
        return super().forward(x) + torch.randn(len(x))


class Relative(Scaled):
    """Scores an event by its companions."""

    def __init__(self, d_in):
        super().__init__(d_in, 1.0)

    def forward(self, x):
        return super().forward(x - x.mean(0))


WRONG = {
    "unseeded": lambda d_in: Ordered(d_in, lambda d: torch.from_numpy(np.random.default_rng().permutation(d))),
    "counting": Counting,
    "noisy": Noisy,
    "relative": Relative,
    "statistics of the batch": lambda d_in: nn.Sequential(
        nn.BatchNorm1d(d_in, track_running_stats=False), nn.Linear(d_in, 1), nn.Flatten(0)
    ),
}
"""What scores otherwise once it is built anew."""
