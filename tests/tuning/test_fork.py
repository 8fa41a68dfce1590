"""A search goes on in another one: with a wider space, with other events, or as warm starts."""

import shutil
from dataclasses import replace

import optuna
import pytest
from samples import make_settings, make_study, suggest_small
from typer.testing import CliRunner

import tuner
from tuner import Budget, EarlierSearch, search_space
from tuner.cli.app import app
from tuner.errors import SearchError, StudyError
from tuner.events import Resonance
from tuner.trackers import NoTracker
from tuner.tuning import fork as fork_module
from tuner.tuning.replay import replay as train_again


@search_space(structure=["width"], warm_starts=[{"width": 16, "lr": 0.01}, {"width": 32, "lr": 0.02}])
def wider(trial):
    width = trial.suggest_categorical("width", [8, 16, 32])
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    return make_settings(widths=(width,), lr=lr, dropout=trial.suggest_float("dropout", 0.0, 0.5), batch_size=128)


@search_space(structure=["width"])
def narrower(trial):
    width = trial.suggest_categorical("width", [16, 32])
    return make_settings(widths=(width,), lr=trial.suggest_float("lr", 1e-3, 1e-1, log=True), batch_size=128)


STUDY = make_study(trials=4, epochs=2, n_events=600)


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return tuner.sweep(STUDY, folder=tmp_path_factory.mktemp("fork"), tracker=NoTracker())


def sweep_on(study, folder, n_more=1):
    budget = replace(study.budget, trials=len(tuner.open_search(study, folder).trials) + n_more)
    return tuner.sweep(replace(study, budget=budget), folder=folder, tracker=NoTracker())


def test_a_wider_space_keeps_trials_figures_files_and_numbers(old):
    folder, changed = old.folder.path.parent, replace(STUDY, search_space=wider)
    with pytest.raises(SearchError, match=r"(?s)width.*tuner fork STUDY --name NEW"):
        tuner.sweep(changed, folder=folder, tracker=NoTracker())
    forked = tuner.fork(changed, name="wider", folder=folder)
    assert (forked.kept, forked.left_out, forked.queued, forked.differences) == (4, 0, 0, ())
    assert forked.lines == ("4 trials of the old search are kept.",)
    search = tuner.open_search(replace(changed, name="wider"), folder)
    before = {t.number: (t.state, t.params, t.figure, t.value, t.epochs) for t in old.trials}
    assert {t.number: (t.state, t.params, t.figure, t.value, t.epochs) for t in search.trials[:4]} == before
    assert [t.params.get("width") for t in search.trials[4:]] == [None], "the warm start that is new waits"
    assert train_again(search, 1).verdict == "same"
    going_on = sweep_on(search.study, folder)
    assert going_on.trials[4].params["width"] == 32
    assert going_on.checkpoint_path(old.best_trial.number).exists()
    with pytest.raises(SearchError, match="name of its own"):
        tuner.fork(changed, name="wider", folder=folder)


def test_other_events_keep_the_settings_and_say_why_by_counts(old):
    folder = old.folder.path.parent
    problem = replace(STUDY.problem, events=Resonance(700))
    changed = replace(STUDY, problem=problem)
    with pytest.raises(SearchError, match=r"events: 600 were, 700 are\.(?s:.*)--events(?s:.*)tuner fork") as caught:
        tuner.sweep(changed, folder=folder, tracker=NoTracker())
    assert old.splits.events_digest[:8] not in str(caught.value)
    forked = tuner.fork(changed, name="more", folder=folder, best=2)
    assert (forked.kept, forked.queued) == (0, 2)
    assert forked.differences == ("events: 600 were, 700 are.",)
    best = max((t for t in old.trials if t.state == "complete"), key=lambda t: t.figure)
    first = forked.search.optuna_study.trials[0]
    assert (first.state.name, first.system_attrs["fixed_params"]) == ("WAITING", dict(best.params))


@pytest.fixture
def unfinished(old, tmp_path):
    """Return the folder of a search with a trial that waits and one that is running, then one that ended."""
    shutil.copytree(old.folder.path.parent, tmp_path / "runs", ignore=shutil.ignore_patterns("wider", "more"))
    study = tuner.open_search(STUDY, tmp_path / "runs").optuna_study
    study.enqueue_trial({"width": 8, "lr": 0.003}, user_attrs={"resumes trial": 1, "earlier tries": 1})
    study.enqueue_trial({"width": 16, "lr": 0.004})
    running = study.ask()
    assert running.number == 4
    (tmp_path / "runs/small/checkpoints/trial_00004.resume.pt").write_bytes(b"of a trial that has not ended")
    running.suggest_categorical("width", [8, 16])
    study.add_trial(optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs={"reason": "Broken."}))
    return tmp_path / "runs"


