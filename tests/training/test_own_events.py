"""Members with their own events, folds say: what they learn from and what their figures are taken on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import draw_batches, make_data, make_settings
from sklearn.metrics import log_loss, roc_auc_score

from tuner.errors import TrainingError
from tuner.training.member import Member
from tuner.training.pack import Pack

N_EVENTS = 140


@pytest.fixture
def data():
    """220 train and 110 validation events whose training weights are not their event weights."""
    data = make_data()
    return replace(data, validation_training_weights=data.validation_weights.float() * (1 + data.validation_labels))


def draw_rows(seed, n_train=N_EVENTS, n_validation=50):
    rng = np.random.default_rng(seed)
    return rng.permutation(220)[:n_train], rng.permutation(110)[:n_validation]


def make_member(number, settings, **changes):
    train, validation = draw_rows(number)
    return Member(number, settings, seed=number, **{"train_rows": train, "validation_rows": validation, **changes})


def train(data, members, n_epochs=6):
    pack = Pack(members[0].settings, data, n_epochs=n_epochs, n_events=N_EVENTS)
    for member in members:
        pack.admit(member)
    for _ in range(n_epochs):
        pack.train_epoch()
    return pack, pack.validate()


def test_members_with_other_events_learn_what_they_would_alone(data):
    settings = make_settings(normalisation="batch")
    together, (aucs, losses) = train(data, [make_member(number, settings) for number in range(3)])
    for number in range(3):
        alone, (auc, loss) = train(data, [make_member(number, settings)])
        torch.testing.assert_close(together.stack.flat[number], alone.stack.flat[0], rtol=1e-3, atol=2e-5)
        assert aucs[number] == pytest.approx(auc[0], abs=1e-3)
        assert losses[number] == pytest.approx(loss[0], rel=1e-3)


def test_an_epoch_uses_a_members_own_events_each_at_most_once(data):
    settings = make_settings()
    pack = Pack(settings, data, n_epochs=3, n_events=N_EVENTS)
    assert (pack.n_steps, pack.batch_size) == (4, 35)
    larger, _ = draw_rows(5, n_train=200)
    pack.admit(make_member(0, settings))
    pack.admit(make_member(1, settings, train_rows=larger))
    pack.admit(make_member(2, settings, train_rows=None))
    order = draw_batches(pack)
    for row, mine in enumerate((draw_rows(0)[0], larger, np.arange(220))):
        drawn = order[:, row].flatten()
        assert len(drawn.unique()) == N_EVENTS
        assert set(drawn.tolist()) <= set(mine.tolist())
    pack.members[1].age = 1
    assert not torch.equal(order[:, 1], draw_batches(pack)[:, 1])


def test_other_events_never_matter(data):
    settings = make_settings()
    rows, validation_rows = draw_rows(0)
    others = np.setdiff1d(np.arange(220), rows)
    unseen = np.setdiff1d(np.arange(110), validation_rows)
    changed = {f: getattr(data, f).clone() for f in ("x", "labels", "weights", "validation_x", "validation_labels")}
    changed["x"][others] = torch.nan
    changed["labels"][others] = 1 - changed["labels"][others]
    changed["weights"][others] *= 7
    changed["validation_x"][unseen] *= -3
    changed["validation_labels"][unseen] = 1 - changed["validation_labels"][unseen]
    one, (auc, loss) = train(data, [make_member(0, settings)])
    other, (auc_again, loss_again) = train(replace(data, **changed), [make_member(0, settings)])
    assert torch.equal(one.stack.flat, other.stack.flat)
    assert (auc[0], loss[0]) == (auc_again[0], loss_again[0])
    changed["labels"][rows[0]] = 1 - changed["labels"][rows[0]]
    assert not torch.equal(one.stack.flat, train(replace(data, **changed), [make_member(0, settings)])[0].stack.flat)


def test_validation_figures_are_those_of_a_members_own_events(data):
    settings = make_settings()
    members = [make_member(0, settings), make_member(1, settings), make_member(2, settings, validation_rows=None)]
    pack, (aucs, losses) = train(data, members)
    labels = data.validation_labels.numpy()
    weights, training_weights = data.validation_weights.numpy(), data.validation_training_weights.numpy()
    for row, mine in enumerate((draw_rows(0)[1], draw_rows(1)[1], np.arange(110))):
        scores = pack.score(data.validation_x)[row].double().sigmoid().numpy()
        auc = roc_auc_score(labels[mine], scores[mine], sample_weight=weights[mine])
        loss = log_loss(labels[mine], scores[mine], sample_weight=training_weights[mine])
        assert aucs[row] == pytest.approx(auc, abs=1e-9)
        assert losses[row] == pytest.approx(loss, rel=1e-5)
        assert members[row].best == aucs[row]
    assert abs(aucs[0] - roc_auc_score(labels, pack.best_scores(0), sample_weight=weights)) > 1e-4


def test_best_scores_are_given_for_any_events(data):
    pack, _ = train(data, [make_member(number, make_settings()) for number in range(2)])
    x = torch.cat([data.x[:40], data.validation_x])
    scores = pack.best_scores(1, x)
    assert scores.shape == (150,)
    np.testing.assert_allclose(scores[40:], pack.best_scores(1), rtol=1e-6)
    np.testing.assert_allclose(scores[:40], pack.score(data.x[:40])[1].double().sigmoid().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_rows": np.arange(N_EVENTS - 1)}, "at least 140 events, but trial 4 has 139. Give the pack"),
        ({"train_rows": np.arange(100, 240)}, "0 to 219, but those of trial 4 go from 100 to 239"),
        ({"validation_rows": np.arange(-1, 50)}, "0 to 109, but those of trial 4 go from -1 to 49"),
        ({"validation_rows": np.arange(0)}, "at least 1 events, but trial 4 has 0. Give it some"),
    ],
)
def test_events_that_are_too_few_or_not_there_are_refused(data, changes, message):
    settings = make_settings()
    pack = Pack(settings, data, n_epochs=3, n_events=N_EVENTS)
    with pytest.raises(TrainingError, match=message):
        pack.admit(make_member(4, settings, **changes))
    assert len(pack) == len(pack.members) == 0
