"""More events than can be shuffled at once: an epoch goes through them in stretches, from a mapped file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import make_data, make_settings

from tuner.training import shuffling
from tuner.training.mapped_inputs import MappedInputs, prefetch
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.shuffling import draw_rates


@pytest.fixture
def in_stretches(monkeypatch):
    """Shuffle at most 64 events at once, in blocks of 16."""
    monkeypatch.setattr(shuffling, "KEYS_AT_ONCE", 64)
    monkeypatch.setattr(shuffling, "BLOCK", 16)


class WatchedPack(Pack):
    """Keeps what each step is made of."""

    def _take_step(self):
        self.steps = [*getattr(self, "steps", []), (self.orders[self.at].clone(), self.rates[self.at].clone())]
        super()._take_step()


def map_rows(folder, rows):
    np.save(folder / "x.npy", rows)
    return np.load(folder / "x.npy", mmap_mode="c")


def test_an_epoch_in_stretches_has_each_event_once_and_the_rates_of_its_steps(in_stretches):
    data, settings = make_data(), make_settings(batch_size=24)
    pack = WatchedPack(settings, data, n_epochs=3)
    members = [Member(number, settings, seed=number) for number in range(2)]
    pack.admit(*members)
    expected = torch.zeros(pack.n_steps, 2, 1)
    draw_rates(members, n_epochs=3, out=expected)
    pack.train_epoch()
    assert (pack.n_steps, len(pack.orders)) == (9, 2)
    orders, rates = (torch.cat(kept) for kept in zip(*pack.steps, strict=True))
    assert torch.equal(rates, expected)
    for row in range(2):
        assert len(orders[:, row].unique()) == pack.n_steps * pack.batch_size
    assert not torch.equal(orders[:, 0], orders[:, 1])


def test_members_learn_in_stretches_what_they_would_alone_and_from_memory(in_stretches, tmp_path):
    data, settings = make_data(), make_settings(normalisation="batch")
    rows = np.flatnonzero(np.arange(220) % 8)
    x = map_rows(tmp_path, data.x.numpy())
    mapped = replace(data, x=torch.from_numpy(np.asarray(x)), mapped=MappedInputs(x))

    def train(data, *numbers):
        pack = Pack(settings, data, n_epochs=4, n_events=len(rows))
        pack.admit(*(Member(n, settings, seed=n, train_rows=rows if n % 2 else None) for n in numbers))
        for _ in range(4):
            pack.train_epoch()
        return pack.stack.flat

    together = train(mapped, 0, 1, 2)
    for number in range(3):
        torch.testing.assert_close(together[number], train(data, number)[0], rtol=1e-3, atol=2e-5)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a system that tells what is mapped (/proc)")
def test_rows_that_are_released_leave_the_memory_and_come_again(tmp_path):
    rows = np.random.default_rng(0).random((2**18, 16), np.float32)  # 16 MiB
    x = map_rows(tmp_path, rows)
    inputs = MappedInputs(x[:])

    def count_mapped():
        with Path("/proc/self/status").open() as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssFile"))

    before = count_mapped()
    assert x.sum() > 0
    touched = count_mapped()
    inputs.read_ahead(np.r_[5000:6000, 100:200, 2**18 - 1])
    inputs.release()
    assert touched - before > 15_000 > 1000 > count_mapped() - before
    assert np.array_equal(x, rows)


def test_inputs_in_memory_need_no_advice():
    inputs = MappedInputs(np.zeros((10, 3), np.float32))
    inputs.read_ahead(np.arange(10))
    inputs.release()


def test_results_are_prefetched_in_order_and_errors_are_raised():
    assert list(prefetch(iter([lambda: 1, lambda: 2, lambda: 3]))) == [1, 2, 3]
    assert list(prefetch(iter([]))) == []
    with pytest.raises(ZeroDivisionError):
        list(prefetch(iter([lambda: 1, lambda: 1 // 0])))
