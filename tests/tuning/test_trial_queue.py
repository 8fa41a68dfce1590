"""Asking for trials: never more than the budget, by one worker at a time, and those of the dead again."""

import threading

import optuna
import pytest
from optuna.trial import TrialState
from samples import make_settings, make_study

import tuner
from tuner.errors import SearchError
from tuner.run_folder import RunFolder
from tuner.trackers import NoTracker
from tuner.tuning.heartbeats import Lease, give_back
from tuner.tuning.samplers import SeededSampler, make_default_sampler
from tuner.tuning.search import Search
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import (
    Failure,
    find_root,
    read_failure,
    read_leases,
    read_worker,
    write_lease,
)
from tuner.tuning.trial_queue import Asker


@pytest.fixture
def make_asker(tmp_path):
    """Make askers that share a journal, as workers do; each has its own Optuna study."""
    folder = RunFolder(tmp_path / "small").create()
    optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")

    def make(worker, trials=3, **changes):
        search = Search(make_study(trials=trials, **changes), folder)
        return Asker(search, SeededSampler(make_default_sampler, 0), worker)

    return make


def test_running_trials_of_all_workers_count_for_the_budget(make_asker):
    one, other = make_asker("one"), make_asker("other")
    with Lease(one.optuna_study) as first, Lease(other.optuna_study) as second:
        one.worker, other.worker = first.worker, second.worker
        asked = [one.ask(), other.ask(), one.ask()]
        assert one.ask() is None
        assert other.ask() is None
        one.optuna_study.tell(asked[0].trial, state=TrialState.PRUNED)
        assert other.ask() is None
        other.optuna_study.tell(asked[1].trial, state=TrialState.FAIL)
        assert one.ask().trial.number == 3
        assert other.ask() is None


def test_each_trial_names_its_worker(make_asker):
    one, other = make_asker("one"), make_asker("other")
    with Lease(one.optuna_study) as first, Lease(other.optuna_study) as second:
        one.worker, other.worker = first.worker, second.worker
        one.ask()
        other.ask()
        named = [read_worker(t) for t in one.optuna_study.get_trials()]
        assert named == [first.worker, second.worker]


def test_one_worker_asks_at_a_time(make_asker):
    one, other = make_asker("one"), make_asker("other")
    came = []
    thread = threading.Thread(target=lambda: came.append(other.ask()), daemon=True)
    with one.lock:
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        assert one.optuna_study.get_trials() == []
    thread.join(timeout=10)
    assert came[0].trial.number == 0


def test_a_dead_workers_trial_is_trained_by_the_next_sweep(tmp_path):
    study = make_study(trials=2, epochs=1, n_events=800, pruner=lambda n_epochs: optuna.pruners.NopPruner())
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker())
    asker = Asker(Search(make_study(trials=3), search.folder), SeededSampler(make_default_sampler, 0), "gone")
    lost = asker.ask()
    (lease,) = read_leases(search.optuna_study).values()
    dead = {k: v for k, v in lease.items() if k != "left"} | {"host": "elsewhere", "beat": 0.0}
    write_lease(asker.optuna_study, "gone", dead)
    more = make_study(trials=3, epochs=1, n_events=800, pruner=lambda n_epochs: optuna.pruners.NopPruner())
    search = tuner.sweep(more, folder=tmp_path, tracker=NoTracker())
    assert [t.state for t in search.trials] == ["complete", "complete", "interrupted", "complete"]
    assert search.trials[3].params == lost.trial.params
    assert find_root(search.optuna_study.get_trials()[3]) == 2
    assert "worker died" in search.trials[2].reason


def suggest_odd(trial):
    trial.suggest_float("odd", 0, 1)
    raise ValueError("odd")


def suggest_odder(trial):
    raise ValueError("odd" if trial.number % 2 else "even")


@pytest.mark.parametrize(
    ("trials", "space", "n_failed"),
    [(2, suggest_odd, 2), (64, suggest_odd, 3), (4, suggest_odder, 4), (64, suggest_odder, 10)],
)
def test_a_search_stops_where_the_first_trials_fail_by_one_error_or_too_many_by_any(
    make_asker, trials, space, n_failed
):
    asker = make_asker("one", trials=trials, search_space=space)
    with pytest.raises(SearchError, match=rf"{n_failed} trials failed and 0 did not.*ValueError: "):
        asker.ask()
    failed = asker.optuna_study.get_trials()
    assert [(t.state, read_failure(t)) for t in failed] == [(TrialState.FAIL, Failure.CODE)] * n_failed


def test_interrupted_trials_are_no_failures(make_asker):
    def suggest(trial):
        return make_settings(lr=trial.suggest_float("lr", 1e-3, 1e-1))

    asker = make_asker("one", search_space=suggest)
    for number in range(5):
        asked = asker.ask()
        assert (asked.trial.number, asked.resumes) == (number, 0)
        give_back(asker.optuna_study, asked.trial, "Interrupted.")
    for _ in range(3):
        asker.optuna_study.tell(asker.ask().trial, state=TrialState.FAIL)
    with pytest.raises(SearchError, match="3 trials failed and 0 did not"):
        asker.ask()
