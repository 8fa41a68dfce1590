"""A captured step repeats what the step computes. A tape of tensor operations stands for the CUDA graph."""

import logging

import numpy as np
import pytest
import torch
from samples import FAMILIES, HaltingSettings, build_family, live, make_data, make_settings
from tape import TapeRecorder

from tuner.training.batched.cuda_graphs import WARM_UP_STEPS, StepGraph
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.pack_size import choose_pack_size
from tuner.training.settings import Settings, TrainingSettings


class EagerRecorder:
    """Captures nothing: what is repeated is the step itself."""

    def run(self, step):
        step()

    check = run

    def capture(self, step):
        return step


def make_pack(settings, taped, data=None, **changes):
    pack = Pack(settings, data or make_data(), n_epochs=30, **changes)
    if taped:
        pack.graph.recorder = TapeRecorder(pack)
    return pack


@pytest.mark.parametrize(
    ("optimizer", "normalisation", "rates"),
    [
        ("adamw", "none", (0.0, 0.0)),
        ("adamw", "batch", (0.0, 0.3)),
        ("adamw", "layer", (0.2, 0.3)),
        ("adam", "none", (0.0, 0.3)),
        ("sgd", "batch", (0.2, 0.3)),
        ("schedule_free", "none", (0.0, 0.3)),
    ],
)
def test_replayed_steps_equal_steps_to_the_bit(optimizer, normalisation, rates):
    schedule = "constant" if optimizer == "schedule_free" else "cosine"
    common = {"optimizer": optimizer, "schedule": schedule, "normalisation": normalisation, "warmup": 0.1}
    settings = make_settings(dropout=rates[0], **common)
    wilder = make_settings(dropout=rates[1], lr=0.03, weight_decay=0.1, label_smoothing=0.1, clip_norm=0.2, **common)
    eager = make_pack(settings, taped=False)
    eager.graph.recorder = EagerRecorder()
    expected, losses = live(eager, settings, wilder)
    pack = make_pack(settings, taped=True)
    came, again = live(pack, settings, wilder)
    torch.testing.assert_close(came, expected, rtol=0, atol=0)
    assert again == losses
    assert pack.graph.recorder.n_steps == 9 * 7
    assert pack.graph.recorder.n_captures == 4  # for 2 rows, 3, 1, and 2 again; not for a member in place


def test_vacant_rows_of_a_graph_are_kept_until_half_of_them_are_vacant():
    settings = make_settings()
    sizes = []
    for taped in (False, True):
        pack = make_pack(settings, taped)
        pack.admit(*[Member(number, settings, seed=number) for number in range(5)])
        for row in (0, 1, 3):
            pack.vacate(pack.members.index(next(m for m in pack.members if m is not None and m.number == row)))
            pack.compact()
            sizes.append(len(pack.members))
        assert [member.number for _, member in pack.rows] == [2, 4]
    assert sizes == [4, 3, 2, 5, 5, 2]


def test_dropout_that_begins_in_a_row_is_captured():
    settings, wilder = make_settings(dropout=0.0), make_settings(dropout=0.5)
    packs = [make_pack(settings, taped) for taped in (False, True)]
    for pack in packs:
        torch.manual_seed(0)
        for member in (Member(0, settings, seed=0), Member(1, settings, seed=1)):
            pack.admit(member)
        pack.train_epoch()
        for member in (Member(2, wilder, seed=2), Member(3, settings, seed=3)):
            pack.vacate(1)
            pack.admit(member)
            pack.train_epoch()
    assert packs[1].graph.recorder.n_captures == 3
    assert torch.equal(packs[0].stack.flat, packs[1].stack.flat)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_can_be_captured(family, n_members):
    settings = build_family(family, rate=0.1)
    packs = [make_pack(settings, taped) for taped in (False, True)]
    for pack in packs:
        for number in range(n_members):
            pack.admit(Member(number, settings, seed=number))
        torch.manual_seed(0)
        pack.train_epoch()
    assert packs[1].graph.recorder.n_captures == 1
    assert torch.equal(packs[0].stack.flat, packs[1].stack.flat)


