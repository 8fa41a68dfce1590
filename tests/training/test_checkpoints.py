"""A network that is built anew from its checkpoint is the one that was trained, packed or alone; else it is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from own_networks import ALONE, NETWORKS, WRONG, Own, Sharp
from samples import FAMILIES, build_family, make_data, make_settings
from torch import nn

from tuner.errors import DamagedFileError, TrainingError
from tuner.training.building import compute_logits
from tuner.training.checkpoints import Checkpoint, read_checkpoint, restore_network, save_checkpoint, take_checkpoint
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.pack_size import choose_pack_size

DATA = make_data(n=330, d_in=5)

pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch, of `clamp_` under vmap


def make_own(network, **training):
    return replace(make_settings(**training), network=network)


def train(settings, n_members, *, n_epochs=2):
    torch.manual_seed(0)
    pack = Pack(settings, DATA, n_epochs=n_epochs)
    pack.admit(*[Member(number, settings, seed=number + 5) for number in range(n_members)])
    for _ in range(n_epochs):
        pack.train_epoch()
        pack.validate()
    return pack


def check_again(pack, row, path):
    """A member's network, written, read and built anew, scores as it did in the pack."""
    save_checkpoint(take_checkpoint(pack, row), path)
    torch.rand(3)  # where torch's generator stands is no matter
    network = restore_network(read_checkpoint(path), pack.members[row].settings.network)
    with torch.no_grad():
        scores = compute_logits(network, DATA.validation_x).double().sigmoid().numpy()
    np.testing.assert_allclose(scores, pack.best_scores(row), atol=1e-5)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_ones_own_is_had_again(name, n_members, tmp_path):
    before = DATA.x.clone(), DATA.validation_x.clone()
    pack = train(make_own(Own(name)), n_members)
    for row in range(n_members):
        check_again(pack, row, tmp_path / "network.pt")
    assert torch.equal(DATA.x, before[0])
    assert torch.equal(DATA.validation_x, before[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pack_of_ones_own_networks_learns_as_each_alone(name):
    settings = make_own(Own(name), clip_norm=float("inf"), lr=1e-3)
    together = train(settings, 3)
    alone = Pack(settings, DATA, n_epochs=2)
    alone.admit(Member(1, settings, seed=6))
    for _ in range(2):
        alone.train_epoch()
    torch.testing.assert_close(
        together.score(DATA.validation_x)[1], alone.score(DATA.validation_x)[0], rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("name", ALONE)
def test_what_cannot_be_mapped_trains_alone_and_is_had_again(name, tmp_path):
    settings = make_own(Own(name))
    size = choose_pack_size(Pack(settings, DATA, n_epochs=1), settings, most=4)
    assert (size.slots, "not under torch.vmap" in size.reason) == (1, True)
    check_again(train(settings, 1), 0, tmp_path / "network.pt")


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_had_again(family, tmp_path):
    pack = train(build_family(family, rate=0.2), 2)
    for row in range(2):
        check_again(pack, row, tmp_path / "network.pt")


@pytest.mark.parametrize("name", WRONG)
def test_what_is_another_network_once_built_anew_is_refused(name):
    with pytest.raises(TrainingError, match="must be a parameter or a buffer"):
        take_checkpoint(train(make_own(Own(name)), 1), 0)


def test_a_knob_that_the_pack_cannot_see_is_refused():
    """All members compute with the number of the first; the others would be loaded with their own."""
    first, second = (make_own(Sharp(factor)) for factor in (1.0, 3.0))
    pack = Pack(first, DATA, n_epochs=2)
    pack.admit(Member(0, first, seed=0), Member(1, second, seed=1))
    pack.train_epoch()
    pack.validate()
    take_checkpoint(pack, 0)
    with pytest.raises(TrainingError, match=r"64 of 64 kept events have other logits.*knob must act"):
        take_checkpoint(pack, 1)


class Changed:
    """Settings whose `build` is given."""

    def __init__(self, build):
        self.build = build


def build_blocks(n, d=8, dropout=0.0):
    def build(d_in):
        inner = [layer for _ in range(n) for layer in (nn.Linear(d, d), nn.Tanh(), nn.Dropout(dropout))]
        return nn.Sequential(nn.Linear(d_in, d), *inner, nn.Linear(d, 1), nn.Flatten(0))

    return build


@pytest.fixture(scope="module")
def checkpoint():
    pack = train(make_own(Changed(build_blocks(2))), 1)
    return take_checkpoint(pack, 0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (build_blocks(1), r'lacks "7\.weight", "7\.bias", "6\.rate" and has other shapes for "4\.weight"'),
        (build_blocks(3), r'adds "10\.weight", "10\.bias", "9\.rate" and has other shapes for "7\.weight"'),
        (build_blocks(2, d=9), r'has other shapes for "0\.weight"'),
        (lambda d_in: nn.Sequential(build_blocks(2)(d_in), nn.Identity()), r'lacks "0\.weight"'),
    ],
)
def test_code_that_lost_or_won_a_tensor_is_told(checkpoint, build, message):
    with pytest.raises(TrainingError, match=f"must have the tensors that were trained, but {message}"):
        restore_network(checkpoint, Changed(build))


def exchange(kind, other):
    def build(d_in):
        network = build_blocks(2)(d_in)
        return nn.Sequential(*[other if isinstance(layer, kind) else layer for layer in network])

    return build


def test_code_with_the_same_tensors_that_computes_otherwise_is_told(checkpoint):
    restore_network(checkpoint, Changed(build_blocks(2)))
    with pytest.raises(TrainingError, match=r"must score as the one that was trained, but 6\d of 64 .* by up to"):
        restore_network(checkpoint, Changed(exchange(nn.Tanh, nn.ReLU())))


@pytest.mark.parametrize(("shift", "passes"), [(5e-4, True), (3e-3, False), (float("nan"), False)])
def test_the_tolerance_is_that_of_rounding(checkpoint, shift, passes):
    other = replace(checkpoint, logits=checkpoint.logits + shift)
    if passes:
        restore_network(other, Changed(build_blocks(2)))
    else:
        with pytest.raises(TrainingError, match="64 of 64 kept events"):
            restore_network(other, Changed(build_blocks(2)))


@pytest.mark.parametrize(("n_jumps", "passes"), [(3, True), (4, False)])
def test_few_events_may_jump(checkpoint, n_jumps, passes):
    other = replace(checkpoint, logits=checkpoint.logits + 2.0 * (torch.arange(64) < n_jumps))
    if passes:
        restore_network(other, Changed(build_blocks(2)))
    else:
        with pytest.raises(TrainingError, match="4 of 64 kept events"):
            restore_network(other, Changed(build_blocks(2)))


def test_few_validation_events_are_enough():
    data = make_data(n=6, d_in=5)
    settings = make_own(Own("drawn buffer"))
    pack = Pack(settings, data, n_epochs=1)
    pack.admit(Member(0, settings, seed=0))
    pack.train_epoch()
    pack.validate()
    assert len(take_checkpoint(pack, 0).logits) == 2


def cut(path):
    path.write_bytes(path.read_bytes()[:200])


def empty(path):
    path.write_bytes(b"")


def write_state(path):
    torch.save({"layer.weight": torch.zeros(2)}, path)


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut, empty, write_state, remove])
def test_a_file_that_is_no_checkpoint_is_told(checkpoint, tmp_path, damage):
    path = tmp_path / "network.pt"
    save_checkpoint(checkpoint, path)
    assert isinstance(read_checkpoint(path), Checkpoint)
    damage(path)
    with pytest.raises(DamagedFileError, match=r'network\.pt" must be as it was written, but it'):
        read_checkpoint(path)
