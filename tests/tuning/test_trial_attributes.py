"""What a search keeps in Optuna's storage: readable where Optuna Dashboard shows it, in both kinds of storage."""

import optuna
import pytest
from optuna.storages import RDBStorage
from samples import make_study

import tuner
from tuner.errors import SearchError
from tuner.trackers import NoTracker
from tuner.tuning.dashboard_notes import read_note, save_note
from tuner.tuning.patient_storage import CREATED
from tuner.tuning.samplers import SeededSampler, make_default_sampler
from tuner.tuning.search import open_search
from tuner.tuning.status import read_status
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_attributes import (
    FORMAT,
    IDENTITY,
    claim,
    count_tries,
    enqueue_again,
    enqueue_warm_start,
    find_root,
    is_suspect,
    is_warm_start,
    read_identity,
    read_leases,
    read_search_id,
    read_worker,
    write_identity,
    write_lease,
    write_search_id,
)


@pytest.fixture(params=["journal", "database"])
def study(request, tmp_path):
    url = None if request.param == "journal" else f"sqlite:///{tmp_path}/trials.db"
    storage = open_storage(tmp_path / "journal.log", url)
    yield optuna.create_study(study_name="s", storage=storage, direction="maximize")
    storage.remove_session()


def test_books_of_the_study_survive_the_storage_and_are_no_user_attributes(study):
    assert (read_identity(study), read_search_id(study), read_leases(study)) == (None, None, {})
    identity = {"events": "abc", "preparation": {"scaling": "quantile"}, "parameters": ["lr"] * 5000}
    write_identity(study, identity)
    write_search_id(study, "1234")
    write_lease(study, "host_1-%", {"beat": 1.5})
    write_lease(study, "host_1-%", {"beat": 2.5})
    again = optuna.load_study(study_name="s", storage=study._storage)
    assert (read_identity(again), read_search_id(again)) == (identity, "1234")
    assert read_leases(again) == {"host_1-%": {"beat": 2.5}}
    assert again.user_attrs == {}


def test_a_database_is_asked_for_what_is_wanted_and_not_for_the_notes_of_all_trials(tmp_path, monkeypatch):
    storage = open_storage(tmp_path / "journal.log", f"sqlite:///{tmp_path}/trials.db")
    study = optuna.create_study(study_name="s", storage=storage)
    other = optuna.create_study(study_name="other", storage=storage)
    write_lease(study, "one", {"beat": 1.0})
    write_lease(other, "other", {"beat": 1.0})
    monkeypatch.setattr(RDBStorage, "get_study_system_attrs", None)  # reads the notes of all trials, too
    assert list(read_leases(study)) == ["one"]
    trials = [study.ask() for _ in range(12)]
    for trial in trials:
        save_note(trial, f"Note of trial {trial.number}.")
    assert all(f"trial {trial.number}." in read_note(trial) for trial in trials)
    storage.remove_session()


def test_a_setting_that_is_put_back_keeps_what_is_known_of_it(study):
    enqueue_warm_start(study, {"x": 0.25})
    first = study.ask()
    claim(first, "dead")
    enqueue_again(study, {"x": 0.25}, first, tries=2, suspect=True)
    second = study.ask()
    enqueue_again(study, {"x": 0.25}, second)
    third = study.get_trials()[2]
    assert (find_root(second), find_root(third)) == (0, 0)
    assert (count_tries(second), count_tries(third)) == (2, 0)
    assert is_warm_start(third)
    assert is_suspect(third)
    assert [read_worker(trial) for trial in study.get_trials()] == ["dead", None, None]


def test_a_trial_that_goes_on_has_neither_the_worker_nor_the_pictures_of_the_one_before(study):
    study.sampler = SeededSampler(make_default_sampler, 0)
    first = study.ask()
    claim(first, "dead")
    for name in ("artifacts:1", "completed_rung_0"):
        study._storage.set_trial_system_attr(first._trial_id, name, 0.5)
    enqueue_again(study, {"x": 0.25}, first)
    study.ask()
    assert set(study.get_trials()[1].system_attrs) - {CREATED} == {"completed_rung_0", "fixed_params"}


def test_what_a_person_reads_of_a_trial_is_in_plain_words(tmp_path):
    search = tuner.sweep(
        make_study(trials=1, epochs=2, n_events=400), folder=tmp_path, tracker=NoTracker(), device="cpu"
    )
    (trial,) = search.optuna_study.get_trials()
    assert trial.user_attrs == {
        "figure of merit": trial.value,
        "best epoch": search.trials[0].best_epoch,
        "epochs": 2,
        "parameters": search.trials[0].n_parameters,
        "pack size": 1,
        "reason": "All 2 epochs.",
        "warm start": True,
    }
    assert search.optuna_study.user_attrs == {}


@pytest.mark.parametrize("name", ["tuner:identity", "tuner:worker:one"])
def test_a_study_of_an_older_version_is_refused_and_not_taken_for_a_new_one(tmp_path, name):
    study = make_study(trials=1, epochs=1, n_events=400)
    (tmp_path / study.name).mkdir()
    older = optuna.create_study(
        study_name=study.name, storage=open_storage(tmp_path / study.name / "journal.log"), direction="maximize"
    )
    older.set_user_attr(name, {"events": "abc"})
    for call in (
        lambda: tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), device="cpu"),
        lambda: open_search(study, tmp_path),
    ):
        with pytest.raises(SearchError, match=r"an older one made it.* another `name`"):
            call()
    assert older.get_trials() == []


@pytest.mark.parametrize(
    ("attributes", "which"),
    [
        ({IDENTITY: {"preparation": {"azimuths": "auto"}}}, "an older"),
        ({FORMAT: 1, IDENTITY: {}}, "an older"),
        ({FORMAT: 99, IDENTITY: {}}, "a later"),
    ],
)
def test_every_step_says_alike_that_another_version_made_a_search(tmp_path, attributes, which):
    study = make_study(trials=1, epochs=1, n_events=400)
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), device="cpu")
    storage, number = search.optuna_study._storage, search.optuna_study._study_id
    storage.set_study_system_attr(number, FORMAT, None)
    for name, value in attributes.items():
        storage.set_study_system_attr(number, name, value)
    (search.folder.splits / "preprocessing.npz").write_bytes(b"of another form")
    found = tuner.Search(study, search.folder)
    steps = (
        lambda _: tuner.Search(study, search.folder).splits,
        tuner.evaluate,
        tuner.report,
        read_status,
        lambda _: tuner.predict(found, "new.csv"),
        lambda _: tuner.export(found, tmp_path / "network.onnx"),
    )
    again = (lambda _: tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), device="cpu"),)
    told = set()
    for step in (*steps, lambda _: open_search(study, tmp_path), *again):
        with pytest.raises(SearchError, match=f"{which} one made it") as failure:
            step(found)
        told.add(str(failure.value))
    assert len(told) == 1
