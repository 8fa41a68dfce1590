"""On a CUDA device: packs learn there what they learn on a CPU, from captured graphs. Skipped where there is none."""

import logging
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import get_args

import numpy as np
import pytest
import torch
from samples import FAMILIES, HaltingSettings, build_family, live, make_data, make_settings
from sklearn.metrics import roc_auc_score

from tuner import Settings, TrainingSettings
from tuner.training.batched.cuda_graphs import StepGraph
from tuner.training.batched.lanes import HostLane, make_lane
from tuner.training.loop import take_turns
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.pack_size import choose_pack_size
from tuner.training.settings import OptimizerKind
from tuner.training.shuffling import draw_orders
from tuner.training.validation import rank_auc

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def exact(double, monkeypatch):
    """Double precision everywhere: two devices round alike, as far as a test of a few epochs can see."""
    monkeypatch.setattr("tuner.training.pack.mixed_precision", lambda _: nullcontext())


def put(data, device):
    return replace(data, **{f.name: getattr(data, f.name).to(device) for f in fields(data)})


@pytest.mark.parametrize("optimizer", get_args(OptimizerKind))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gpu_learns_what_a_cpu_learns(family, optimizer, exact):
    data = make_data(dtype=torch.float64)
    settings = build_family(family, optimizer=optimizer)
    wilder = build_family(family, optimizer=optimizer, lr=5e-4, weight_decay=0.1, label_smoothing=0.1, clip_norm=0.2)
    packs = [Pack(settings, put(data, device), n_epochs=20) for device in (CPU, GPU)]
    on_cpu, on_gpu = (live(pack, settings, wilder) for pack in packs)
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-5, atol=1e-7)
    assert packs[1].graph.replay is not None
    assert not StepGraph.refused


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns_from_captured_steps_in_mixed_precision_with_dropout(family, n_members):
    settings = build_family(family, rate=0.2, lr=1e-2)
    pack = Pack(settings, put(make_data(1500), GPU), n_epochs=30)
    pack.admit(*[Member(number, settings, seed=number) for number in range(n_members)])
    first = pack.train_epoch()
    for _ in range(14):
        last = pack.train_epoch()
    aucs, _ = pack.validate()
    assert (last < first).all()
    assert (aucs > 0.8).all()
    assert pack.graph.replay is not None
    assert not StepGraph.refused


def test_each_replay_drops_other_units():
    settings = make_settings(dropout=0.5, lr=1e-12, batch_size=64)
    pack = Pack(settings, put(make_data(96), GPU), n_epochs=30)  # one step an epoch, all events
    pack.admit(Member(0, settings, seed=0))
    losses = [float(pack.train_epoch()[0]) for _ in range(12)]
    assert pack.graph.replay is not None
    assert np.diff(sorted(losses)).min() > 1e-6  # more than another order of the same events makes


def test_orders_are_the_same_on_both_devices():
    members = [Member(number, make_settings(), seed=7 * number, age=number) for number in range(3)]
    orders = [torch.zeros(9, 3, 111, dtype=torch.long, device=device) for device in (CPU, GPU)]
    for out in orders:
        draw_orders(members, 999, out=out)
    assert torch.equal(orders[0], orders[1].cpu())
    assert len(set(orders[0][:, 0].flatten().tolist())) == 999


def test_device_auc_equals_scikit_learn_with_weights_and_ties():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(2000, generator=generator) < 0.3).float()
    scores = (torch.randn(4, 2000, generator=generator) + labels).round(decimals=1)
    weights = torch.rand(2000, generator=generator, dtype=torch.float64)
    came = rank_auc(scores.to(GPU), labels.to(GPU), weights.to(GPU)).cpu()
    expected = [roc_auc_score(labels, row, sample_weight=weights) for row in scores]
    torch.testing.assert_close(came, torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=0)


def test_a_step_that_cannot_be_captured_trains_as_it_is_and_says_so_once(caplog):
    settings = Settings(network=HaltingSettings(), training=TrainingSettings(batch_size=32, lr=0.05))
    for _ in range(2):
        pack = Pack(settings, put(make_data(), GPU), n_epochs=30)
        pack.admit(Member(0, settings, seed=0))
        with caplog.at_level(logging.WARNING, logger="tuner"):
            losses = [float(pack.train_epoch()[0]) for _ in range(8)]
        assert losses[-1] < losses[0]
    assert sum("without a CUDA graph" in message for message in caplog.messages) == 1


def test_a_pack_that_outgrows_the_memory_is_made_smaller_and_training_goes_on():
    settings = make_settings(widths=(1024, 1024), batch_size=1024)
    data = put(make_data(3000), GPU)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(GPU).total_memory
    torch.cuda.set_per_process_memory_fraction(2**30 / total)
    try:
        pack = Pack(settings, data, n_epochs=3)
        size = choose_pack_size(pack, settings, most=256)
        assert "out of memory" in size.reason
        assert 1 <= size.slots < 256
        pack.admit(*[Member(number, settings, seed=number) for number in range(size.slots)])
        assert pack.train_epoch().shape == (size.slots,)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


