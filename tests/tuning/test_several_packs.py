"""A worker that trains several packs at once: each learns what it would alone, and what happens to one is its own.

Lanes whose results come late stand for streams: see `tape.py`.
"""

import itertools
import logging
import signal
import threading
import time

import optuna
import pytest
import torch
from samples import make_study, sweep_until_interrupted
from tape import TapeLane

from tuner.checked_files import read_lines
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker
from tuner.training.pack import Pack
from tuner.training.pack_size import PackSize
from tuner.tuning.heartbeats import Lease
from tuner.tuning.pack_loads import PackLoads
from tuner.tuning.samplers import SeededSampler
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_queue import Asker
from tuner.tuning.worker import Worker

TRIALS, SLOTS = 16, 2  # an eighth of the trials has the same structure


def sweep(folder, *, epochs=2, tracker=None):
    """Sweep settings that do not follow from results, so that all searches train the same."""
    study = make_study(
        trials=TRIALS,
        epochs=epochs,
        n_events=400,
        sampler=lambda seed: optuna.samplers.RandomSampler(seed=seed),
        pruner=lambda n_epochs: optuna.pruners.NopPruner(),
    )
    return sweep_until_interrupted(study, folder=folder, tracker=tracker or NoTracker())


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Packs of two at the most, not measured, in lanes, and loads that are asked for ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.tuning.worker.choose_pack_size", lambda *_, most: PackSize(min(SLOTS, most), {}, "test"))
        patch.setattr("tuner.tuning.worker.asks_ahead", lambda _: True)
        patch.setattr("tuner.tuning.worker.make_lane", lambda _: TapeLane())
        yield


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory, quick):
    """A search whose packs trained one after the other."""
    return sweep(tmp_path_factory.mktemp("one"))


@pytest.fixture
def several(monkeypatch):
    """Three packs at once."""
    monkeypatch.setattr("tuner.tuning.worker.limit_packs", lambda _: 3)


@pytest.fixture
def seen(monkeypatch):
    """For each turn of the worker, the trials that each pack in training has begun."""
    found, whole = [], Worker._go_round

    def go_round(self, runs):
        found.append([set(run.numbers) for run in runs])
        return whole(self, runs)

    monkeypatch.setattr(Worker, "_go_round", go_round)
    return found


def describe(search):
    return [(t.params, t.value, t.figure, t.best_epoch, search.curve(t.number)["train_loss"].tolist())
            for t in search.trials]  # fmt: skip


def test_packs_that_train_at_once_learn_what_each_learns_alone_to_the_bit(tmp_path, one_by_one, several, seen):
    search = sweep(tmp_path)
    assert max(len(runs) for runs in seen) == 3
    assert [trial.state for trial in search.trials] == ["complete"] * TRIALS
    assert describe(search) == describe(one_by_one)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("no reason"), "A pack of 2 failed; its trials continue one by one: no reason"),
        (torch.OutOfMemoryError("full"), "Out of memory: at most 2 packs train at once from now on."),
    ],
)
def test_a_pack_that_fails_leaves_the_others_whole(tmp_path, monkeypatch, caplog, several, seen, error, told):
    whole, failed = Pack.begin_epoch, []

    def fail_once(self):
        numbers = [member.number for _, member in self.rows]
        if not failed and 4 in numbers and max(len(runs) for runs in seen) == 3:
            failed.extend(numbers)
            seen.clear()
            raise error
        return whole(self)

    monkeypatch.setattr(Pack, "begin_epoch", fail_once)
    with caplog.at_level(logging.WARNING, logger="tuner"):
        search = sweep(tmp_path)
    assert told in caplog.messages
    assert {t.number for t in search.trials if t.state == "interrupted"} == set(failed)
    assert [t.state for t in search.trials].count("complete") == TRIALS
    assert {t.state for t in search.optuna_study.get_trials()} <= {
        optuna.trial.TrialState.COMPLETE,
        optuna.trial.TrialState.FAIL,
    }
    if isinstance(error, torch.OutOfMemoryError):
        assert max(len(runs) for runs in seen[2:]) == 2


