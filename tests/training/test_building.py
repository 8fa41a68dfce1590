"""What is built from a seed: every generator follows it, none is moved, and what cannot be trained is told."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from own_networks import NETWORKS, Own
from torch import nn

from tuner.errors import TrainingError
from tuner.training.building import build_network, compute_logits, list_state


@dataclass(frozen=True)
class Given:
    make: Any

    def build(self, d_in):
        return self.make(d_in)


@pytest.mark.parametrize("drawn_by", ["torch", "Python", "NumPy"])
def test_constants_follow_from_the_seed_and_nobody_elses_numbers_change(drawn_by):
    settings = Own(f"order drawn by {drawn_by}")
    draws = (lambda: torch.rand(1).item(), random.random, np.random.random)
    torch.manual_seed(1), random.seed(1), np.random.seed(1)  # noqa: NPY002
    expected = [draw() for draw in draws]
    torch.manual_seed(1), random.seed(1), np.random.seed(1)  # noqa: NPY002
    orders = [build_network(settings, 40, seed=seed).order for seed in (3, 3, 4)]
    assert [draw() for draw in draws] == expected
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("name", ["double", "half"])
def test_numbers_of_another_width_become_those_of_the_pack(name):
    state = list_state(build_network(Own(name), 3))
    assert {tensor.dtype for tensor in state.values() if tensor.is_floating_point()} == {torch.float32}
    wide = list_state(build_network(Own(name), 3, dtype=torch.float64))
    assert {tensor.dtype for tensor in wide.values() if tensor.is_floating_point()} == {torch.float64}


def test_a_tied_parameter_stays_one():
    network = build_network(Given(lambda d_in: NETWORKS["tied"](d_in).double()), 3)
    assert network.b.weight is network.c.weight
    assert "c.weight" not in list_state(network)


def hold(tensor, **options):
    network = nn.Linear(3, 1)
    network.register_parameter("odd", nn.Parameter(tensor, **options))
    return network


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d_in: nn.Sequential(nn.LazyLinear(8), nn.Linear(8, 1)), r'"0\.weight", "0\.bias" have none yet.*d_in'),
        (lambda d_in: hold(torch.zeros(2, dtype=torch.complex64)), r'real floating-point.*"odd \(complex64\)"'),
        (lambda d_in: hold(torch.arange(2), requires_grad=False), r'"odd \(int64\)".*in a buffer'),
        (lambda d_in: nn.Flatten(0), "must have parameters to train"),
        (lambda d_in: nn.Linear(d_in, 1).requires_grad_(False), "all are frozen"),
        (lambda d_in: torch.sum, r"must return a `torch\.nn\.Module`, but Given gave"),
    ],
)
def test_what_cannot_be_trained_is_told(make, message):
    with pytest.raises(TrainingError, match=message):
        build_network(Given(make), 3)


@pytest.mark.parametrize("name", ["squeezed", "clamping", "bounded"])
@pytest.mark.parametrize("n", [1, 2, 65])
def test_logits_are_one_an_event_and_the_events_stay(name, n):
    network, x = build_network(Own(name), 3).eval(), 3 * torch.randn(n, 3)
    before = x.clone()
    logits = compute_logits(network, x)
    assert logits.shape == (n,)
    assert torch.equal(x, before)
    torch.testing.assert_close(logits, torch.cat([compute_logits(network, one[None]) for one in x]))


@pytest.mark.parametrize("width", [1, 2])
def test_another_shape_of_logits_is_told(width):
    with pytest.raises(TrainingError, match=rf"gave \[5, {width}\] for 5 events.*Flatten"):
        compute_logits(nn.Linear(3, width), torch.zeros(5, 3))
