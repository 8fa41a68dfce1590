"""What a user's own network may do: freeze parameters, leave some unused, hook its layers, share a name."""

from dataclasses import dataclass, make_dataclass

import torch
from samples import make_data, make_settings
from torch import nn

from tuner.training.batched.sequential import find_chain
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.settings import Settings
from tuner.training.structure import find_structure


class Partly(nn.Module):
    def __init__(self, d_in):
        super().__init__()
        self.frozen = nn.Linear(d_in, 8).requires_grad_(False)
        self.head = nn.Linear(8, 1)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return self.head(self.frozen(x).relu()).squeeze(-1)


@dataclass(frozen=True)
class PartlySettings:
    def build(self, d_in):
        return Partly(d_in)


def test_frozen_parameters_stay_and_unused_ones_do_no_harm():
    training = make_settings(weight_decay=0.1, lr=0.01).training
    settings = Settings(network=PartlySettings(), training=training)
    for n_members in (1, 3):
        pack = Pack(settings, make_data(), n_epochs=4)
        pack.admit(*[Member(number, settings, seed=number) for number in range(n_members)])
        before = {name: view.detach().clone() for name, view in pack.stack.views.items()}
        losses = [pack.train_epoch() for _ in range(4)]
        assert (losses[-1] < losses[0]).all()
        for name in ("frozen.weight", "frozen.bias"):
            assert torch.equal(pack.stack.views[name], before[name])
        assert not torch.equal(pack.stack.views["head.weight"], before["head.weight"])


def test_two_networks_of_one_name_are_two_structures():
    training = make_settings().training
    builds = {"build": lambda self, d_in: nn.Linear(d_in, 1)}
    first, second = (make_dataclass("MineSettings", [], namespace=builds, frozen=True) for _ in range(2))
    assert find_structure(Settings(network=first(), training=training)) == find_structure(
        Settings(network=first(), training=training)
    )
    assert find_structure(Settings(network=first(), training=training)) != find_structure(
        Settings(network=second(), training=training)
    )


def test_hooks_are_kept():
    plain = nn.Sequential(nn.Linear(3, 8), nn.Identity(), nn.Linear(8, 1))
    chain = find_chain(plain, "same")
    assert chain is not None
    assert len(chain.links) == 2
    plain[1].register_forward_hook(lambda module, args, output: output * 2)
    assert len(find_chain(plain, "same").links) == 3
    plain[0].register_full_backward_hook(lambda module, before, after: None)
    assert find_chain(plain, "same") is None


def test_nothing_infinite_stays_in_a_vacant_row():
    settings = make_settings(normalisation="batch", dropout=0.2)
    pack = Pack(settings, make_data(), n_epochs=4)
    pack.admit(*[Member(number, settings, seed=number) for number in range(2)])
    with torch.no_grad():
        pack.stack.flat[1] = torch.nan
    pack.train_epoch()
    assert not pack.stack.optimizer.moments[0][1].isfinite().any()
    pack.vacate(1)
    pack.train_epoch()
    stack = pack.stack
    for tensor in (stack.flat, *stack.optimizer.moments, *stack.buffers.values()):
        assert tensor[0].isfinite().all()
        assert tensor[1].isfinite().all()
