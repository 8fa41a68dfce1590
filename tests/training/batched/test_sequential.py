"""Chains against plain torch, member by member: values, derivatives, running statistics, dropout."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state

from tuner import models
from tuner.models.layers import AlphaDropout, Dropout, widen_batch_norms
from tuner.training.batched.sequential import Mapped, find_chain

D_IN, N, K = 5, 40, 3


class Doubled(nn.Module):
    """A layer that the package knows nothing of, with a parameter and a buffer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))
        self.register_buffer("shift", torch.randn(4))

    def forward(self, x):
        return 2 * x * self.weight + self.shift


class Residual(nn.Sequential):
    """A sequence that does more than pass values on."""

    def forward(self, x):
        return x + super().forward(x)


def shared_layer():
    layer = nn.Linear(4, 4)
    return nn.Sequential(nn.Linear(D_IN, 4), layer, nn.ReLU(), layer)


NETWORKS = {
    "relu": lambda: nn.Sequential(nn.Linear(D_IN, 4), nn.ReLU(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)),
    "no bias": lambda: nn.Sequential(nn.Linear(D_IN, 4, bias=False), nn.ReLU(), nn.Linear(4, 1, bias=False)),
    "silu, layer norm": lambda: nn.Sequential(nn.Linear(D_IN, 4), nn.LayerNorm(4), nn.SiLU(), nn.Linear(4, 1)),
    "layer norm without scale": lambda: nn.Sequential(nn.LayerNorm(D_IN, elementwise_affine=False), nn.Linear(D_IN, 1)),
    "layer norm without shift": lambda: nn.Sequential(nn.LayerNorm(D_IN, bias=False), nn.Linear(D_IN, 1)),
    "batch norm": lambda: nn.Sequential(nn.Linear(D_IN, 4, bias=False), nn.BatchNorm1d(4), nn.GELU(), nn.Linear(4, 1)),
    "batch norm without scale": lambda: nn.Sequential(nn.BatchNorm1d(D_IN, affine=False), nn.Linear(D_IN, 1)),
    "own layer": lambda: nn.Sequential(nn.Linear(D_IN, 4), Doubled(), nn.Linear(4, 1)),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Linear(D_IN, 4), nn.Identity()), nn.Sequential(nn.ReLU())),
    "residual inside": lambda: nn.Sequential(nn.Linear(D_IN, 4), Residual(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 1)),
    "a layer twice": shared_layer,
    "values of more dimensions": lambda: nn.Sequential(
        *(nn.Unflatten(1, (D_IN, 1)), nn.Linear(1, 4), nn.ReLU(), Dropout(0.0), nn.LayerNorm(4), nn.Linear(4, 2)),
        *(nn.BatchNorm1d(D_IN), nn.Flatten(), Dropout(0.0), nn.Linear(2 * D_IN, 1)),
    ),
    "values of fewer dimensions": lambda: nn.Sequential(nn.Linear(D_IN, 1), nn.Flatten(0), nn.Tanh()),
    "mlp": lambda: models.MLPSettings(widths=(4, 8), embedding=models.PeriodicSettings(d_embedding=3)).build(D_IN),
    "snn": lambda: models.SNNSettings(widths=(4, 8)).build(D_IN),
}


@pytest.fixture(params=NETWORKS, ids=str)
def members(request) -> list[nn.Module]:
    torch.manual_seed(0)
    return [widen_batch_norms(NETWORKS[request.param]()).double() for _ in range(K)]


def stack(members):
    """Return stacked parameters, as leaves of a graph, and buffers, their names like the network's own."""
    parameters, buffers = stack_module_state(members)
    known = dict(members[0].named_parameters())
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in parameters.items() if name in known}
    return leaves, buffers


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_a_chain_computes_and_learns_what_each_member_does(members, randomness):
    chain = find_chain(members[0], randomness)
    parameters, buffers = stack(members)
    x = torch.randn(K, N, D_IN, dtype=torch.float64)
    for module in members:
        module.train()
    y = chain(parameters, buffers, x)
    expected = [module(x[k]) for k, module in enumerate(members)]
    torch.testing.assert_close(y, torch.stack(expected))
    wanted = torch.randn_like(y)
    gradients = torch.autograd.grad((y * wanted).sum(), list(parameters.values()))
    for k, module in enumerate(members):
        theirs = torch.autograd.grad(
            (expected[k] * wanted[k]).sum(), [dict(module.named_parameters())[n] for n in parameters]
        )
        for gradient, their in zip(gradients, theirs, strict=True):
            torch.testing.assert_close(gradient[k], their)
        for name, buffer in module.named_buffers():
            torch.testing.assert_close(buffers[name][k], buffer, msg=name)
        module.eval()
    with torch.no_grad():
        judged = chain(parameters, buffers, x[:1].expand_as(x))
    torch.testing.assert_close(judged, torch.stack([module(x[0]) for module in members]))


