"""The size of packs is measured."""

import pytest
import torch
from samples import make_data, make_settings

from tuner.train import sizing
from tuner.train.pack import Pack
from tuner.train.sizing import choose_pack_size


def give_times(monkeypatch, seconds):
    """Let a pack of K take the seconds that a curve gives: the clock is the only thing that is not real."""
    monkeypatch.setattr(Pack, "time_step", lambda self: seconds(len(self)))


def test_a_pack_grows_while_the_time_per_member_falls(monkeypatch):
    give_times(monkeypatch, lambda k: 1 + 0.1 * k)
    size = choose_pack_size(make_settings(), make_data(), most=64)
    assert size.curve[16] == pytest.approx((1 + 1.6) / 16)
    assert (size.slots, max(size.curve)) == (64, 64)
    give_times(monkeypatch, lambda k: max(1.0, k / 4))
    size = choose_pack_size(make_settings(), make_data(), most=64)
    assert size.slots == 4
    assert max(size.curve) == 8
    assert "8 members take 1.00" in size.reason


def test_a_gpu_is_given_several_members_after_one(monkeypatch):
    monkeypatch.setitem(sizing.SECOND, "cpu", 8)
    give_times(monkeypatch, lambda k: 1.0)
    assert list(choose_pack_size(make_settings(), make_data(), most=20).curve) == [1, 8, 16, 20]
    assert list(choose_pack_size(make_settings(), make_data(), most=5).curve) == [1, 5]
    assert sizing.SECOND["cuda"] == 8


def test_out_of_memory_ends_the_growth_with_room_to_spare(monkeypatch):
    def run_out(k):
        if k > 8:
            raise torch.OutOfMemoryError
        return 1.0

    give_times(monkeypatch, run_out)
    size = choose_pack_size(make_settings(), make_data(), most=64)
    assert size.slots == 4
    assert "out of memory with 16" in size.reason


def test_a_real_measurement_has_times(monkeypatch):
    size = choose_pack_size(make_settings(), make_data(), most=4)
    assert 1 <= size.slots <= 4
    assert all(seconds > 0 for seconds in size.curve.values())