def test_members_with_other_events_use_one_graph():
    settings = make_settings()
    packs = [make_pack(settings, taped, n_events=100) for taped in (False, True)]
    for pack in packs:
        for number in range(2):
            pack.admit(Member(number, settings, seed=number, train_rows=np.arange(100) + 100 * number))
        pack.train_epoch()
        pack.vacate(1)
        pack.admit(Member(2, settings, seed=2, train_rows=np.arange(120)))
        for _ in range(2):
            pack.train_epoch()
    assert packs[1].graph.recorder.n_captures == 1
    assert torch.equal(packs[0].stack.flat, packs[1].stack.flat)


def test_a_step_that_cannot_be_captured_goes_on_and_says_so_once(caplog):
    settings = Settings(network=HaltingSettings(), training=TrainingSettings(batch_size=32, lr=1e-2))
    flats = []
    with caplog.at_level(logging.WARNING, logger="tuner"):
        for taped in (False, True, True):
            pack = make_pack(settings, taped)
            pack.admit(Member(0, settings, seed=0))
            losses = [pack.train_epoch(), pack.train_epoch()]
            assert np.isfinite(losses).all()
            assert pack.graph.recorder is None
            flats.append(pack.stack.flat)
    assert torch.equal(flats[0], flats[1])
    assert torch.equal(flats[0], flats[2])
    (record,) = caplog.records
    assert "HaltingSettings run without a CUDA graph" in record.message
    assert "not permitted when stream is capturing" in record.message
    assert StepGraph(pack.structure, "HaltingSettings", TapeRecorder(pack)).recorder is None
    assert StepGraph("another", "MLPSettings", TapeRecorder(pack)).recorder is not None


def test_a_check_that_fails_leaves_the_step_as_it_is(caplog):
    class Picky(TapeRecorder):
        def check(self, step):
            raise RuntimeError("called a synchronizing CUDA operation")

    settings = make_settings()
    pack, other = (make_pack(settings, taped) for taped in (True, False))
    pack.graph.recorder = recorder = Picky(pack)
    for p in (pack, other):
        p.admit(Member(0, settings, seed=0))
        p.train_epoch()
    assert torch.equal(pack.stack.flat, other.stack.flat)
    assert (recorder.n_steps, recorder.n_captures) == (pack.n_steps, 0)  # all of them on the stream of the first
    assert "synchronizing" in caplog.text


def test_running_out_of_memory_is_told_and_not_taken_for_a_failed_capture(caplog):
    class Full(TapeRecorder):
        def capture(self, step):
            raise torch.OutOfMemoryError("full")

    settings = make_settings()
    pack = make_pack(settings, taped=True)
    pack.graph.recorder = Full(pack)
    pack.admit(Member(0, settings, seed=0))
    with pytest.raises(torch.OutOfMemoryError):
        pack.train_epoch()
    assert not caplog.records
    assert not StepGraph.refused


def test_a_pack_is_timed_when_it_is_captured(monkeypatch):
    pack = make_pack(make_settings(), taped=True)
    pack.admit(Member(0, make_settings(), seed=0))
    before = pack.stack.flat.clone()
    assert pack.time_step() > 0
    assert pack.graph.replay is not None
    assert pack.graph.recorder.n_steps == WARM_UP_STEPS + 2
    assert torch.equal(pack.stack.flat, before)
    monkeypatch.setattr("tuner.training.pack.make_recorder", lambda *_: None)
    assert choose_pack_size(make_pack(make_settings(), taped=False), make_settings(), most=2).slots in (1, 2)


def test_a_graph_that_was_captured_while_the_pack_was_measured_serves_its_training(monkeypatch):
    monkeypatch.setattr("tuner.training.pack_size.WORTHWHILE", 1e9)  # two members are always worth it
    settings = make_settings(normalisation="batch", optimizer="adamw")
    losses = []
    for is_measured in (True, False):
        pack = make_pack(settings, taped=True)
        if is_measured:
            assert choose_pack_size(pack, settings, most=2).slots == 2
        n_captures = pack.graph.recorder.n_captures
        pack.admit(*[Member(number, settings, seed=number + 5) for number in range(2)])
        losses.append([pack.train_epoch().tolist() for _ in range(2)])
        assert pack.graph.recorder.n_captures == (n_captures if is_measured else n_captures + 1)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
