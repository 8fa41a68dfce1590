"""The size of packs is measured."""

import pytest
import torch
from samples import make_data, make_settings

from tuner.training import pack_size
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import choose_pack_size, describe_pack, find_pack_size


def give_times(monkeypatch, seconds):
    """Let a pack of K take the seconds that a curve gives: the clock is the only thing that is not real."""
    monkeypatch.setattr(Pack, "time_step", lambda self: seconds(len(self)))


def measure(most):
    """Return the size that is chosen for a pack of small networks, which is empty again."""
    settings = make_settings()
    pack = Pack(settings, make_data(), n_epochs=1)
    try:
        return choose_pack_size(pack, settings, most=most)
    finally:
        assert len(pack) == 0


def test_a_pack_grows_while_the_time_per_member_falls(monkeypatch):
    give_times(monkeypatch, lambda k: 1 + 0.1 * k)
    size = measure(most=64)
    assert size.curve[16] == pytest.approx((1 + 1.6) / 16)
    assert (size.slots, max(size.curve)) == (64, 64)
    give_times(monkeypatch, lambda k: max(1.0, k / 4))
    size = measure(most=64)
    assert size.slots == 4
    assert max(size.curve) == 8
    assert "8 members take 1.00" in size.reason


def test_a_gpu_is_given_several_members_after_one(monkeypatch):
    monkeypatch.setitem(pack_size.SECOND, "cpu", 8)
    give_times(monkeypatch, lambda k: 1.0)
    assert list(measure(most=20).curve) == [1, 8, 16, 20]
    assert list(measure(most=5).curve) == [1, 5]
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
    size = measure(most=64)
    assert size.slots == 4
    assert list(size.curve) == [1, 2, 4, 8]
    assert "out of memory with 16" in size.reason


@pytest.mark.parametrize(("fit", "curve", "slots"), [(5, [1, 4], 2), (3, [1, 2], 1), (1, [1], 1)])
def test_sizes_between_one_and_too_many_are_tried(monkeypatch, fit, curve, slots):
    monkeypatch.setitem(pack_size.SECOND, "cpu", 8)
    give_times(monkeypatch, run_out(fit, torch.OutOfMemoryError()))
    size = measure(most=64)
    assert (list(size.curve), size.slots) == (curve, slots)
    assert "out of memory with 8" in size.reason


def test_a_network_that_does_not_fit_says_so(monkeypatch):
    give_times(monkeypatch, run_out(0, CPU_IS_FULL))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        measure(most=64)


def test_a_pack_of_one_is_not_timed(monkeypatch):
    monkeypatch.setattr(Pack, "time_step", None)
    size = measure(most=1)
    assert (size.slots, size.curve) == (1, {})


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("fit", [8, 2], ids=["roomy", "full"])
def test_a_pack_that_was_measured_trains_as_one_that_was_not(monkeypatch, most, fit):
    """The timed steps leave nothing behind: no moment, no running mean, no step that counts for the average."""
    whole = Pack.time_step

    def time_step(self):
        whole(self)
        return run_out(fit, torch.OutOfMemoryError())(len(self))

    settings = make_settings(normalisation="batch", optimizer="schedule_free", schedule="constant", dropout=0.2)
    curves = []
    for is_measured in (True, False):
        pack = Pack(settings, make_data(), n_epochs=3)
        with monkeypatch.context() as patch:
            patch.setattr(Pack, "time_step", time_step)
            if is_measured:
                choose_pack_size(pack, settings, most=most)
        members = [Member(number, settings, seed=number + 5) for number in range(2)]
        pack.admit(*members)
        pack.compact()
        torch.manual_seed(3)
        curves.append([(pack.train_epoch().tolist(), pack.validate()[0].tolist()) for _ in range(3)])
    assert curves[0] == curves[1]


def test_a_real_measurement_has_times(monkeypatch):
    size = measure(most=4)
    assert 1 <= size.slots <= 4
    assert all(seconds > 0 for seconds in size.curve.values())


@pytest.mark.parametrize(
    ("changes", "most", "slots"),
    [
        ({}, 8, 4),
        ({"work": 1.9}, 8, 4),
        ({"work": 0.6}, 8, 4),
        ({"work": 2.1}, 8, None),  # too unlike
        ({"work": 0.4}, 8, None),
        ({}, 2, 2),  # no more than are wanted
        ({"work": 50.0}, 4, 4),  # worth it with more work, so with less
        ({"most": 4}, 8, None),  # 8 were not tried
        ({"device": "another"}, 8, None),
        ({"network": "Another"}, 8, None),
        ({"optimizer": "sgd"}, 8, None),
        ({"reason": f"{pack_size.UNPACKABLE}: odd"}, 8, None),
    ],
)
def test_a_pack_takes_the_size_that_was_measured_for_one_like_it(changes, most, slots):
    pack = Pack(make_settings(), make_data(), n_epochs=1)
    measured = {**describe_pack(pack), "slots": 4, "most": 8, "reason": "8 members take 1.1", **changes}
    if "work" in changes:
        measured["work"] = describe_pack(pack)["work"] * changes["work"]
    found = find_pack_size([{"slots": 1, "reason": "of an older version"}, measured], pack, most=most)
    assert (found and found.slots) == slots


def test_the_nearest_of_several_measurements_counts():
    pack = Pack(make_settings(), make_data(), n_epochs=1)
    own = describe_pack(pack)
    rows = [
        {**own, "work": own["work"] * ratio, "slots": slots, "most": 8, "reason": "measured"}
        for ratio, slots in ((0.6, 6), (1.2, 4), (1.8, 2))
    ]
    assert find_pack_size(rows, pack, most=8).slots == 4