STRUCTURES = [
    make_settings(dropout=0.3, normalisation="batch", batch_size=64),
    make_settings(widths=(16, 8), dropout=0.2, batch_size=100),
    build_family("resnet", rate=0.2),
    build_family("ft_transformer", rate=0.1),
]


def begin(settings, data, lane, number=2):
    """Return a pack in a lane, and its turns; members that end go into `curves`."""
    with lane.turn():
        pack = Pack(settings, data, n_epochs=6, noise_seed=3, lane=lane)
        pack.admit(*[Member(n, settings, seed=n) for n in range(number)])
    curves = {}
    turns = take_turns(
        pack,
        on_epoch=lambda member: "prune" if (member.number, member.age) == (0, 3) else "go on",
        on_end=lambda member, row, outcome: curves.update({member.number: (outcome.state, member.curve)}),
        refill=iter([Member(9, settings, seed=9)] + 99 * [None]).__next__,
    )
    return pack, turns, curves


def go_round(packs):
    """Take the turns of packs as a worker does."""
    waiting = [(pack, turns, lambda: True) for pack, turns, _ in packs]
    while waiting:
        pack, turns, is_done = waiting.pop(0)
        if is_done():
            with pack.lane.turn():
                is_done = next(turns, None)
        if is_done is not None:
            waiting.append((pack, turns, is_done))


def test_packs_on_streams_of_their_own_learn_what_each_learns_alone(exact):
    data = put(make_data(1500, dtype=torch.float64), GPU)
    alone = [begin(settings, data, make_lane(GPU)) for settings in STRUCTURES]
    for one in alone:
        go_round([one])
    together = [begin(settings, data, make_lane(GPU)) for settings in STRUCTURES]
    go_round(together)
    assert not StepGraph.refused
    for (_, _, expected), (pack, _, came) in zip(alone, together, strict=True):
        assert pack.lane.stream is not None
        assert came.keys() == expected.keys() == {0, 1, 9}
        for number, (state, curve) in expected.items():
            assert came[number][0] == state
            for one, other in zip(came[number][1], curve, strict=True):
                assert one == pytest.approx(other, rel=1e-6)


def test_what_is_drawn_in_a_lane_is_its_own():
    first, second = make_lane(GPU), make_lane(GPU)
    before = torch.cuda.get_rng_state(GPU)
    drawn = []
    for lane in (first, second):
        with lane.turn():
            torch.manual_seed(5)
            drawn.append([torch.rand(3, device=GPU)])
    for row, lane in enumerate((first, second)):
        with lane.turn():
            drawn[row].append(torch.rand(3, device=GPU))
    torch.cuda.synchronize()
    assert torch.equal(torch.cuda.get_rng_state(GPU), before)
    assert torch.equal(drawn[0][0], drawn[1][0])
    assert torch.equal(drawn[0][1], drawn[1][1])
    assert not torch.equal(drawn[0][0], drawn[0][1])


def test_a_lane_that_is_busy_holds_up_no_other():
    data = put(make_data(), GPU)
    go_round([begin(make_settings(dropout=0.1), data, make_lane(GPU))])  # libraries have their memory now
    busy = make_lane(GPU)
    with busy.turn():
        torch.cuda._sleep(10 * 10**9)  # cycles, of some 2e9 a second
        is_done = busy.mark()
    pack, turns, curves = begin(make_settings(dropout=0.2), data, make_lane(GPU))
    go_round([(pack, turns, curves)])  # with captures, validations, ends and an admission
    assert not is_done()
    assert pack.graph.replay is not None
    assert len(curves) == 3
    torch.cuda.synchronize()
    assert is_done()


def test_a_capture_that_fails_in_a_lane_leaves_its_neighbours_whole():
    data = put(make_data(), GPU)
    halting = Settings(network=HaltingSettings(), training=TrainingSettings(batch_size=32, lr=0.05))
    packs = [begin(settings, data, make_lane(GPU)) for settings in (STRUCTURES[0], halting, STRUCTURES[1])]
    go_round(packs)
    assert [len(curves) for _, _, curves in packs] == [3, 3, 3]
    assert [pack.graph.recorder is None for pack, _, _ in packs] == [False, True, False]
    assert {state for _, _, curves in packs for state, _ in curves.values()} == {"complete", "pruned"}


def test_a_pack_without_a_lane_waits_for_the_device():
    pack = Pack(make_settings(), put(make_data(), GPU), n_epochs=3)
    assert isinstance(pack.lane, HostLane)
    pack.admit(Member(0, make_settings(), seed=0))
    assert np.isfinite(pack.train_epoch()).all()
    assert np.isfinite(pack.validate()).all()
