"""The size of packs is measured."""

import pytest
import torch
from samples import make_data, make_settings

from tuner.training import pack_size
from tuner.training.pack import Pack
from tuner.training.pack_size import choose_pack_size


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
    monkeypatch.setitem(pack_size.SECOND, "cpu", 8)
    give_times(monkeypatch, lambda k: 1.0)
    assert list(choose_pack_size(make_settings(), make_data(), most=20).curve) == [1, 8, 16, 20]
    assert list(choose_pack_size(make_settings(), make_data(), most=5).curve) == [1, 5]
    assert pack_size.SECOND["cuda"] == 8


CPU_IS_FULL = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")


def run_out(most, error):
    """Return the seconds of a pack that fits with `most` members."""

    def seconds(k):
        if k > most:
            raise error
        return 1.0

    return seconds


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), MemoryError(), CPU_IS_FULL])
def test_out_of_memory_ends_the_growth_with_room_to_spare(monkeypatch, error):
    give_times(monkeypatch, run_out(8, error))
    size = choose_pack_size(make_settings(), make_data(), most=64)
    assert size.slots == 4
    assert list(size.curve) == [1, 2, 4, 8]
    assert "out of memory with 16" in size.reason


@pytest.mark.parametrize(("fit", "curve", "slots"), [(5, [1, 4], 2), (3, [1, 2], 1), (1, [1], 1)])
def test_sizes_between_one_and_too_many_are_tried(monkeypatch, fit, curve, slots):
    monkeypatch.setitem(pack_size.SECOND, "cpu", 8)
    give_times(monkeypatch, run_out(fit, torch.OutOfMemoryError()))
    size = choose_pack_size(make_settings(), make_data(), most=64)
    assert (list(size.curve), size.slots) == (curve, slots)
    assert "out of memory with 8" in size.reason


def test_a_network_that_does_not_fit_says_so(monkeypatch):
    give_times(monkeypatch, run_out(0, CPU_IS_FULL))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        choose_pack_size(make_settings(), make_data(), most=64)


def test_what_is_timed_is_the_pack_that_will_be_made(monkeypatch):
    packs = []
    monkeypatch.setattr(Pack, "time_step", lambda self: packs.append(self) or 1.0)
    settings = make_settings(batch_size=32, dropout=0.1)
    choose_pack_size(settings, make_data(n=200), most=1, n_events=100, randomness="different")
    assert {(pack.n_steps, pack.stack.randomness) for pack in packs} == {(3, "different")}


def test_a_real_measurement_has_times(monkeypatch):
    size = choose_pack_size(make_settings(), make_data(), most=4)
    assert 1 <= size.slots <= 4
    assert all(seconds > 0 for seconds in size.curve.values())
