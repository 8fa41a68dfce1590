"""Networks against outside truths: the authors' packages, formulas of the papers, counts by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from scipy.stats import norm
from torch import Tensor, nn

from tuner import models
from tuner.models.embeddings import normal_quantiles
from tuner.models.realmlp import PBLD, NTKLinear
from tuner.models.tabm import average_probabilities

D_IN = 5


@pytest.fixture
def x() -> Tensor:
    return torch.randn(16, D_IN, generator=torch.Generator().manual_seed(0))


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Copy parameters from one network to another whose parameters come in the same order."""
    with torch.no_grad():
        for a, b in zip(source.parameters(), target.parameters(), strict=True):
            b.copy_(a)


def test_mlp_equals_the_authors(x: Tensor):
    rtdl = pytest.importorskip("rtdl_revisiting_models")
    theirs = rtdl.MLP(d_in=D_IN, d_out=1, n_blocks=3, d_block=8, dropout=0.1).eval()
    ours = models.MLPSettings(widths=(8, 8, 8), dropout=0.1).build(D_IN).eval()
    copy_in_order(theirs, ours)
    torch.testing.assert_close(ours(x), theirs(x)[:, 0])


def test_resnet_equals_the_authors(x: Tensor):
    rtdl = pytest.importorskip("rtdl_revisiting_models")
    torch.manual_seed(0)
    theirs = rtdl.ResNet(d_in=D_IN, d_out=1, n_blocks=2, d_block=8, d_hidden_multiplier=2.0, dropout1=0.0, dropout2=0.0)
    torch.manual_seed(0)
    ours = models.ResNetSettings(d_block=8, hidden_dropout=0.0).build(D_IN)
    torch.testing.assert_close(ours(x), theirs(x)[:, 0])
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x)[:, 0])


def test_ft_transformer_equals_the_authors(x: Tensor):
    rtdl = pytest.importorskip("rtdl_revisiting_models")
    torch.manual_seed(0)
    theirs = rtdl.FTTransformer(
        n_cont_features=D_IN,
        cat_cardinalities=[],
        d_out=1,
        n_blocks=2,
        d_block=16,
        attention_n_heads=8,
        attention_dropout=0.2,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=0.1,
        residual_dropout=0.0,
    ).eval()
    torch.manual_seed(0)
    ours = models.FTTransformerSettings(n_blocks=2, d_token=16).build(D_IN).eval()
    torch.testing.assert_close(ours(x), theirs(x, None)[:, 0])


@pytest.mark.parametrize(
    "embedding", [None, models.PeriodicSettings(d_embedding=4), models.PiecewiseLinearSettings(d_embedding=4)]
)
def test_tabm_equals_the_authors(x: Tensor, embedding):
    """In training their k outputs, in evaluation the logit of the mean of their probabilities."""
    tabm = pytest.importorskip("tabm")
    torch.manual_seed(0)
    module = None if embedding is None else embedding.build(D_IN)
    theirs = tabm.TabM.make(
        n_num_features=D_IN, d_out=1, num_embeddings=module, n_blocks=2, d_block=8, k=4, dropout=0.0
    )
    torch.manual_seed(0)
    ours = models.TabMSettings(n_blocks=2, d_block=8, k=4, dropout=0.0, embedding=embedding).build(D_IN)
    torch.testing.assert_close(ours.train()(x), theirs(x)[..., 0])
    torch.testing.assert_close(ours.eval()(x).sigmoid(), theirs(x)[..., 0].sigmoid().mean(-1))


def test_the_mean_probability_survives_extreme_logits():
    logits = torch.tensor([[200.0, 200.0], [-200.0, -200.0], [200.0, -200.0]])
    torch.testing.assert_close(average_probabilities(logits), torch.tensor([200.0, -200.0, 0.0]))


def test_snn_starts_and_stays_self_normalizing():
    """Activations of 8 wide layers keep mean 0 and variance 1 for inputs that have them (arXiv:1706.02515)."""
    torch.manual_seed(0)
    network = models.SNNSettings(widths=(512,) * 8).build(64)
    first = network.layers[0][0]
    assert float(first.weight.detach().var() * 64) == pytest.approx(1, rel=0.05)
    assert not first.bias.any()
    with torch.no_grad():
        activations = network.eval().layers(torch.randn(2_000, 64))
    assert float(activations.mean()) == pytest.approx(0, abs=0.1)
    assert float(activations.var()) == pytest.approx(1, rel=0.15)


