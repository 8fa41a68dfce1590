"""Dropout with a tensor rate, and its exchange in a user's own network."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state

from tuner import models
from tuner.errors import StudyError
from tuner.models.layers import AlphaDropout, Dropout, exchange_dropout, find_decayed, rest_dropout

N = 200_000


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.7])
def test_dropout_zeroes_its_share_and_keeps_the_mean(rate: float):
    torch.manual_seed(0)
    y = Dropout(rate).train()(torch.ones(N))
    sd = (rate * (1 - rate) / N) ** 0.5
    assert float((y == 0).float().mean()) == pytest.approx(rate, abs=5 * sd)
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 1 / (1 - rate)))


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_alpha_dropout_has_the_values_of_torch_and_keeps_mean_and_variance(rate: float):
    torch.manual_seed(0)
    x = torch.randn(N)
    ours, theirs = AlphaDropout(rate).train()(x), nn.functional.alpha_dropout(x, rate, training=True)
    ours_dropped, theirs_dropped = ours.mode().values, theirs.mode().values
    torch.testing.assert_close(ours_dropped, theirs_dropped)
    assert float((ours == ours_dropped).float().mean()) == pytest.approx(rate, abs=0.01)
    kept, their_kept = ours[ours != ours_dropped], theirs[theirs != theirs_dropped]
    torch.testing.assert_close(kept.std(), their_kept.std(), rtol=0.02, atol=0)
    assert float(ours.mean()) == pytest.approx(0, abs=0.02)
    assert float(ours.var()) == pytest.approx(1, abs=0.03)


def test_evaluation_passes_values_on():
    x = torch.randn(10)
    assert Dropout(0.5).eval()(x) is x
    assert AlphaDropout(0.5).eval()(x) is x


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan")])
def test_a_rate_outside_is_refused(rate: float):
    with pytest.raises(StudyError, match="rate"):
        Dropout(rate)


@pytest.mark.parametrize("kind", [Dropout, AlphaDropout])
def test_members_of_a_pack_drop_by_their_own_rates_and_one_draw(kind: type[Dropout]):
    """What a low rate drops, a higher rate drops too: numbers are drawn once for all members."""
    torch.manual_seed(0)
    modules = [kind(rate).train() for rate in (0.0, 0.2, 0.5)]
    _, buffers = stack_module_state(modules)
    x = torch.randn(N)
    call = torch.vmap(lambda b: functional_call(modules[0], b, (x,)), randomness="same")
    y = call(buffers)
    torch.testing.assert_close(y[0], x)
    little, much = (row == row.mode().values for row in y[1:])
    assert float(little.float().mean()) == pytest.approx(0.2, abs=0.01)
    assert float(much.float().mean()) == pytest.approx(0.5, abs=0.01)
    assert not (little & ~much).any()


def test_numbers_are_not_drawn_in_half_precision():
    """In bfloat16 only 256 values lie in [0, 1): a rate of .001 would drop nothing or four times as much."""
    torch.manual_seed(0)
    y = Dropout(0.001).train()(torch.ones(1_000_000, dtype=torch.bfloat16))
    assert y.dtype == torch.bfloat16
    assert float((y == 0).float().mean()) == pytest.approx(0.001, abs=0.0002)


class Own(nn.Module):
    """A network as a user writes it, one dropout used twice, with BatchNorm."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.drop = nn.Dropout(rate)
        self.norm = nn.BatchNorm1d(8)
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.AlphaDropout(rate), self.drop)
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.drop(self.norm(self.body(x)))).squeeze(-1)


def test_a_users_network_is_exchanged_in_place():
    network = Own(0.3)
    assert exchange_dropout(network) is network
    assert isinstance(network.drop, Dropout)
    assert network.body[3] is network.drop
    assert type(network.body[2]) is AlphaDropout
    assert float(network.drop.rate) == pytest.approx(0.3)
    assert not any(isinstance(m, nn.Dropout | nn.AlphaDropout) for m in network.modules())


def test_a_dropout_alone_and_its_mode_are_exchanged():
    assert isinstance(exchange_dropout(nn.Dropout(0.1)), Dropout)
    network = nn.Sequential(nn.Dropout(0.5)).eval()
    assert not exchange_dropout(network)[0].training


def test_an_exchanged_network_trains_in_a_pack():
    networks = [exchange_dropout(Own(rate)).train() for rate in (0.0, 0.4)]
    parameters, buffers = stack_module_state(networks)

    def call(p, b, x):
        return functional_call(networks[0], (p, b), (x,))

    packed = torch.vmap(call, in_dims=(0, 0, None), randomness="same")
    x = torch.randn(64, 4)
    first, second = packed(parameters, buffers, x), packed(parameters, buffers, x)
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[1], second[1])
    assert buffers["norm.num_batches_tracked"].tolist() == [2, 2]
    assert not torch.equal(buffers["norm.running_mean"][0], buffers["norm.running_mean"][1])


def test_dropout_rests_only_where_no_member_drops():
    network = exchange_dropout(Own(0.0)).train()
    rates = {name: torch.zeros(2) for name, _ in network.named_buffers() if name.endswith("rate")}
    x = torch.randn(64, 4)
    rest_dropout(network, rates)
    state = torch.get_rng_state()
    network(x)
    assert torch.equal(torch.get_rng_state(), state)
    rest_dropout(network, rates | {"drop.rate": torch.tensor([0.0, 0.1])})
    assert [network.drop.idle, network.body[2].idle] == [False, True]
    network(x)
    assert not torch.equal(torch.get_rng_state(), state)


def test_matrices_decay_and_biases_norms_and_embeddings_do_not():
    assert find_decayed(Own(0.1)) == {"body.0.weight", "head.weight"}
    assert find_decayed(nn.Linear(3, 2)) == {"weight"}
    periodic = models.MLPSettings(widths=(4,), embedding=models.PeriodicSettings(), normalisation="layer").build(3)
    assert find_decayed(periodic) == {"embedding.0.linear.weight", "layers.0.0.weight", "output.weight"}
    real = models.RealMLPSettings(widths=(4,)).build(3)
    assert find_decayed(real) == {"layers.0.0.weight", "output.weight"}


def test_what_the_authors_of_ft_transformer_let_decay_decays():
    pytest.importorskip("rtdl_revisiting_models")
    network = models.FTTransformerSettings(n_blocks=2, d_token=8, n_heads=2).build(3).network
    decayed, _ = network.make_parameter_groups()
    names = {name for name, p in network.named_parameters() if any(p is q for q in decayed["params"])}
    norms = {name for name in names if "output.normalization" in name}  # theirs forgets the last norm
    assert find_decayed(network) == names - norms
