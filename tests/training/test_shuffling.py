"""Orders of events and learning rates of an epoch, for all members at once."""

import numpy as np
import pytest
import torch
from samples import make_settings
from scipy.stats import chisquare

from tuner.training import shuffling
from tuner.training.member import Member
from tuner.training.schedules import draw_schedules
from tuner.training.shuffling import (
    WEYL,
    count_shuffled_steps,
    draw_blocks,
    draw_orders,
    draw_rates,
    shuffle_stretch,
)

CPU = torch.device("cpu")


def draw(members, n_all, n_steps, batch_size, device=CPU):
    out = torch.zeros(n_steps, len(members), batch_size, dtype=torch.long, device=device)
    draw_orders(members, n_all, out=out)
    return out


def make_members(n, **changes):
    return [Member(number, make_settings(), seed=number, **changes) for number in range(n)]


def test_numbers_are_those_of_splitmix64():
    came = shuffling._mix(torch.full((3,), 1234567) + torch.arange(1, 4) * WEYL)
    # The values that Rosetta Code's and the authors' own program give for this seed.
    assert [int(v) % 2**64 for v in came] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_every_event_comes_at_every_place_as_often():
    members = make_members(3000)
    places = draw(members, 8, n_steps=4, batch_size=2).transpose(0, 1).reshape(3000, 8)
    assert torch.equal(places.sort(dim=1).values, torch.arange(8).expand(3000, 8))
    counts = np.stack([np.bincount(column, minlength=8) for column in places.T.numpy()])
    assert chisquare(counts.ravel()).pvalue > 1e-3
    pairs = np.bincount(places[:, 0].numpy() * 8 + places[:, 1].numpy(), minlength=64)
    assert chisquare(pairs[pairs > 0]).pvalue > 1e-3
    for member in members:
        member.age = 1
    again = draw(members, 8, n_steps=4, batch_size=2).transpose(0, 1).reshape(3000, 8)
    both = np.bincount(places[:, 0].numpy() * 8 + again[:, 0].numpy(), minlength=64)
    assert chisquare(both).pvalue > 1e-3


def test_an_order_does_not_depend_on_the_others_nor_on_what_is_shuffled_together(monkeypatch):
    members = make_members(5)
    members[1] = None
    members[3].train_rows = np.arange(10, 60)
    members[4].seed = 2**64 - 1
    size = {"n_steps": 5, "batch_size": 9}
    together = draw(members, 100, **size)
    assert (together[:, 1] == 0).all()
    assert {int(place) for place in together[:, 3].flatten()} <= set(range(10, 60))
    for row in (0, 2, 3, 4):
        alone = draw([members[row]], 100, **size)
        assert torch.equal(alone[:, 0], together[:, row])
        assert len(alone.unique()) == 45
    monkeypatch.setattr(shuffling, "KEYS_AT_ONCE", 200)
    assert torch.equal(draw(members, 100, **size), together)
    assert draw([], 100, **size).shape == (5, 0, 9)


def test_rates_are_each_members_own():
    knobs = [
        {"schedule": "cosine", "lr": 0.1, "warmup": 0.3},
        {"schedule": "flat-cosine", "lr": 0.2, "warmup": 0.0},
        {"schedule": "constant", "lr": 0.3, "warmup": 0.01},
    ]
    members = [Member(i, make_settings(**k), seed=0, age=3 * i) for i, k in enumerate(knobs)]
    rates = torch.ones(7, 4, 1)
    means = draw_rates([*members[:2], None, members[2]], n_epochs=10, out=rates)
    assert rates.shape == (7, 4, 1)
    for row, member in zip((0, 1, 3), members, strict=True):
        expected = draw_schedules([member.settings.training], [member.age], 7, 10)[:, 0]
        np.testing.assert_allclose(rates[:, row, 0], expected, rtol=1e-6)
    assert (rates[:, 2] == 0).all()
    np.testing.assert_allclose(means, rates.mean(0)[:, 0], rtol=1e-6)
    draw_rates([None], n_epochs=10, out=rates[:, :1])
    assert rates[:, 0].abs().sum() == 0


def draw_all_blocks(member, n_all, n_events, stretch):
    """Return a member's events of an epoch, one stretch after the other."""
    parts = []
    for start in range(0, n_events, stretch):
        stop = min(start + stretch, n_events)
        blocks = draw_blocks(member, n_all, start=start, stop=stop)
        out = torch.zeros(stop - start, 1, 1, dtype=torch.long)
        shuffle_stretch({0: member}, {0: blocks}, out=out)
        assert sorted(out.flatten().tolist()) == sorted(blocks.tolist())
        parts.append(out.flatten())
    return torch.cat(parts)


@pytest.mark.parametrize("stretch", [7, 64, 1000])
def test_in_blocks_each_event_comes_once(monkeypatch, stretch):
    monkeypatch.setattr(shuffling, "BLOCK", 16)
    rows = np.flatnonzero(np.arange(1000) % 8)
    for member, own in [(make_members(1)[0], np.arange(1000)), (make_members(1, train_rows=rows)[0], rows)]:
        drawn = draw_all_blocks(member, 1000, len(own), stretch)
        assert torch.equal(drawn.sort().values, torch.from_numpy(own))
        member.age = 1
        assert not torch.equal(draw_all_blocks(member, 1000, len(own), stretch), drawn)


def test_blocks_and_what_is_in_them_come_in_random_order(monkeypatch):
    monkeypatch.setattr(shuffling, "BLOCK", 4)
    first = torch.stack([draw_all_blocks(member, 32, 32, 16)[:16] for member in make_members(4000)])
    counts = np.bincount(first.flatten().numpy(), minlength=32)
    assert chisquare(counts[::4] / 1.0).pvalue > 1e-3  # blocks are drawn whole: one event of each stands for it
    assert (counts.reshape(8, 4) == counts[::4, None]).all()
    within = np.bincount(first[:, 0].numpy() % 4, minlength=4)
    assert chisquare(within).pvalue > 1e-3


def test_only_what_does_not_fit_is_shuffled_in_stretches():
    assert count_shuffled_steps(100, 512, 30) == 100
    assert count_shuffled_steps(100_000, 512, 30) == 2**22 // 512
    assert count_shuffled_steps(100_000, 512, 3000) == 2**30 // 12_000 // 512
    assert count_shuffled_steps(10, 2**20, 10**6) == 1