def test_piecewise_bins_are_normal_quantiles():
    edges = normal_quantiles(4)
    torch.testing.assert_close(edges[1:-1], torch.tensor(norm.ppf([0.25, 0.5, 0.75]), dtype=torch.float32))
    assert edges[[0, -1]].tolist() == [-4, 4]


def test_realmlp_factors_start_at_the_paper_values(x: Tensor):
    """A factor on a learning rate must not show in the function that the network starts from."""
    torch.manual_seed(0)
    settings = models.RealMLPSettings(n_frequencies=64, scale=0.1)
    pbld = PBLD(D_IN, settings)
    embedded = pbld(x).view(16, D_IN, 4)
    torch.testing.assert_close(embedded[..., 0], x)
    w, b = 0.1 * pbld.frequency.detach(), 0.1 * pbld.phase_bias.detach()
    assert float(w.std()) == pytest.approx(0.1, rel=0.2)
    assert float(b.abs().max()) == pytest.approx(math.pi, rel=0.1)
    waves = torch.cos(2 * math.pi * w * x[..., None] + b)
    by_hand = (waves[..., None] * 0.1 * pbld.weight).sum(-2) + 0.1 * pbld.bias
    torch.testing.assert_close(embedded[..., 1:], by_hand, rtol=1e-4, atol=1e-5)
    wide = NTKLinear(1_000, 1_000)
    assert float(wide(torch.randn(100, 1_000)).detach().var()) == pytest.approx(2, rel=0.1)
    network = settings.build(D_IN)
    torch.testing.assert_close(6 * network.scale, torch.ones(4 * D_IN))
    torch.testing.assert_close(0.1 * network.layers[0][1].weight, torch.ones(256))


def test_realmlp_factors_are_factors_on_adams_learning_rate():
    """One step of Adam moves the product f * parameter by f * lr."""
    network = models.RealMLPSettings(widths=(8,)).build(D_IN)
    before = 6 * network.scale.detach().clone()
    torch.nn.init.ones_(network.output.weight)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.eval()(torch.randn(64, D_IN)).sum().backward()
    optimizer.step()
    torch.testing.assert_close((6 * network.scale - before).abs(), torch.full((4 * D_IN,), 6e-3), rtol=1e-3, atol=1e-6)


def dense(*widths: int) -> int:
    return sum(a * b + b for a, b in pairwise(widths))


def test_numbers_of_parameters():
    """Counts by hand from the definitions of the networks."""
    mlp, periodic = models.MLPSettings, models.PeriodicSettings(n_frequencies=4, d_embedding=3)
    assert count(mlp(widths=(16, 8)).build(D_IN)) == dense(D_IN, 16, 8, 1)
    assert count(mlp(widths=(16, 8), normalisation="layer").build(D_IN)) == dense(D_IN, 16, 8, 1) + 2 * (16 + 8)
    frequencies, linears = D_IN * 4, D_IN * (2 * 4 * 3 + 3)
    assert count(mlp(widths=(16,), embedding=periodic).build(D_IN)) == frequencies + linears + dense(3 * D_IN, 16, 1)
    assert count(models.SNNSettings(widths=(16, 8)).build(D_IN)) == dense(D_IN, 16, 8, 1)
    bare = models.RealMLPSettings(widths=(16, 8), n_frequencies=0).build(D_IN)
    assert count(bare) == D_IN + dense(D_IN, 16, 8, 1) + 16 + 8


def test_numbers_of_parameters_of_the_authors_networks():
    pytest.importorskip("rtdl_revisiting_models")
    pytest.importorskip("tabm")
    d, h = 8, 16
    resnet = models.ResNetSettings(n_blocks=2, d_block=d, hidden_factor=2.0).build(D_IN)
    assert count(resnet) == dense(D_IN, d) + 2 * (2 * d + dense(d, h, d)) + 2 * d + dense(d, 1)
    # Tokens and [CLS]; attention; ReGLU has two first layers; norms, of which the first block lacks one; the head.
    former = models.FTTransformerSettings(n_blocks=2, d_token=d, n_heads=2, hidden_factor=2.0).build(D_IN)
    block = 4 * dense(d, d) + dense(d, 2 * h) + dense(h, d)
    assert count(former) == 2 * D_IN * d + d + 2 * block + 3 * 2 * d + 2 * d + dense(d, 1)
    # BatchEnsemble (arXiv:2002.06715): one matrix, and k vectors for input, output and bias.
    k = 4
    tabm = models.TabMSettings(n_blocks=2, d_block=d, k=k).build(D_IN)
    layers = sum(a * b + k * (a + 2 * b) for a, b in ((D_IN, d), (d, d)))
    assert count(tabm) == layers + k * (d + 1)