def test_what_waits_and_what_is_running_keep_their_settings(unfinished):
    forked = tuner.fork(replace(STUDY, search_space=wider), name="forked", folder=unfinished)
    trials = forked.search.optuna_study.trials
    assert [t.state.name for t in trials[4:]] == ["FAIL", "WAITING", "FAIL", "WAITING", "WAITING"]
    assert forked.search.trials[4].state == "interrupted"
    assert trials[6].user_attrs == {"reason": "Broken."}
    given = [t.system_attrs["fixed_params"] for t in (trials[5], trials[7])]
    assert given == [{"width": 16, "lr": 0.004}, {"width": 8, "lr": 0.003}]
    assert trials[7].user_attrs == {"resumes trial": 1, "earlier tries": 1}, "it was sampled, and is no warm start now"
    assert trials[8].user_attrs == {"warm start": True}
    assert list(forked.search.folder.checkpoints.glob("*.pt"))
    assert not list(forked.search.folder.checkpoints.glob("*.resume.pt"))


def fail(*_):
    raise SearchError("no space")


def test_a_fork_that_fails_leaves_nothing(unfinished, monkeypatch):
    monkeypatch.setattr(fork_module, "_copy_files", fail)
    with pytest.raises(SearchError, match="no space"):
        tuner.fork(STUDY, name="failed", folder=unfinished)
    assert not (unfinished / "failed").exists()


def test_a_name_that_the_storage_has_is_refused_and_a_fork_that_fails_leaves_none(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path / 'trials.db'}"
    study = make_study(trials=1, epochs=1, n_events=600)
    tuner.sweep(study, folder=tmp_path / "runs", storage=url, tracker=NoTracker())
    assert tuner.fork(study, name="forked", folder=tmp_path / "runs", storage=url).kept == 1
    shutil.rmtree(tmp_path / "runs" / "forked")
    with pytest.raises(SearchError, match='has a search "forked" already'):
        tuner.fork(study, name="forked", folder=tmp_path / "runs", storage=url)
    assert not (tmp_path / "runs" / "forked").exists()

    monkeypatch.setattr(fork_module, "_copy_files", fail)
    with pytest.raises(SearchError, match="no space"):
        tuner.fork(study, name="failed", folder=tmp_path / "runs", storage=url)
    assert "failed" not in optuna.get_all_study_names(url)


def test_settings_that_the_space_has_no_more_are_counted(old):
    folder = old.folder.path.parent
    forked = tuner.fork(replace(STUDY, search_space=narrower), name="narrower", folder=folder)
    assert (forked.kept, forked.left_out) == (0, 4)
    assert [t.state for t in forked.search.trials] == ["failed"] * 4
    assert not any(t.intermediate_values for t in forked.search.optuna_study.trials)
    assert "not in the search space" in forked.search.trials[0].reason


def test_warm_starts_come_from_earlier_searches_as_far_as_they_fit(old, tmp_path):
    study = make_study(
        name="later",
        budget=Budget(trials=2, epochs=1),
        n_events=600,
        search_space=narrower,
        warm_start_from=[EarlierSearch(folder=old.folder.path, best=2)],
    )
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker())
    wide = [t for t in old.trials if t.state == "complete" and t.params["width"] == 16]
    best = sorted(wide, key=lambda t: -t.figure)[:2]
    assert search.trials[0].warm_start
    assert search.trials[0].params == {"width": 16, "lr": best[0].params["lr"]}
    tuner.sweep(replace(study, warm_start_from=["gone"]), folder=tmp_path, tracker=NoTracker())  # it has begun


def test_an_earlier_search_that_is_not_there_is_told_before_anything_is_spent(old, tmp_path):
    study = make_study(name="later", n_events=600, warm_start_from=[old.folder.path.with_name("smal")])
    with pytest.raises(SearchError, match=r"run folders of earlier searches(?s:.*)Did you mean .*small"):
        tuner.sweep(study, folder=tmp_path / "runs", tracker=NoTracker())
    assert not (tmp_path / "runs").exists()
    with pytest.raises(StudyError, match="`best` must be at least 1"):
        EarlierSearch(folder="x", best=0)
    with pytest.raises(StudyError, match="warm_start_from"):
        make_study(warm_start_from="runs/small")


def test_the_command_writes_a_study_file_that_goes_on(old, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.py").write_text(
        "from samples import make_study\nstudy = make_study(trials=4, epochs=2, n_events=600)\n"
    )
    arguments = ["fork", "small.py", "--name", "again", "--folder", str(old.folder.path.parent)]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[-1] == "Wrote again.py. Go on with: tuner sweep again.py --trials N"
    study = tuner.load_study("again.py")
    assert (study.name, study.search_space) == ("again", suggest_small)
    assert len(tuner.open_search(study, old.folder.path.parent).trials) == 4
    assert CliRunner().invoke(app, arguments).exit_code == 2
