"""A trial is trained again from its record."""

import copy
from dataclasses import replace

import pytest
from samples import make_settings, make_study

import tuner
from tuner import search_space
from tuner.checked_files import read_json, write_json
from tuner.errors import SearchError
from tuner.trackers import NoTracker
from tuner.tuning.replay import ROUNDING, Replay
from tuner.tuning.replay import replay as train_again


@search_space(structure=["width"])
def other_training(trial):
    width = trial.suggest_categorical("width", [8, 16])
    trial.suggest_float("dropout", 0.0, 0.3)
    return make_settings(widths=(width,), lr=10 * trial.suggest_float("lr", 1e-3, 1e-1, log=True), batch_size=32)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = make_study(trials=3, epochs=2, n_events=600)
    return tuner.sweep(study, folder=tmp_path_factory.mktemp("replay"), tracker=NoTracker())


def test_the_record_gives_the_figure_again_with_its_seed_and_dropout(search):
    number = next(t.number for t in search.trials if t.state == "complete" and t.params["dropout"] > 0.05)
    replayed = train_again(search, number)
    assert abs(replayed.now - replayed.before) <= ROUNDING
    assert replayed.verdict == "same"
    assert replayed.changed == ()
    assert replayed.seeds > ROUNDING, "another seed does change the figure"
    assert "The record holds" in replayed.lines[1]


def test_what_has_changed_since_is_named(search):
    record = read_json(search.folder.provenance)
    assert record["search_space"]
    changed = record | {"versions": record["versions"] | {"torch": "1.0"}}
    write_json(search.folder.provenance, changed)
    try:
        edited = replace(search, study=replace(search.study, search_space=other_training))
        replayed = train_again(edited, 0, device="cpu")
    finally:
        write_json(search.folder.provenance, record)
    assert replayed.changed[0].startswith("torch was 1.0, is ")
    assert replayed.changed[1] == "the code of the search space has changed"
    assert replayed.changed[-1] == "the device was automatic, is cpu"
    assert abs(replayed.now - replayed.before) > ROUNDING


@pytest.mark.parametrize(("now", "verdict"), [(0.90005, "same"), (0.903, "as good"), (0.91, "other"), (0.88, "other")])
def test_a_difference_is_measured_by_that_of_other_seeds(now, verdict):
    replayed = Replay(
        trial=1, figure_of_merit="AUC", before=0.9, now=now, seeds=0.002, pack_size=1, device="cpu", changed=()
    )
    assert replayed.verdict == verdict
    assert replayed.to_json()["agrees"] == (verdict != "other")


def test_a_trial_without_a_figure_cannot_be_compared(search):
    with pytest.raises(SearchError, match="0 to 2, but is 9"):
        train_again(search, 9)
    trial = search.optuna_study.ask()
    with pytest.raises(SearchError, match="trial 3 is running"):
        train_again(search, trial.number)


def test_a_pruned_trial_is_trained_as_far_as_it_came(search):
    curves = {t.number: search.curve(t.number)["validation_auc"] for t in search.trials if t.state == "complete"}
    number, curve = next((n, curve) for n, curve in curves.items() if curve.max() > curve.iloc[0] + 0.001)
    pruned = replace(search.trials[number], state="pruned", epochs=1, figure=None, value=float(curve.iloc[0]))
    trials = [pruned if t.number == number else t for t in search.trials]
    replayed = train_again(replace(search, frozen=tuple(trials)), number)
    assert abs(replayed.now - replayed.before) <= ROUNDING


def test_a_trial_that_went_on_with_another_has_the_seed_of_that(search):
    first = copy.deepcopy(search.optuna_study.get_trials()[0])
    first.user_attrs["resumes trial"] = 0
    search.optuna_study.add_trial(first)
    replayed = train_again(search, len(search.trials) - 1)
    assert abs(replayed.now - replayed.before) <= ROUNDING
