"""Packs: members learn the same whatever their companions, and leave without a trace."""

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest
import schedulefree
import torch
from samples import draw_batches, make_data, make_settings
from sklearn.metrics import log_loss, roc_auc_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tuner.errors import TrainingError
from tuner.training.loop import train_members
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.schedules import draw_schedules
from tuner.training.settings import OptimizerKind, Settings


def train(pack, members, n_epochs):
    rows = pack.admit(*members)
    for _ in range(n_epochs):
        pack.train_epoch()
    return [pack.stack.flat[row].clone() for row in rows]


VARIANTS = [
    {"lr": 1e-2, "weight_decay": 0.1},
    {"lr": 3e-3, "momentum": 0.8, "warmup": 0.3},
    {"lr": 2e-2, "label_smoothing": 0.1, "schedule": "flat-cosine"},
    {"lr": 1e-2, "clip_norm": 0.1, "schedule": "constant"},
]


@pytest.mark.parametrize("optimizer", get_args(OptimizerKind))
@pytest.mark.parametrize("normalisation", ["none", "batch", "layer"])
def test_packed_equals_one_by_one(optimizer, normalisation):
    data = make_data()
    same = {"schedule": "constant"} if optimizer == "schedule_free" else {}
    settings = [make_settings(optimizer=optimizer, normalisation=normalisation, **v | same) for v in VARIANTS]
    n_epochs = 8  # of 7 steps
    together = train(
        Pack(settings[0], data, n_epochs=10), [Member(i, s, seed=i) for i, s in enumerate(settings)], n_epochs
    )
    for i, s in enumerate(settings):
        (alone,) = train(Pack(s, data, n_epochs=10), [Member(i, s, seed=i)], n_epochs)
        torch.testing.assert_close(together[i], alone, rtol=1e-3, atol=2e-5)


def test_a_schedule_free_member_is_judged_and_kept_by_its_average():
    data = make_data()
    settings = make_settings(optimizer="schedule_free", schedule="constant", clip_norm=float("inf"), warmup=0.0)
    pack = Pack(settings, data, n_epochs=5)
    pack.admit(Member(0, settings, seed=3))
    torch.manual_seed(3)
    network = settings.network.build(3)
    optimizer = schedulefree.AdamWScheduleFree(network.parameters(), lr=settings.training.lr)
    optimizer.train()
    for rows in draw_batches(pack)[:, 0]:
        optimizer.zero_grad()
        losses = binary_cross_entropy_with_logits(network(data.x[rows]), data.labels[rows], reduction="none")
        (losses * data.weights[rows]).mean().backward()
        optimizer.step()
    pack.train_epoch()
    training = network(data.validation_x)
    optimizer.eval()
    expected = network(data.validation_x)
    pack.validate()
    torch.testing.assert_close(pack.score(data.validation_x)[0], expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(training, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(pack.best_scores(0), expected.detach().sigmoid().double(), rtol=1e-3)
    for name, tensor in pack.best_state(0).items():
        if name in dict(network.named_parameters()):
            torch.testing.assert_close(tensor, network.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_a_latecomer_learns_the_same():
    data, settings = make_data(), make_settings()
    (alone,) = train(Pack(settings, data, n_epochs=10), [Member(5, settings, seed=5)], 4)
    pack = Pack(settings, data, n_epochs=10)
    train(pack, [Member(i, settings, seed=i) for i in range(3)], 2)
    pack.vacate(1)
    (row,) = pack.admit(Member(5, settings, seed=5))
    assert row == 1
    for _ in range(4):
        pack.train_epoch()
    torch.testing.assert_close(pack.stack.flat[1], alone, rtol=1e-3, atol=2e-5)


def test_a_pack_of_one_equals_a_plain_torch_loop():
    data, settings = make_data(), make_settings(weight_decay=0.05, clip_norm=float("inf"), warmup=0.1)
    pack = Pack(settings, data, n_epochs=5)
    (came,) = train(pack, [Member(0, settings, seed=3)], 3)
    torch.manual_seed(3)
    network = settings.network.build(3)
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0}])
    # The order of events is the pack's own: it is what a loop is given, not what it computes.
    fresh = Pack(settings, data, n_epochs=5)
    member = Member(0, settings, seed=3)
    fresh.admit(member)
    for epoch in range(3):
        member.age = epoch
        order = draw_batches(fresh)[:, 0]
        assert len(order.flatten().unique()) == fresh.n_steps * fresh.batch_size
        for lr, batch in zip(draw_schedules([settings.training], [epoch], fresh.n_steps, 5)[:, 0], order, strict=True):
            loss = binary_cross_entropy_with_logits(
                network(data.x[batch]), data.labels[batch], weight=data.weights[batch]
            )
            optimizer.zero_grad()
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
    expected = torch.cat([p.detach().flatten() for p in [*matrices, *vectors]])
    torch.testing.assert_close(came, expected, rtol=1e-3, atol=1e-5)


