"""What every network must do: shapes, determinism, and packed = one by one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from tuner import models
from tuner.errors import StudyError
from tuner.models.layers import Dropout
from tuner.training.settings import NetworkSettings

D_IN, N, K = 5, 32, 3
RATES = ("dropout", "hidden_dropout", "residual_dropout", "attention_dropout")


def build(settings: NetworkSettings, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return settings.build(D_IN)


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, D_IN, generator=torch.Generator().manual_seed(0))


def stack(networks: Sequence[nn.Module]):
    """Return a function of x that computes all networks as one, and its stacked parameters and buffers."""
    parameters, buffers = stack_module_state(list(networks))

    def call(p, b, x):
        return functional_call(networks[0], (p, b), (x,))

    def packed(x: Tensor) -> Tensor:
        in_dims = (0, 0, 0 if x.ndim == 3 else None)
        return torch.vmap(call, in_dims=in_dims, randomness="same")(parameters, buffers, x)

    return packed, parameters, buffers


def test_logits_have_one_value_for_each_event(settings: NetworkSettings):
    network = build(settings, 0)
    trained = network.train()(features(N))
    assert trained.shape[0] == N
    assert trained.shape == ((N, settings.k) if isinstance(settings, models.TabMSettings) else (N,))
    judged = network.eval()(features(N))
    assert judged.shape == (N,)
    assert judged.dtype == torch.float32
    assert network(features(1)).shape == (1,)


def test_a_seed_builds_one_network(settings: NetworkSettings):
    first, again, other = build(settings, 1), build(settings, 1), build(settings, 2)
    for (name, a), b in zip(first.state_dict().items(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=name)
    assert not torch.equal(first.eval()(features(N)), other.eval()(features(N))) or is_blind(first)


def is_blind(network: nn.Module) -> bool:
    """Whether the last layer starts from zero: all logits are zero then."""
    return not network(features(N)).any()


@pytest.mark.parametrize("shared", [True, False], ids=["one batch", "a batch each"])
def test_packed_equals_one_by_one(settings: NetworkSettings, shared: bool):
    """Logits, gradients and running statistics of K stacked networks are those of K single ones."""
    singles = [shake(build(settings, seed)).train() for seed in range(K)]
    packed, parameters, buffers = stack([copy.deepcopy(network) for network in singles])
    x = features(N) if shared else features(K, N)
    logits = packed(x)
    logits.square().sum().backward()
    for i, network in enumerate(singles):
        alone = network(x if shared else x[i])
        alone.square().sum().backward()
        torch.testing.assert_close(logits[i], alone, rtol=1e-4, atol=1e-5)
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(
                parameters[name].grad[i], parameter.grad, rtol=1e-3, atol=1e-4 * float(alone.detach().square().sum())
            )
        for name, buffer in network.named_buffers():
            torch.testing.assert_close(buffers[name][i], buffer, rtol=1e-5, atol=1e-6)


def shake(network: nn.Module) -> nn.Module:
    """Move every parameter, so that none that starts from zero hides an error."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def test_packed_evaluation_equals_one_by_one(settings: NetworkSettings):
    singles = [shake(build(settings, seed)) for seed in range(K)]
    for network in singles:
        network.train()(features(N))
        network.eval()
    packed, _, _ = stack(singles)
    expected = torch.stack([network(features(N)) for network in singles])
    torch.testing.assert_close(packed(features(N)), expected, rtol=1e-4, atol=1e-5)


def test_members_differ_in_knobs_only(settings: NetworkSettings):
    """Other knobs, and zero among them, leave names and shapes of parameters and buffers as they are."""
    knobs = {f.name: 0.3 for f in fields(settings) if f.metadata.get("knob")}
    assert knobs
    expected = {name: tensor.shape for name, tensor in build(settings, 0).state_dict().items()}
    other = build(replace(settings, **knobs), 0)
    assert {name: tensor.shape for name, tensor in other.state_dict().items()} == expected


def test_each_slot_has_its_own_dropout(settings: NetworkSettings):
    """Slots without dropout give the same logits twice; slots with it do not; in evaluation all do."""
    rates = {f.name: 0.5 for f in fields(settings) if f.name in RATES}
    networks = [shake(build(s, 0)).train() for s in (settings, replace(settings, **rates), settings)]
    packed, _, _ = stack(networks)
    x = features(N)
    first, second = packed(x), packed(x)
    assert torch.equal(first[[0, 2]], second[[0, 2]])
    assert not torch.equal(first[1], second[1])
    for network in networks:
        network.eval()
    packed, _, _ = stack(networks)
    assert torch.equal(packed(x), packed(x))


def test_dropout_of_every_rate_is_a_buffer(settings: NetworkSettings):
    """Each rate of the settings reaches a `Dropout`, and no other dropout is left."""
    rates = {f.name: 0.1 * (i + 1) for i, f in enumerate(fields(settings)) if f.name in RATES}
    modules = list(build(replace(settings, **rates), 0).modules())
    built = {round(float(m.rate), 6) for m in modules if isinstance(m, Dropout)}
    assert built == {round(rate, 6) for rate in rates.values()}
    assert not any(isinstance(m, nn.Dropout | nn.AlphaDropout) for m in modules)


@pytest.mark.parametrize(
    ("make", "fields_named"),
    [
        (lambda: models.MLPSettings(widths=(), dropout=1.0), ["widths", "dropout"]),
        (lambda: models.MLPSettings(activation="tanh", normalisation="group"), ["activation", "normalisation"]),
        (lambda: models.SNNSettings(widths=(0,)), ["widths"]),
        (lambda: models.ResNetSettings(d_block=0, n_blocks=0), ["d_block", "n_blocks"]),
        (lambda: models.FTTransformerSettings(d_token=30), ["d_token"]),
        (lambda: models.TabMSettings(k=0), ["k"]),
        (lambda: models.RealMLPSettings(scale=0.0), ["scale"]),
        (lambda: models.PeriodicSettings(scale=-1.0), ["scale"]),
        (lambda: models.PiecewiseLinearSettings(n_bins=1), ["n_bins"]),
    ],
)
def test_settings_that_do_not_hold_are_told_by_name(make, fields_named: list[str]):
    with pytest.raises(StudyError) as caught:
        make()
    assert all(f"`{name}`" in str(caught.value) for name in fields_named)


def test_settings_are_frozen_and_hashable(settings: NetworkSettings):
    assert hash(settings) == hash(replace(settings))
    with pytest.raises(FrozenInstanceError):
        settings.dropout = 0.5
