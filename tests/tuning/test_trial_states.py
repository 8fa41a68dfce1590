"""Checkpoints inside a trial: one that was interrupted ends as if it had not been, to the last bit."""

from __future__ import annotations

import os
from dataclasses import replace

import optuna
import pytest
import torch
from samples import make_data, make_settings, make_study

from tuner import Checkpoints
from tuner.errors import StudyError
from tuner.run_folder import RunFolder
from tuner.training.loop import train_members
from tuner.training.member import Member
from tuner.training.pack import Pack
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_states import TrialStates

N_EPOCHS = 5
DATA = make_data(400)


@pytest.fixture
def search(tmp_path):
    folder = RunFolder(tmp_path).create()
    optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    return Search(make_study(), folder)


def enqueue(search, *, n=1):
    """Let trials of the search wait; their settings do not matter here."""
    for value in range(n):
        search.optuna_study.enqueue_trial({"lr": value})


def choose_settings(optimizer):
    """Return settings with everything that a member may have to remember."""
    changes = {"schedule": "constant"} if optimizer == "schedule_free" else {"schedule": "flat-cosine"}
    return make_settings(optimizer=optimizer, dropout=0.3, normalisation="batch", patience=2, lr=0.03, **changes)


def train(members, *, until=None):
    """Train members in one pack of their own, until an age or the end; return the states that they leave by number."""
    pack = Pack(members[0].settings, DATA, n_epochs=N_EPOCHS, noise_seed=7)
    pack.admit(*members)
    left = {}
    train_members(
        pack,
        on_epoch=lambda member: "interrupt" if member.age == until else "go on",
        on_end=lambda member, row, outcome: left.update({member.number: pack.member_state(row)}),
        refill=lambda: None,
    )
    return left


def flatten(state):
    """Yield names and values of a state; tensors as they are."""
    for name, value in state.items():
        yield from (
            ((f"{name}.{inner}", v) for inner, v in flatten(value)) if isinstance(value, dict) else [(name, value)]
        )


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "schedule_free"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_an_interrupted_trial_ends_as_if_it_had_not_been(search, optimizer, n_members):
    settings = choose_settings(optimizer)
    undisturbed = train([Member(number, settings, seed=number) for number in range(n_members)])
    states = TrialStates(search)
    for number, state in train([Member(number, settings, seed=number) for number in range(n_members)], until=2).items():
        states.keep(number, state)
    torch.manual_seed(99)  # another process, whose random numbers are others
    again = [Member(number, settings, seed=number, state=states.read(number)) for number in range(n_members)]
    resumed = train(again)
    assert resumed.keys() == undisturbed.keys()
    for number, state in undisturbed.items():
        found = dict(flatten(resumed[number]))
        for name, value in flatten(state):
            same = torch.equal(found[name], value) if isinstance(value, torch.Tensor) else found[name] == value
            assert same, (number, name)


def test_what_a_trial_draws_does_not_follow_from_its_companions():
    """Rounding may differ with the size of a pack, what is drawn does not."""
    settings = choose_settings("adamw")
    alone = train([Member(5, settings, seed=5)])[5]
    state = train([Member(5, settings, seed=5)], until=2)[5]
    elsewhere = train([Member(1, settings, seed=1), Member(5, settings, seed=5, state=state)])[5]
    for one, other in zip(alone["curve"], elsewhere["curve"], strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def admit_one(number=0):
    pack = Pack(make_settings(), DATA, n_epochs=N_EPOCHS)
    pack.admit(Member(number, make_settings(), seed=0))
    return pack


@pytest.mark.parametrize(
    ("seconds", "epoch", "took", "is_due"),
    [(60, 1, 0, False), (0.5, 1, 0, True), (0.5, 1, 0.1, False), (60, 6, 0, True), (60, 6, 0.2, False)],
)
def test_checkpoints_come_when_they_are_due_and_take_their_share_at_most(
    search, monkeypatch, seconds, epoch, took, is_due
):
    search = replace(search, study=replace(search.study, checkpoints=Checkpoints(seconds=seconds)))
    now = [100.0]
    monkeypatch.setattr("tuner.tuning.trial_states.time.monotonic", lambda: now[0])
    states = TrialStates(search)
    states._took = took
    now[0] += epoch
    assert states.keep_when_due(admit_one(), {0: 0}) is is_due
    assert search.resume_path(0).exists() is is_due


def test_a_budget_of_disk_space_is_kept_and_told_of_once(search, caplog):
    state = admit_one().member_state(0)
    TrialStates(search).keep(0, state)
    size = search.resume_path(0).stat().st_size
    limited = replace(search, study=replace(search.study, checkpoints=Checkpoints(gigabytes=1.5 * size / 2**30)))
    states = TrialStates(limited)
    for number in (0, 1, 2):  # the first replaces its own
        states.keep(number, state)
    assert [search.resume_path(number).exists() for number in (0, 1, 2)] == [True, False, False]
    (told,) = caplog.messages
    assert "have reached their limit" in told


def test_a_damaged_state_or_one_of_another_search_is_no_state(search, caplog):
    states, path = TrialStates(search), search.resume_path(0)
    states.keep(0, admit_one().member_state(0))
    content = path.read_bytes()
    other = replace(search)
    object.__setattr__(other, "search_id", "another")
    assert TrialStates(other).read(0) is None
    assert states.read(0)["age"] == 0
    path.write_bytes(content[:-200])
    assert states.read(0) is None
    assert "starts again from its first epoch" in caplog.messages[0]
    assert not path.exists()


def test_what_dead_workers_left_is_removed_and_what_is_waited_for_is_not(search):
    enqueue(search)
    states, state = TrialStates(search), admit_one().member_state(0)
    states.keep(0, state)
    states.keep(8, state)
    torn = search.resume_path(8).with_name(f".{search.resume_path(8).name}.{os.getpid()}")
    torn.write_bytes(b"half")
    network = search.checkpoint_path(8)
    network.write_bytes(b"whole")
    states.remove_left()
    assert sorted(path.name for path in search.folder.checkpoints.iterdir()) == sorted(
        [search.resume_path(0).name, network.name]
    )


def test_wrong_settings_are_told_together():
    with pytest.raises(StudyError, match=r"(?s)`seconds` must be above 0.*`gigabytes` must not be"):
        Checkpoints(seconds=0, gigabytes=-1)
