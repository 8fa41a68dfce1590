"""Packs in lanes: gone round by one host they learn what each learns alone, whatever their neighbours draw."""

import pytest
import torch
from samples import make_data, make_settings
from tape import TapeLane, TapeRecorder

from tuner.training.batched.lanes import HostLane, make_lane, wait_for_all
from tuner.training.loop import take_turns, train_members
from tuner.training.member import Member
from tuner.training.pack import Pack, split_evenly

STRUCTURES = [
    make_settings(dropout=0.3, normalisation="batch", batch_size=48),
    make_settings(widths=(8,), dropout=0.2, optimizer="sgd", batch_size=66),
]


def make_pack(settings, lane=None):
    pack = Pack(settings, make_data(200), n_epochs=3, noise_seed=7, lane=lane)
    pack.graph.recorder = TapeRecorder(pack)
    pack.admit(*[Member(number, settings, seed=number) for number in range(2)])
    return pack


class Callers:
    """Prune one member after two epochs, let another begin in its row, and note how each ended."""

    def __init__(self, pack, settings):
        self.pack, self.mates = pack, iter([Member(2, settings, seed=2)])
        self.curves = {}

    def on_epoch(self, member):
        return "prune" if (member.number, member.age) == (0, 2) else "go on"

    def on_end(self, member, row, outcome):
        self.curves[member.number] = (outcome.state, member.curve, self.pack.best_state(row))

    def refill(self):
        return next(self.mates, None)

    def calls(self):
        return {"on_epoch": self.on_epoch, "on_end": self.on_end, "refill": self.refill}


def go_round(packs):
    """Take the turns of packs as a worker does; return how often each was waited for."""
    turns = {pack: take_turns(pack, **callers.calls()) for pack, callers in packs.items()}
    is_done = dict.fromkeys(turns, lambda: True)
    n_waits = 0
    while turns:
        for pack in list(turns):
            if not is_done[pack]():
                n_waits += 1
                continue
            with pack.lane.turn():
                is_done[pack] = next(turns[pack], None)
            if is_done[pack] is None:
                del turns[pack]
    return n_waits


def test_packs_in_lanes_learn_what_each_learns_alone_to_the_bit():
    alone = []
    for settings in STRUCTURES:
        callers = Callers(make_pack(settings), settings)
        train_members(callers.pack, **callers.calls())
        alone.append(callers.curves)
    packs = {}
    for settings in STRUCTURES:
        lane = TapeLane()
        with lane.turn():
            pack = make_pack(settings, lane)
        packs[pack] = Callers(pack, settings)
    assert go_round(packs) > 5
    for callers, expected in zip(packs.values(), alone, strict=True):
        assert callers.pack.graph.recorder.n_captures
        assert callers.curves.keys() == expected.keys() == {0, 1, 2}
        for number, (state, curve, parameters) in expected.items():
            came = callers.curves[number]
            assert came[:2] == (state, curve)
            assert all(torch.equal(came[2][name], tensor) for name, tensor in parameters.items())


def test_what_a_neighbour_draws_between_two_turns_changes_nothing():
    losses = []
    for disturbs in (False, True):
        lane = TapeLane()
        with lane.turn():
            pack = make_pack(STRUCTURES[0], lane)
        turns = pack.begin_epoch()
        while True:
            with lane.turn():
                is_done = next(turns, None)
            if is_done is None:
                break
            if disturbs:
                torch.rand(3)
        is_done = lane.mark()
        while not is_done():
            pass
        losses.append(pack.read_losses().tolist())
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("n", "most", "parts"), [(5, None, [5]), (5, 5, [5]), (5, 2, [1, 2, 2]), (6, 4, [3, 3]), (1, 64, [1])]
)
def test_steps_are_given_in_even_parts(n, most, parts):
    assert sorted(split_evenly(n, most)) == parts


def test_a_cpu_is_done_when_the_host_is():
    lane = make_lane(torch.device("cpu"))
    assert isinstance(lane, HostLane)
    tensor = torch.arange(3)
    assert torch.equal(lane.fetch(tensor), tensor)
    taken = []
    wait_for_all(taken.append(None) or lane.mark() for _ in range(3))
    assert len(taken) == 3