def test_a_chain_passes_derivatives_on_to_its_inputs(members):
    chain = find_chain(members[0], "same")
    parameters, buffers = stack(members)
    x = torch.randn(K, N, D_IN, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(chain(parameters, buffers, x).square().sum(), x)
    for k, module in enumerate(copy.deepcopy(members)):
        (their,) = torch.autograd.grad(module(x[k]).square().sum(), x)
        torch.testing.assert_close(gradient[k], their[k])


def test_only_sequences_are_chains():
    assert find_chain(Residual(nn.Linear(D_IN, D_IN)), "same") is None
    assert find_chain(Doubled(), "same") is None
    hooked = nn.Sequential(nn.Linear(D_IN, 1))
    hooked.register_forward_hook(lambda module, inputs, output: output + 1)
    assert find_chain(hooked, "same") is None


def test_layers_that_share_a_parameter_are_no_chain():
    network = nn.Sequential(nn.Linear(D_IN, D_IN), nn.ReLU(), nn.Linear(D_IN, D_IN, bias=False))
    assert find_chain(network, "same") is not None
    network[2].weight = network[0].weight
    assert find_chain(network, "same") is None


def test_a_layer_with_a_hook_is_called():
    network = nn.Sequential(nn.Linear(D_IN, 4), nn.ReLU())
    network[1].register_forward_hook(lambda module, inputs, output: output + 1)
    y = find_chain(network, "same")(*stack([network]), torch.zeros(1, N, D_IN))
    torch.testing.assert_close(y[0], network(torch.zeros(N, D_IN)))
    assert (y >= 1).all()


def test_our_layers_are_not_mapped():
    settings = models.MLPSettings(widths=(4, 8), dropout=0.1, normalisation="batch", activation="gelu")
    chain = find_chain(widen_batch_norms(settings.build(D_IN)), "same")
    assert [link.layer.__class__ for link, _ in chain.links if isinstance(link, Mapped)] == [nn.Flatten]


RATES = (0.0, 0.2, 0.5)
DROPPING = {
    "after relu": lambda rate: nn.Sequential(nn.Linear(1, 1), nn.ReLU(), Dropout(rate)),
    "after another": lambda rate: nn.Sequential(nn.Linear(1, 1), nn.SiLU(), Dropout(rate)),
    "alpha": lambda rate: nn.Sequential(nn.Linear(1, 1), nn.ReLU(), AlphaDropout(rate)),
}


@pytest.mark.parametrize("kind", DROPPING)
@pytest.mark.parametrize("randomness", ["same", "different"])
def test_members_drop_by_their_own_rates(kind, randomness):
    torch.manual_seed(0)
    networks = [DROPPING[kind](rate).train() for rate in RATES]
    parameters, buffers = stack(networks)
    x = torch.rand(1, 100_000, 1).expand(3, -1, -1)
    with torch.no_grad():
        parameters["0.weight"][:], parameters["0.bias"][:] = 1, 0.5
    y = find_chain(networks[0], randomness)(parameters, buffers, x)
    kept_of = networks[0][1](x[0] + 0.5)
    torch.testing.assert_close(y[0], kept_of)
    lowest = [row.mode(0).values for row in y[1:]]
    dropped = [row == low for row, low in zip(y[1:], lowest, strict=True)]
    for rate, row, gone in zip(RATES[1:], y[1:], dropped, strict=True):
        assert float(gone.float().mean()) == pytest.approx(rate, abs=0.01)
        if kind != "alpha":
            torch.testing.assert_close(row[~gone], kept_of[~gone] / (1 - rate))
    both = float((dropped[0] & dropped[1]).float().mean())
    assert both == pytest.approx(0.2 if randomness == "same" else 0.1, abs=0.01)
    gradient = torch.autograd.grad(y.sum(), parameters["0.bias"])[0]
    if kind == "after relu":
        expected = torch.stack([(row > 0).sum() / (1 - rate) for rate, row in zip(RATES, y, strict=True)])
        torch.testing.assert_close(gradient[:, 0], expected.float())


def test_a_network_that_is_judged_drops_nothing():
    network = DROPPING["after relu"](0.5).eval()
    x = torch.rand(1, N, 1)
    torch.testing.assert_close(find_chain(network, "same")(*stack([network]), x)[0], network(x[0]))


def test_products_are_taken_in_autocasts_type():
    network = nn.Sequential(nn.Linear(D_IN, 4), nn.ReLU(), Dropout(0.0), nn.Linear(4, 1))
    parameters, buffers = stack([network])
    x = torch.rand(1, N, D_IN)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        y = find_chain(network, "same")(parameters, buffers, x)
        their = functional_call(network, {name: tensor[0] for name, tensor in parameters.items()}, (x[0],))
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y[0], their, rtol=0.02, atol=0.02)
    assert all(g.dtype == torch.float32 for g in torch.autograd.grad(y.float().sum(), list(parameters.values())))
