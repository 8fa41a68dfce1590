"""Every family and every optimizer: a pack's members learn what they would learn alone."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from samples import FAMILIES, HaltingSettings, build_family, make_data, make_settings
from torch import nn

from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.pack_size import choose_pack_size
from tuner.training.settings import OptimizerKind


@pytest.mark.parametrize("optimizer", get_args(OptimizerKind))
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_equals_one_by_one_after_fifty_steps(family, optimizer, double):
    data = make_data(dtype=torch.float64)
    settings = [build_family(family, optimizer=optimizer, lr=lr) for lr in (2e-3, 5e-4, 1e-3)]
    pack = Pack(settings[0], data, n_epochs=20)
    for i, s in enumerate(settings[:2]):
        pack.admit(Member(i, s, seed=i))
    pack.train_epoch()
    (latecomer,) = pack.admit(Member(2, settings[2], seed=2))
    for _ in range(8):  # of 7 steps
        pack.train_epoch()
    alone = Pack(settings[2], data, n_epochs=20)
    alone.admit(Member(2, settings[2], seed=2))
    for _ in range(8):
        alone.train_epoch()
    x = data.validation_x
    torch.testing.assert_close(pack.stack.flat[latecomer], alone.stack.flat[0], rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(pack.score(x)[latecomer], alone.score(x)[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_trains_in_mixed_precision(family, n_members, monkeypatch):
    monkeypatch.setattr(
        "tuner.training.pack.mixed_precision", lambda device: torch.autocast("cpu", torch.bfloat16, cache_enabled=False)
    )
    settings, data = build_family(family, rate=0.1), make_data(n=150)
    wide, narrow = (Pack(settings, data, n_epochs=2) for _ in range(2))
    losses = []
    for pack in (narrow, wide):
        for number in range(n_members):
            pack.admit(Member(number, settings, seed=number))
        torch.manual_seed(0)
        losses.append(pack.train_epoch())
        assert pack.stack.flat.isfinite().all()
        assert all(tensor.dtype == torch.float32 for tensor in pack.stack.views.values())
        assert np.isfinite(pack.validate()).all()
        monkeypatch.undo()
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.03)
    assert not torch.equal(narrow.stack.flat, wide.stack.flat)


@pytest.mark.parametrize("family", ["mlp", "snn"])
def test_dropout_in_a_pack_has_the_same_distribution_of_results(family):
    data = make_data(n=450)
    settings = build_family(family, rate=0.3, lr=1e-2)
    n_seeds, n_epochs = 16, 5
    torch.manual_seed(0)
    pack = Pack(settings, data, n_epochs=n_epochs)
    alone = []
    for seed in range(n_seeds):
        pack.admit(Member(seed, settings, seed=seed))
        single = Pack(settings, data, n_epochs=n_epochs)
        single.admit(Member(seed, settings, seed=seed))
        for _ in range(n_epochs):
            single.train_epoch()
        alone.append(single.validate()[0][0])
    for _ in range(n_epochs):
        pack.train_epoch()
    together = pack.validate()[0]
    error = np.hypot(np.std(alone), np.std(together)) / np.sqrt(n_seeds)
    assert abs(np.mean(alone) - np.mean(together)) < 4 * error
    assert 0.3 < np.std(together) / np.std(alone) < 3


def test_a_network_that_cannot_be_packed_trains_alone():
    settings = replace(make_settings(lr=0.1), network=HaltingSettings())
    data = make_data()
    pack = Pack(settings, data, n_epochs=4)
    size = choose_pack_size(pack, settings, most=8)
    assert size.slots == 1
    assert "not under torch.vmap" in size.reason
    pack.admit(Member(0, settings, seed=0))
    for _ in range(4):
        pack.train_epoch()
    assert pack.validate()[0][0] > 0.8


def test_a_network_that_cannot_be_trained_says_why():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x)

    class BrokenSettings:
        def build(self, d_in):
            return Broken()

    settings = replace(make_settings(), network=BrokenSettings())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        choose_pack_size(Pack(settings, make_data(), n_epochs=1), settings, most=8)
