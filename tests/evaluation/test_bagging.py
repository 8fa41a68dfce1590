"""The bag and the refit: who trains on which events, what is scored out of fold, what is kept and done again."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import make_data, make_settings, make_study
from sklearn.metrics import roc_auc_score

import tuner
from tuner.errors import FolderError, SplitsError
from tuner.evaluation.bagging import refit, train_bag
from tuner.evaluation.folds import fold_events
from tuner.evaluation.pack_training import train_apart
from tuner.prediction.networks import Predictor
from tuner.prediction.predict import score_part
from tuner.progress.logs import open_log
from tuner.trackers import NoTracker
from tuner.training.checkpoints import read_checkpoint, restore_network
from tuner.training.loop import train_members
from tuner.training.member import Member
from tuner.training.pack import Pack

FOLDS, EPOCHS, N_EVENTS = 3, 4, 900
IDS = np.arange(N_EVENTS) // 3


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A search of one trial."""
    small = make_study(trials=1, epochs=EPOCHS, n_events=N_EVENTS)
    return tuner.sweep(small, folder=tmp_path_factory.mktemp("runs"), workers=1, device="cpu", tracker=NoTracker())


@pytest.fixture
def search(swept):
    """The search as it was before anything was trained beside it."""
    for path in swept.folder.finalists.glob("trial_*"):
        path.unlink()
    return swept


@pytest.fixture
def admitted(monkeypatch):
    """Members that packs admitted to train them, and not to time a step."""
    members, admit = [], Pack.admit
    monkeypatch.setattr(Pack, "admit", lambda self, *some: (members.extend(some), admit(self, *some))[1])
    return lambda: [member for member in members if member.validation_rows is not None]


def read_files(search):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in search.folder.finalists.glob("trial_*")}


def score(search, training, x):
    """Score prepared inputs by a training's file alone."""
    trial = search.best_trial
    checkpoint = read_checkpoint(search.checkpoint_path(training.network))
    with torch.no_grad():
        logits = restore_network(checkpoint, search.settings(trial).network)(torch.tensor(np.asarray(x)))
    return logits.double().sigmoid().numpy()


def group(search):
    """Return the search as if its events had been split with ids."""
    grouped = replace(search)
    grouped.__dict__["splits"] = replace(search.splits, groups=IDS)
    return grouped


def test_each_fold_is_scored_by_the_one_network_that_did_not_train_on_it(search, admitted):
    bag = train_bag(group(search), search.best_trial, folds=FOLDS)
    members = admitted()
    part, folds = bag.events.part, bag.events.folds
    np.testing.assert_array_equal(part.rows, np.concatenate([search.splits.train.rows, search.splits.validation.rows]))
    assert [member.number for member in members] == [0, 1, 2]
    for member, training in zip(members, bag.trainings, strict=True):
        own = np.flatnonzero(folds == member.number)
        np.testing.assert_array_equal(member.validation_rows, own)
        np.testing.assert_array_equal(member.train_rows, np.flatnonzero(folds != member.number))
        assert not set(IDS[part.rows[own]]) & set(IDS[part.rows[member.train_rows]])
        given = score(search, training, part.x[own])
        np.testing.assert_allclose(bag.out_of_fold.scores[own], given, atol=1e-6)
        assert training.value == pytest.approx(
            roc_auc_score(part.labels[own], given, sample_weight=part.weights[own]), abs=1e-6
        )
    assert bag.n_parameters == 3 * search.best_trial.n_parameters


def test_the_bags_score_is_the_mean_of_its_networks_probabilities(search):
    bag = train_bag(search, search.best_trial, folds=FOLDS)
    given = score_part(search, "test", predictor=Predictor("bag", bag.networks))
    each = [score(search, training, search.splits.test.x) for training in bag.trainings]
    np.testing.assert_allclose(given, np.mean(each, axis=0), atol=1e-6)


def test_weights_count_for_all_joined_events_as_they_do_in_training(search):
    signed = replace(search.splits.train, weights=np.where(np.arange(len(search.splits.train.labels)) % 9, 1.0, -0.5))
    other = replace(search, study=replace(search.study, preparation=tuner.Preparation(negative_weights="drop")))
    other.__dict__["splits"] = replace(search.splits, train=signed)
    events = fold_events(other, folds=FOLDS, parts=("train", "validation"))
    used = events.find_used(0)
    assert (events.part.weights[used] > 0).all()
    assert (events.part.weights[events.find(0)] < 0).any()  # what is judged keeps them
    sums = [events.part.training_weights[events.part.labels == label].sum() for label in (0, 1)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)


def test_a_bag_that_is_there_is_not_trained_again_and_a_damaged_file_is(search, caplog):
    first = train_bag(search, search.best_trial, folds=FOLDS)
    before = read_files(search)
    again = train_bag(search, search.best_trial, folds=FOLDS)
    assert read_files(search) == before
    assert again.trainings == first.trainings
    path = search.checkpoint_path(first.networks[1])
    path.write_bytes(path.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING, logger="tuner"):
        mended = train_bag(search, search.best_trial, folds=FOLDS)
    assert [training.value for training in mended.trainings] == pytest.approx(
        [t.value for t in first.trainings], abs=0.05
    )
    assert "It is trained again." in caplog.text
    changed = {name for name, content in read_files(search).items() if content != before[name]}
    assert changed == {"trial_00000-fold_1.pt", "trial_00000-fold_1.json"}