def test_a_suspect_trains_with_no_pack_beside_it(tmp_path, monkeypatch, several, seen):
    asked_of = []

    def is_suspect(trial):
        asked_of.append(trial.number)
        return trial.number == 9

    monkeypatch.setattr("tuner.tuning.trial_queue.is_suspect", is_suspect)
    search = sweep(tmp_path)
    assert [trial.state for trial in search.trials] == ["complete"] * TRIALS
    assert 9 in asked_of
    assert {len(runs) for runs in seen if any(9 in numbers for numbers in runs)} == {1}
    assert {9} in [numbers for runs in seen for numbers in runs]


class InterruptingTracker(Memory):
    """Presses Ctrl-C once a number of epochs were trained."""

    def __init__(self, epochs):
        super().__init__()
        self.left = itertools.count(epochs, -1)

    def start_trial(self, **about):
        log = super().start_trial(**about)
        tell = log.log_epoch

        def log_epoch(number, figures):
            tell(number, figures)
            if next(self.left) == 0:
                signal.raise_signal(signal.SIGINT)

        log.log_epoch = log_epoch
        return log


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
def test_interrupted_packs_go_on_as_if_they_had_not_been(tmp_path, one_by_one, several):
    sweep(tmp_path, tracker=InterruptingTracker(5))
    search = sweep(tmp_path)
    states = [t.state for t in search.trials]
    assert states.count("complete") == TRIALS
    assert "running" not in states
    assert states.count("interrupted") > SLOTS
    expected = {str(t.params): search_curve(one_by_one, t) for t in one_by_one.trials}
    found = {str(t.params): search_curve(search, t) for t in search.trials if t.state == "complete"}
    shared = found.keys() & expected.keys()
    assert len(shared) >= TRIALS // 2
    for params in shared:
        assert found[params] == pytest.approx(expected[params], rel=1e-4)  # packs of other sizes round otherwise


def search_curve(search, trial):
    return search.curve(trial.number)["train_loss"].tolist()


def test_what_was_asked_for_and_not_taken_waits_for_the_next_round(tmp_path):
    folder = RunFolder(tmp_path / "small").create()
    optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    search = Search(make_study(trials=TRIALS), folder)
    registered = []
    with Lease(search.optuna_study) as lease:
        asker = Asker(search, SeededSampler(optuna.samplers.RandomSampler, 0), lease.worker)
        loads = PackLoads(asker, per_structure=2, is_over=lambda: False, on_ask=registered.append)
        with loads.open(ahead=True) as supply:
            first = supply.take()
            supply.put_back(first)
            assert supply.is_ready
            assert supply.take() is first
            supply.put_back(first)
        assert len(registered) == 4  # the load that was put back, and the one ahead
        assert loads.waiting[0] is first.first
        assert {one.trial.number for one in loads.waiting} == {one.trial.number for one in registered}
        with loads.open(ahead=False) as supply:
            again = supply.take()
            assert again.first is first.first
            assert next(again.mates).structure == again.first.structure


def test_sizes_are_measured_once_for_packs_alike_where_measuring_is_dear(tmp_path, monkeypatch, several):
    monkeypatch.setattr("tuner.tuning.worker.measures_once", lambda _: True)
    search = sweep(tmp_path)
    assert [trial.state for trial in search.trials] == ["complete"] * TRIALS
    rows = read_lines(search.folder.packs).whole
    assert 1 <= len(rows) <= 2  # of eight packs: networks of two widths, of which the wider one may be met first
    assert {row["device"] for row in rows} == {"cpu"}


def test_trials_of_the_last_pack_are_asked_for_again_where_it_fails(tmp_path, quick, monkeypatch):
    train = Worker._train

    def fail_last(self, run):
        if any(number >= TRIALS - SLOTS for number in run.numbers) and not self.alone:
            yield next(train(self, run))
            time.sleep(0.5)  # until it is known that there are no more loads
            raise RuntimeError("the last pack")
        yield from train(self, run)

    monkeypatch.setattr("tuner.tuning.worker.limit_packs", lambda _: 1)
    monkeypatch.setattr(Worker, "_train", fail_last)
    search = sweep(tmp_path)
    states = [trial.state for trial in search.optuna_study.get_trials()]
    assert states.count(optuna.trial.TrialState.COMPLETE) == TRIALS
