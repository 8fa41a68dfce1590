"""An interrupted trial goes on from its last epoch: nothing is trained twice, nothing is lost."""

import signal
import threading

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState
from samples import make_study, sweep_until_interrupted

from tuner.trackers import Memory
from tuner.training.pack import Pack
from tuner.training.state_files import read_state, write_state
from tuner.tuning.samplers import derive_seed
from tuner.tuning.trial_attributes import find_root
from tuner.tuning.trial_queue import Asker

pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread"
)

EPOCHS = 6


@pytest.fixture
def ages(monkeypatch):
    """Ages of the members whenever an epoch is trained."""
    seen, whole = [], Pack.begin_epoch

    def begin_epoch(self):
        seen.extend(member.age for _, member in self.rows)
        return whole(self)

    monkeypatch.setattr(Pack, "begin_epoch", begin_epoch)
    return seen


@pytest.fixture
def asked(monkeypatch):
    """All that workers asked for."""
    seen, whole = [], Asker.ask

    def ask(self, fixed=None):
        came = whole(self, fixed)
        if came is not None:
            seen.append(came)
        return came

    monkeypatch.setattr(Asker, "ask", ask)
    return seen


class Impatient(Memory):
    """Presses Ctrl-C once a trial has trained an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def start_trial(self, **about):
        log, epoch = super().start_trial(**about), self.epoch
        tell = log.log_epoch

        def log_epoch(number, figures):
            tell(number, figures)
            if number == epoch:
                signal.raise_signal(signal.SIGINT)

        log.log_epoch = log_epoch
        return log


def flip_a_bit(whole):
    """Change a number of the parameters: PyTorch itself would read it."""
    place = whole.index(b"data/0") + 200
    return whole[:place] + bytes([whole[place] ^ 64]) + whole[place + 1 :]


def sweep(folder, *, interrupt_after=None, trials=1, **changes):
    study = make_study(
        trials=trials, epochs=EPOCHS, n_events=800, pruner=lambda n_epochs: optuna.pruners.NopPruner(), **changes
    )
    tracker = Memory() if interrupt_after is None else Impatient(interrupt_after)
    return sweep_until_interrupted(study, folder=folder, tracker=tracker)


def test_no_epoch_is_trained_twice(tmp_path, ages):
    search = sweep(tmp_path, interrupt_after=4)
    assert ages == [0, 1, 2, 3]
    state = torch.load(search.resume_path(0), weights_only=True)["state"]
    assert state["age"] == 4
    assert [row["epoch"] for row in state["curve"]] == [1, 2, 3, 4]
    search = sweep(tmp_path)
    assert ages == [0, 1, 2, 3, 4, 5]
    assert [t.state for t in search.trials] == ["interrupted", "complete"]
    assert not list(search.folder.checkpoints.glob("*resume*"))


def test_reports_of_a_resumed_trial_are_its_whole_running_best(tmp_path):
    sweep(tmp_path, interrupt_after=4)
    search = sweep(tmp_path)
    trial = search.optuna_study.get_trials()[1]
    aucs = search.curve(1)["validation_auc"].to_numpy()
    assert sorted(trial.intermediate_values) == [1, 2, 3, 4, 5, 6]
    values = [trial.intermediate_values[epoch] for epoch in range(1, EPOCHS + 1)]
    np.testing.assert_allclose(values, np.maximum.accumulate(aucs))
    assert trial.value == aucs.max()
    assert search.trials[1].best_epoch == 1 + int(aucs.argmax())


def test_the_running_best_of_a_resumed_trial_never_falls(tmp_path):
    """Its epochs before the interruption are reported again, and Optuna gives a pruned trial its last report."""
    search = sweep(tmp_path, interrupt_after=4)
    kept = read_state(search.resume_path(0))
    state = kept["state"]
    for row, auc in zip(state["curve"], (0.5, 0.995, 0.25, 0.125), strict=True):
        row["validation_auc"] = auc
    write_state(search.resume_path(0), kept | {"state": state | {"best": 0.995, "best_epoch": 2}})
    trial = sweep(tmp_path).optuna_study.get_trials()[1]
    assert [trial.intermediate_values[epoch] for epoch in range(1, EPOCHS + 1)] == [0.5, *[0.995] * 5]


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:-100], flip_a_bit])
def test_a_trial_whose_state_is_damaged_starts_again_and_says_so_once(tmp_path, ages, caplog, damage):
    path = sweep(tmp_path, interrupt_after=4).resume_path(0)
    path.write_bytes(damage(path.read_bytes()))
    search = sweep(tmp_path)
    assert [t.state for t in search.trials] == ["interrupted", "complete"]
    assert ages == [0, 1, 2, 3, *range(EPOCHS)]
    (told,) = [record.getMessage() for record in caplog.records if "must be as it was written" in record.getMessage()]
    assert told.startswith(f'"{path}" must be')
    assert told.endswith("Trial 0 starts again from its first epoch.")
    undisturbed = sweep(tmp_path / "undisturbed")
    assert search.trials[1].figure == undisturbed.trials[0].figure


def test_a_trial_that_is_interrupted_twice_goes_on_as_the_first(tmp_path, ages, asked):
    sweep(tmp_path, interrupt_after=2)
    search = sweep(tmp_path, interrupt_after=4)
    assert torch.load(search.resume_path(0), weights_only=True)["state"]["age"] == 4
    assert not search.resume_path(1).exists()
    search = sweep(tmp_path)
    assert ages == [0, 1, 2, 3, 4, 5]
    trials = search.optuna_study.get_trials()
    assert [t.state for t in trials] == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE]
    assert [find_root(t) for t in trials] == [0, 0, 0]
    assert [t.params for t in trials] == [trials[0].params] * 3
    assert {a.seed for a in asked} == {derive_seed(0, 0, purpose=1)}


def test_each_trial_has_a_seed_of_its_own_that_the_study_decides(tmp_path, asked):
    sweep(tmp_path, trials=3, seed=4)
    assert [a.seed for a in asked] == [derive_seed(4, number, purpose=1) for number in range(3)]
    assert len({a.seed for a in asked}) == 3
    assert {derive_seed(4, 0), derive_seed(3, 0, purpose=1)}.isdisjoint(a.seed for a in asked)
