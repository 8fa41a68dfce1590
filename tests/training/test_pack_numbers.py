"""The numbers of a pack against plain torch and scikit-learn: losses, weights, orders, what a member takes along."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import draw_batches, make_data, make_settings
from sklearn.metrics import log_loss, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from tuner import Preparation
from tuner.errors import TrainingError
from tuner.events.reading import read_events
from tuner.preparation.splits import prepare_splits
from tuner.training.data import load_training_data
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.training.schedules import draw_schedules
from tuner.training.validation import weigh_losses

SMOOTHING = 0.2


@pytest.fixture
def data():
    """Events whose training weights are not their event weights, on train and on validation."""
    data = make_data()
    other = data.validation_training_weights * (1 + 4 * data.validation_labels)
    return replace(data, validation_training_weights=other)


def make_pack(data, n_members=1, n_epochs=4, **changes):
    settings = make_settings(**changes)
    pack = Pack(settings, data, n_epochs=n_epochs)
    for number in range(n_members):
        pack.admit(Member(number, settings, seed=number))
    return pack


@pytest.mark.parametrize("smoothing", [0.0, SMOOTHING])
def test_losses_and_parameters_equal_a_plain_loop(data, smoothing):
    pack = make_pack(data, label_smoothing=smoothing, clip_norm=0.5, optimizer="sgd", lr=0.05, momentum=0.5)
    settings, member = pack.members[0].settings, pack.members[0]
    torch.manual_seed(0)
    network = settings.network.build(3)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.5, nesterov=True)
    for epoch in range(2):
        losses = []
        rates = draw_schedules([settings.training], [epoch], pack.n_steps, 4)[:, 0]
        for lr, rows in zip(rates, draw_batches(pack)[:, 0], strict=True):
            target = torch.where(data.labels[rows] == 1, 1 - smoothing / 2, smoothing / 2)
            each = binary_cross_entropy_with_logits(network(data.x[rows]), target, reduction="none")
            loss = (each * data.weights[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimizer.param_groups[0]["lr"] = lr
            optimizer.step()
            losses.append(loss.item())
        assert pack.train_epoch()[0] == pytest.approx(np.mean(losses), rel=1e-4)
        assert member.age == epoch + 1
    expected = dict(network.named_parameters())
    for name, view in pack.stack.views.items():
        torch.testing.assert_close(view[0].detach(), expected[name].detach(), rtol=1e-3, atol=1e-5)


def test_a_members_smoothing_is_its_own(data):
    plain, smooth = make_settings(), make_settings(label_smoothing=SMOOTHING)
    pack = Pack(plain, data, n_epochs=4)
    pack.admit(Member(0, plain, seed=0))
    pack.admit(Member(1, smooth, seed=0))
    together = pack.train_epoch()
    for row, smoothing in enumerate((0.0, SMOOTHING)):
        assert together[row] == pytest.approx(make_pack(data, label_smoothing=smoothing).train_epoch()[0], rel=1e-4)
    assert abs(together[1] - together[0]) > 1e-3


def test_losses_of_an_ensemble_are_means_of_its_parts():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 3, generator=generator)
    labels, weights = (torch.rand(2, 5, generator=generator) for _ in range(2))
    losses = weigh_losses(logits, labels, weights)
    assert losses.shape == (2, 5)
    for k in range(2):
        for n in range(5):
            y, parts = labels[k, n].item(), logits[k, n].double().sigmoid().tolist()
            mean = np.mean([-(y * math.log(p) + (1 - y) * math.log(1 - p)) for p in parts])
            assert losses[k, n].item() == pytest.approx(weights[k, n].item() * mean, rel=1e-5)
    torch.testing.assert_close(
        weigh_losses(logits[..., :1], labels, weights), weigh_losses(logits[..., 0], labels, weights)
    )


def test_members_of_other_seeds_begin_and_go_through_the_events_differently(data):
    pack = make_pack(data, n_members=2)
    order = draw_batches(pack)
    assert not torch.equal(order[:, 0], order[:, 1])
    assert not torch.allclose(pack.stack.flat[0], pack.stack.flat[1])
    twins = Pack(make_settings(), data, n_epochs=4)
    for number in range(2):
        twins.admit(Member(number, make_settings(), seed=5))
    order = draw_batches(twins)
    assert torch.equal(order[:, 0], order[:, 1])
    assert torch.equal(twins.stack.flat[0], twins.stack.flat[1])


def test_validation_losses_take_training_weights_and_aucs_take_event_weights(data):
    pack = make_pack(data, n_members=2)
    pack.train_epoch()
    aucs, losses = pack.validate()
    labels = data.validation_labels.numpy()
    weights, others = data.validation_weights.numpy(), data.validation_training_weights.numpy()
    for row in range(2):
        scores = pack.score(data.validation_x)[row].double().sigmoid().numpy()
        assert losses[row] == pytest.approx(log_loss(labels, scores, sample_weight=others), rel=1e-5)
        assert abs(losses[row] - log_loss(labels, scores, sample_weight=weights)) > 1e-3
        assert aucs[row] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights), abs=1e-9)
    by_event = data.validation_weights * torch.linspace(0.1, 3, len(labels))
    changed = Pack(make_settings(), replace(data, validation_weights=by_event), n_epochs=4)
    changed.admit(Member(0, make_settings(), seed=0))
    changed.train_epoch()
    again, same = changed.validate()
    assert same[0] == pytest.approx(losses[0], rel=1e-6)
    scores = changed.score(data.validation_x)[0].double().sigmoid().numpy()
    assert again[0] == pytest.approx(roc_auc_score(labels, scores, sample_weight=by_event.numpy()), abs=1e-9)
    assert abs(again[0] - aucs[0]) > 1e-4


def test_events_of_weight_zero_are_left_out_of_training_only(make_events, make_problem):
    table = make_events(200)
    table.loc[::5, "w"] *= -0.5
    problem = make_problem(table)
    splits = prepare_splits(read_events(problem), problem, Preparation(negative_weights="drop"))
    used = splits.train.training_weights != 0
    assert 0 < used.sum() < len(used)
    data = load_training_data(splits, torch.device("cpu"))
    np.testing.assert_array_equal(data.x, splits.train.x[used])
    np.testing.assert_array_equal(data.labels, splits.train.labels[used])
    np.testing.assert_allclose(data.weights, splits.train.training_weights[used])
    np.testing.assert_array_equal(data.validation_weights, splits.validation.weights)
    np.testing.assert_allclose(data.validation_training_weights, splits.validation.training_weights)
    assert (data.validation_weights < 0).any()


@pytest.mark.parametrize("changes", [{"batch_size": 64}, {"optimizer": "adam"}, {"activation": "silu"}])
def test_another_structure_is_refused(data, changes):
    pack = make_pack(data)
    with pytest.raises(TrainingError, match="trial 4 has another"):
        pack.admit(Member(4, make_settings(**changes), seed=0))
    assert len(pack) == 1


def test_a_resumed_member_has_its_best_epoch_and_buffers_again(data):
    pack = make_pack(data, n_members=2, n_epochs=9, normalisation="batch")
    member = pack.members[1]
    pack.train_epoch()
    pack.validate()
    member.best = 2.0  # no later epoch is better: the best parameters are not the present ones
    best = pack.best_state(1)
    for _ in range(2):
        pack.train_epoch()
        pack.validate()
    member.curve.append({"epoch": 3.0})
    state = pack.member_state(1)
    other = make_pack(data, n_epochs=9, normalisation="batch")
    resumed = Member(8, member.settings, seed=1, state=state)
    (row,) = other.admit(resumed)
    assert row == 1
    assert (resumed.age, resumed.best, resumed.best_epoch, resumed.curve) == (3, 2.0, 1, [{"epoch": 3.0}])
    assert resumed.curve is not member.curve
    assert resumed.state is None
    assert len(pack.stack.buffers) > 0
    for name in pack.stack.buffers:
        torch.testing.assert_close(other.stack.buffers[name][1], pack.stack.buffers[name][1])
        torch.testing.assert_close(other.stack.best_buffers[name][1], pack.stack.best_buffers[name][1])
    assert any(
        not torch.equal(pack.stack.buffers[name][1], pack.stack.best_buffers[name][1]) for name in pack.stack.buffers
    )
    for name, tensor in other.best_state(1).items():
        torch.testing.assert_close(tensor, best[name])
    np.testing.assert_allclose(other.best_scores(1), pack.best_scores(1), rtol=1e-6)
    torch.testing.assert_close(other.score(data.validation_x)[1], pack.score(data.validation_x)[1])
    pack.train_epoch()
    other.train_epoch()
    torch.testing.assert_close(other.stack.flat[1], pack.stack.flat[1], rtol=1e-4, atol=1e-6)