def test_an_epoch_uses_each_event_at_most_once_and_nearly_all():
    settings = make_settings(batch_size=50)
    pack = Pack(settings, make_data(), n_epochs=3)
    pack.admit(Member(0, settings, seed=0))
    assert (pack.n_steps, pack.batch_size) == (4, 55)
    first, again = draw_batches(pack), draw_batches(pack)
    assert torch.equal(first, again)
    assert len(first.unique()) == 220
    pack.members[0].age = 1
    assert not torch.equal(first, draw_batches(pack))


def test_fewer_events_than_a_batch_make_one_batch():
    settings = make_settings(batch_size=512)
    pack = Pack(settings, make_data(60), n_epochs=3)
    pack.admit(Member(0, settings, seed=0))
    assert (pack.n_steps, pack.batch_size) == (1, 40)
    assert np.isfinite(pack.train_epoch()).all()


def test_a_member_that_explodes_leaves_the_others_alone():
    data = make_data()
    calm, wild = make_settings(), make_settings(lr=1e30, optimizer="adamw", clip_norm=float("inf"))
    (alone,) = train(Pack(calm, data, n_epochs=10), [Member(0, calm, seed=0)], 4)
    pack = Pack(calm, data, n_epochs=10)
    kept, exploded = train(pack, [Member(0, calm, seed=0), Member(1, wild, seed=1)], 4)
    assert not exploded.isfinite().all() or exploded.abs().max() > 1e20
    torch.testing.assert_close(kept, alone, rtol=1e-3, atol=2e-5)


def test_validation_equals_scikit_learn():
    data, settings = make_data(), make_settings()
    pack = Pack(settings, data, n_epochs=3)
    pack.admit(Member(0, settings, seed=0))
    pack.admit(Member(1, settings, seed=1))
    pack.train_epoch()
    aucs, losses = pack.validate()
    labels, weights = data.validation_labels.numpy(), data.validation_weights.numpy()
    for row in range(2):
        scores = pack.score(data.validation_x)[row].double().sigmoid().numpy()
        assert aucs[row] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights), abs=1e-9)
        assert losses[row] == pytest.approx(log_loss(labels, scores, sample_weight=weights), rel=1e-5)


def test_best_epoch_is_kept_and_rebuilds_the_network():
    data, settings = make_data(), make_settings(normalisation="batch")
    pack = Pack(settings, data, n_epochs=12)
    pack.admit(Member(0, settings, seed=0))
    pack.admit(Member(1, settings, seed=1))
    values = []
    for _ in range(12):
        pack.train_epoch()
        values.append(pack.validate()[0][1])
    member = pack.members[1]
    assert member.best == max(values)
    assert member.best_epoch == 1 + int(np.argmax(values))
    network = settings.network.build(3)
    network.load_state_dict(pack.best_state(1))
    with torch.no_grad():
        scores = network.eval()(data.validation_x).double().sigmoid().numpy()
    np.testing.assert_allclose(scores, pack.best_scores(1), rtol=1e-5, atol=1e-6)
    labels, weights = data.validation_labels.numpy(), data.validation_weights.numpy()
    assert roc_auc_score(labels, scores, sample_weight=weights) == pytest.approx(member.best, abs=1e-9)


def test_an_interrupted_member_goes_on_as_if_it_had_not_stopped():
    data, settings = make_data(), make_settings(normalisation="batch")
    whole = Pack(settings, data, n_epochs=6)
    (expected,) = train(whole, [Member(0, settings, seed=7)], 6)
    first = Pack(settings, data, n_epochs=6)
    train(first, [Member(0, settings, seed=7)], 2)
    first.validate()
    state = first.member_state(0)
    second = Pack(settings, data, n_epochs=6)
    second.admit(Member(9, settings, seed=1))
    (row,) = second.admit(Member(3, settings, seed=7, state=state))
    assert second.members[row].age == 2
    assert second.members[row].state is None  # not kept twice
    for _ in range(4):
        second.train_epoch()
    torch.testing.assert_close(second.stack.flat[row], expected, rtol=1e-3, atol=1e-5)


def test_a_row_forgets_the_best_epoch_of_who_was_there_before():
    data, settings = make_data(), make_settings(normalisation="batch")
    pack = Pack(settings, data, n_epochs=6)
    pack.admit(Member(0, settings, seed=0))
    pack.train_epoch()
    pack.validate()
    pack.vacate(0)
    (row,) = pack.admit(Member(1, settings, seed=1))
    fresh = Pack(settings, data, n_epochs=6)
    fresh.admit(Member(1, settings, seed=1))
    assert pack.best_state(row).keys() == fresh.best_state(0).keys()
    for name, tensor in fresh.best_state(0).items():
        assert torch.equal(pack.best_state(row)[name], tensor)


