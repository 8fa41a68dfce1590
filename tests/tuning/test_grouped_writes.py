"""Writes of one moment: what is stored together is what is stored one by one, at once, and never twice."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy import event

from tuner.tuning.grouped_writes import write_together
from tuner.tuning.storage import open_storage


def read_again(study):
    """Return the trials as another process reads them."""
    storage = study._storage
    path, url = Path(study.study_name, "journal.log"), getattr(storage, "outage", None) and storage.outage.url
    return optuna.load_study(study_name=study.study_name, storage=open_storage(path, url)).get_trials()


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def study(request, tmp_path):
    urls = {"journal": lambda: None, "sqlite": lambda: f"sqlite:///{tmp_path / 'trials.db'}"}
    url = urls.get(request.param, lambda: request.getfixturevalue("postgresql").url)()
    storage = open_storage(tmp_path / "journal.log", url)
    return optuna.create_study(study_name=str(tmp_path), storage=storage, direction="maximize")


@pytest.fixture
def count_writes(study, monkeypatch):
    """Return a function that tells how often something was written since it was called last."""
    storage, writes = study._storage, []
    if hasattr(storage, "_backend"):
        append = storage._backend.append_logs
        monkeypatch.setattr(storage._backend, "append_logs", lambda logs: writes.append(1) or append(logs))
    else:
        event.listen(storage.inner._backend.engine, "commit", writes.append)

    def count():
        n = len(writes)
        writes.clear()
        return n

    return count


def fill(trial, *, value=0.5):
    """Write something of every kind."""
    trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("y", ["a", "b"])
    trial.report(float("nan"), 1)
    trial.report(value, 2)
    trial.set_user_attr("reason", "All epochs.")
    trial.set_user_attr("reason", "The last word.")
    trial.study._storage.set_trial_system_attr(trial._trial_id, "rung", 0.25)


def describe(trial):
    reported = {epoch: str(value) for epoch, value in trial.intermediate_values.items()}
    system = {name: value for name, value in trial.system_attrs.items() if name == "rung"}
    return trial.state, trial.values, trial.distributions, reported, trial.user_attrs, system


def test_what_is_stored_together_is_what_is_stored_one_by_one(study, count_writes):
    first, second = study.ask(), study.ask()
    fill(first)
    study.tell(first, 0.75)
    count_writes()
    with write_together(study):
        fill(second)
        assert read_again(study)[1].user_attrs == {}
        count_writes()
        study._storage.set_trial_state_values(second._trial_id, TrialState.COMPLETE, [0.75])
    assert count_writes() == 1
    one_by_one, together = study.get_trials()
    assert describe(one_by_one) == describe(together)
    assert together.params == second.params
    assert together.datetime_complete >= one_by_one.datetime_complete


def test_what_is_there_is_replaced(study):
    trial = study.ask()
    fill(trial, value=0.25)
    with write_together(study):
        study._storage.set_trial_intermediate_value(trial._trial_id, 2, 0.5)
        trial.set_user_attr("reason", "Another.")
        trial.set_user_attr("new", 1)
    (told,) = study.get_trials()
    assert (told.intermediate_values[2], told.user_attrs) == (0.5, {"reason": "Another.", "new": 1})


def test_of_a_trial_that_is_told_nothing_is_stored_and_all_of_the_others(study):
    told, running = study.ask(), study.ask()
    study.tell(told, 0.5)
    with pytest.raises(UpdateFinishedTrialError), write_together(study):
        told.set_user_attr("late", 1)
        running.set_user_attr("late", 1)
        study._storage.set_trial_system_attr(told._trial_id, "rung", 1)
    assert [t.user_attrs for t in read_again(study)] == [{}, {"late": 1}]
    running.set_user_attr("more", 1)
    assert study.get_trials()[1].user_attrs == {"late": 1, "more": 1}, "no error is left for a later call"


def test_an_error_costs_nothing_that_was_written_before_it(study):
    trial = study.ask()
    with pytest.raises(ZeroDivisionError), write_together(study):
        trial.suggest_float("x", 0, 1)
        raise ZeroDivisionError
    assert study.get_trials()[0].params == trial.params


def test_a_parameter_that_differs_from_that_of_other_trials_is_refused(study):
    study.ask({"x": FloatDistribution(0, 1)})
    trial = study.ask()
    with pytest.raises(ValueError, match=r"incompatible|dynamic|Cannot set different"), write_together(study):
        trial.suggest_categorical("x", ["a", "b"])
    assert read_again(study)[1].params == {}


def test_a_setting_is_taken_out_of_the_queue_at_once(study):
    study.enqueue_trial({"x": 0.5})
    with write_together(study):
        assert study.ask().number == 0
        assert study.get_trials(deepcopy=False)[0].state == TrialState.RUNNING


def test_what_was_stored_though_the_answer_was_lost_is_not_stored_twice(postgresql, tmp_path, monkeypatch):
    from sqlalchemy.exc import OperationalError

    from tuner.tuning import patient_storage

    storage = open_storage(tmp_path / "journal.log", postgresql.url)
    study = optuna.create_study(study_name=str(tmp_path), storage=storage, direction="maximize")
    store, calls = patient_storage.write_in_transaction, []

    def lose(database, writes):
        calls.append(list(writes))
        store(database, writes)
        if len(calls) == 1:
            raise OperationalError("commit", {}, ConnectionError("The answer never came."))

    monkeypatch.setattr(patient_storage, "write_in_transaction", lose)
    told, running = study.ask(), study.ask()
    with write_together(study):
        told.set_user_attr("a", 1)
        running.set_user_attr("b", 1)
        storage.set_trial_state_values(told._trial_id, TrialState.COMPLETE, [0.5])
    assert [len(writes) for writes in calls] == [3, 1]
    assert [(t.value, t.user_attrs) for t in study.get_trials()] == [(0.5, {"a": 1}), (None, {"b": 1})]