@pytest.mark.parametrize(("folds", "are_grouped"), [(4, False), (FOLDS, True)])
def test_a_bag_of_other_folds_is_not_taken_for_this_one(search, folds, are_grouped):
    first = train_bag(search, search.best_trial, folds=FOLDS)
    other = train_bag(group(search) if are_grouped else search, search.best_trial, folds=folds)
    assert all(training not in first.trainings for training in other.trainings)


def test_a_network_that_fails_is_left_out_and_told(search, caplog, monkeypatch):
    def train(pack, *, on_end, **more):
        def end(member, row, outcome):
            on_end(
                member, row, replace(outcome, state="failed", reason="It diverged.") if member.number == 1 else outcome
            )

        train_members(pack, on_end=end, **more)

    monkeypatch.setattr("tuner.evaluation.pack_training.train_members", train)
    with caplog.at_level(logging.WARNING, logger="tuner"):
        bag = train_bag(search, search.best_trial, folds=FOLDS)
    assert [network.number for network in bag.networks] == [0, 2]
    assert [network.weight for network in bag.networks] == [0.5, 0.5]
    assert [record.getMessage() for record in caplog.records] == [
        "Trial 0, fold 1 failed and is left out: It diverged."
    ]
    np.testing.assert_array_equal(np.isnan(bag.out_of_fold.scores), bag.events.folds == 1)


def test_folds_that_cannot_be_are_refused_before_anything_is_trained(search):
    with pytest.raises(SplitsError, match="Each of 500 folds must hold both classes"):
        train_bag(search, search.best_trial, folds=500)
    assert not read_files(search)


def test_the_refit_trains_on_all_of_train_and_validation_for_the_median_epoch_and_keeps_the_last(search, admitted):
    training = refit(search, search.best_trial, best_epochs=[1, 3, 3, 2, 4])
    (member,) = admitted()
    n_all = len(search.splits.train.labels) + len(search.splits.validation.labels)
    np.testing.assert_array_equal(member.train_rows, np.arange(n_all))
    assert (training.best_epoch, training.epochs) == (3, 3)
    before = read_files(search)
    assert refit(search, search.best_trial, best_epochs=[3]) == training
    assert read_files(search) == before
    longer = refit(search, search.best_trial, best_epochs=[EPOCHS])
    assert (longer.best_epoch, longer.epochs) == (EPOCHS, EPOCHS)
    assert read_files(search) != before


def test_the_log_tells_an_auc_only_on_events_that_a_network_was_not_trained_on(search, tmp_path):
    with open_log(tmp_path / "log", "bag"):
        refit(search, search.best_trial, best_epochs=[2])
        bag = train_bag(search, search.best_trial, folds=FOLDS)
    of_refit, *of_bag = re.findall("Trained .*", (tmp_path / "log").read_text())
    assert of_refit == "Trained trial 0, refit 0 on train + validation for 2 epochs"
    told = {
        f"Trained {t.network.name}: AUC {t.value:.4f} on its fold, best epoch {t.best_epoch}" for t in bag.trainings
    }
    assert set(of_bag) == told


def test_a_member_of_fixed_epochs_keeps_the_parameters_of_its_last_whatever_its_figures():
    settings, data = make_settings(lr=0.3, patience=1), make_data()
    kept = {}
    train_apart(
        [Member(0, settings, seed=0, n_epochs=3)],
        data,
        n_epochs=6,
        keep=lambda trained: kept.update(trained.checkpoint.state),
        leave_out=lambda member, reason: pytest.fail(reason),
    )
    pack = Pack(settings, data, n_epochs=6, randomness="different")
    pack.admit(Member(0, settings, seed=0))
    for _ in range(3):
        pack.train_epoch()
    pack.stack.keep_best([0])
    for name, tensor in pack.best_state(0).items():
        torch.testing.assert_close(kept[name], tensor)


@pytest.mark.parametrize("error", [OSError("No space left on device"), FolderError("It must be writable.")])
def test_what_cannot_be_kept_ends_the_trainings_with_the_error_of_that(error):
    """A full disk is no failure of a network: nothing is left out, and no member vanishes."""
    left_out = []

    def keep(trained):
        raise error

    members = [Member(number, make_settings(), seed=number) for number in range(4)]
    with pytest.raises(type(error), match=str(error)):
        train_apart(members, make_data(), n_epochs=1, keep=keep, leave_out=lambda *told: left_out.append(told))
    assert left_out == []


def test_the_bag_is_not_taken_as_trained_where_its_folder_cannot_be_written(search, monkeypatch, caplog):
    def refuse(*_):
        raise FolderError("No space left.")

    monkeypatch.setattr("tuner.evaluation.kept_trainings.save_checkpoint", refuse)
    with pytest.raises(FolderError, match="No space left"):
        train_bag(search, search.best_trial, folds=FOLDS)
    assert not caplog.records


def test_members_draw_their_dropout_apart():
    settings, trained = make_settings(dropout=0.5), []
    twins = [Member(number, settings, seed=0) for number in range(2)]
    train_apart(twins, make_data(), n_epochs=2, keep=trained.append, leave_out=lambda member, reason: None)
    one, other = (np.concatenate([t.flatten() for t in each.checkpoint.state.values()]) for each in trained)
    assert not np.allclose(one, other, atol=1e-3)