def test_parameters_of_another_type_become_those_of_the_pack():
    @dataclass(frozen=True)
    class Exact:
        def build(self, d_in):
            return nn.Sequential(nn.Linear(d_in, 1), nn.Flatten(0)).double()

    settings = Settings(network=Exact(), training=make_settings().training)
    pack = Pack(settings, make_data(), n_epochs=2)
    pack.admit(Member(0, settings, seed=0))
    assert pack.stack.flat.dtype == torch.float32
    assert pack.stack.flat.abs().sum() > 0


def test_chunks_of_validation_that_outgrow_the_memory_are_halved(monkeypatch):
    data, settings = make_data(n=1200), make_settings()
    pack = Pack(settings, data, n_epochs=2)
    pack.admit(Member(0, settings, seed=0))
    expected, whole, most = pack.score(data.validation_x), pack.stack.forward, 60

    def forward(x, *more):
        if x.shape[1] > most:
            raise torch.OutOfMemoryError
        return whole(x, *more)

    monkeypatch.setattr(pack.stack, "forward", forward)
    torch.testing.assert_close(pack.score(data.validation_x), expected)
    most = pack.batch_size - 1
    with pytest.raises(torch.OutOfMemoryError):
        pack.score(data.validation_x)


def test_dropout_rates_are_each_members_own():
    data = make_data()
    none, much = make_settings(dropout=0.0), make_settings(dropout=0.6)
    (alone,) = train(Pack(none, data, n_epochs=10), [Member(0, none, seed=0)], 3)
    kept, _ = train(Pack(none, data, n_epochs=10), [Member(0, none, seed=0), Member(1, much, seed=0)], 3)
    torch.testing.assert_close(kept, alone, rtol=1e-3, atol=2e-5)
    assert not torch.allclose(_, kept, atol=1e-2)


def test_another_structure_is_refused():
    pack = Pack(make_settings(), make_data(), n_epochs=3)
    with pytest.raises(TrainingError, match="share its structure"):
        pack.admit(Member(4, make_settings(widths=(9,)), seed=0))


def test_building_members_leaves_the_random_state_of_torch():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    pack = Pack(make_settings(), make_data(), n_epochs=3)
    pack.admit(Member(0, make_settings(), seed=0))
    assert torch.equal(before, torch.get_rng_state())


def test_members_end_as_they_should_and_rows_are_refilled():
    data, settings = make_data(), make_settings()
    queue = [Member(10 + i, settings, seed=i) for i in range(2)]
    endings, sizes = {}, []

    def answer(member):
        sizes.append(len(pack.members))
        return "prune" if member.number == 0 and member.age == 2 else "go on"

    pack = Pack(settings, data, n_epochs=5)
    pack.admit(Member(0, settings, seed=0))
    wild = replace(settings, training=replace(settings.training, lr=1e30, clip_norm=float("inf"), warmup=0.0))
    pack.admit(Member(1, wild, seed=1))
    stubborn = replace(settings, training=replace(settings.training, patience=1, lr=1e-30))
    pack.admit(Member(2, stubborn, seed=2))
    train_members(
        pack,
        on_epoch=answer,
        on_end=lambda member, row, outcome: endings.update({member.number: (outcome.state, member.age)}),
        refill=lambda: queue.pop(0) if queue else None,
    )
    assert endings[0] == ("pruned", 2)
    assert endings[1][0] == "failed"
    assert endings[2] == ("complete", 2)
    assert endings[10] == endings[11] == ("complete", 5)
    assert max(sizes) == 3
    assert len(pack) == len(pack.members) == 0


def test_the_curve_tells_the_rate_that_each_epoch_was_trained_with():
    member = Member(0, make_settings(lr=0.1, warmup=0.25, schedule="cosine"), seed=0)
    pack = Pack(member.settings, make_data(), n_epochs=4)
    pack.admit(Member(1, make_settings(lr=0.2, schedule="constant", warmup=0.0), seed=0), member)
    train_members(pack, on_epoch=lambda _: "go on", on_end=lambda *_: None, refill=lambda: None)
    told = [row["lr"] for row in member.curve]
    expected = [draw_schedules([member.settings.training], [age], pack.n_steps, 4).mean() for age in range(4)]
    assert told == pytest.approx(expected, rel=1e-12)
    assert told[1] > told[2] > told[3] > 0


def test_all_members_of_an_epoch_are_shown_together_before_each_is_asked_for():
    settings = make_settings()
    wild = replace(settings, training=replace(settings.training, lr=1e30, clip_norm=float("inf"), warmup=0.0))
    pack, shown = Pack(settings, make_data(), n_epochs=2), []
    pack.admit(Member(0, settings, seed=0), Member(1, wild, seed=1), Member(2, settings, seed=2))

    def answer(member):
        shown.append(member.number)
        return "go on"

    train_members(
        pack,
        on_epoch=answer,
        on_end=lambda *_: None,
        refill=lambda: None,
        on_trained=lambda members: shown.append([(member.number, len(member.curve)) for member in members]),
    )
    assert shown == [[(0, 1), (2, 1)], 0, 2, [(0, 2), (2, 2)], 0, 2], "not the one whose figures are not finite"
