"""Samplers that come to an end: every combination once, each told once, and the search over with budget left."""

import itertools
import threading

import optuna
import pytest
from optuna.trial import TrialState
from samples import make_settings, make_study

import tuner
from tuner import search_space
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker
from tuner.training.pack_size import PackSize
from tuner.tuning.heartbeats import Lease, give_back
from tuner.tuning.samplers import SeededSampler
from tuner.tuning.search import Search
from tuner.tuning.status import count_left, read_status
from tuner.tuning.storage import open_storage
from tuner.tuning.trial_queue import Asker

GRID = {"width": [2, 4, 8], "lr": [1e-3, 1e-2, 2e-2, 1e-1]}
CELLS = set(itertools.product(GRID["width"], GRID["lr"]))
SAMPLERS = {
    "grid": lambda seed: optuna.samplers.GridSampler(GRID, seed=seed),
    "brute force": lambda seed: optuna.samplers.BruteForceSampler(seed=seed),
}


def suggest(trial):
    width, lr = trial.suggest_categorical("width", GRID["width"]), trial.suggest_categorical("lr", GRID["lr"])
    return make_settings(widths=(width,), lr=lr, batch_size=256)


def never_prune(n_epochs):
    return optuna.pruners.NopPruner()


def make(kind, trials, structure=("width",), **changes):
    return make_study(
        trials=trials,
        epochs=1,
        n_events=600,
        search_space=search_space(structure=structure)(suggest),
        sampler=SAMPLERS[kind],
        pruner=never_prune,
        **changes,
    )


def cells(search):
    return [(trial.params["width"], trial.params["lr"]) for trial in search.trials if trial.state == "complete"]


@pytest.fixture(autouse=True, scope="module")
def quick():
    """Packs of three at the most, not measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tuner.tuning.worker.choose_pack_size", lambda *_, most: PackSize(min(3, most), {}, "test"))
        yield


pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize(("trials", "structure"), [(12, []), (12, ["width"]), (40, ["width"]), (40, [])])
def test_every_combination_is_trained_once_and_told_once(tmp_path, caplog, kind, trials, structure):
    tracker = Memory()
    search = tuner.sweep(make(kind, trials, structure), folder=tmp_path, tracker=tracker, workers=1)
    assert sorted(cells(search)) == sorted(CELLS)
    assert [trial.state for trial in search.trials] == ["complete"] * 12
    assert [trial.state for trial in tracker.trials.values()] == ["complete"] * 12
    assert "another worker" not in caplog.text
    assert count_left(search) == 0
    again = tuner.sweep(make(kind, trials, structure), folder=tmp_path, tracker=NoTracker(), workers=1)
    assert len(again.trials) == 12


def test_report_and_status_take_an_exhausted_search_for_over(tmp_path):
    search = tuner.sweep(make("grid", 40), folder=tmp_path, tracker=NoTracker(), workers=1)
    assert read_status(search).seconds_left == 0
    assert "not over" not in tuner.report(search).read_text()


@pytest.mark.parametrize("kind", SAMPLERS)
def test_an_interrupted_search_goes_on_to_every_combination(tmp_path, kind):
    first = tuner.sweep(make(kind, 5), folder=tmp_path, tracker=NoTracker(), workers=1)
    asker = Asker(first, SeededSampler(SAMPLERS[kind], 0), "one")
    asker.study = make(kind, 40)
    with Lease(first.optuna_study) as lease:
        asker.worker = lease.worker
        for asked in [asker.ask() for _ in range(3)]:
            give_back(asker.optuna_study, asked.trial, "Interrupted.")
    search = tuner.sweep(make(kind, 40), folder=tmp_path, tracker=NoTracker(), workers=1)
    assert sorted(cells(search)) == sorted(CELLS)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_interrupted_trials_are_trained_although_the_sampler_has_stopped(tmp_path, kind):
    folder = RunFolder(tmp_path / "small").create()
    optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    search = Search(make(kind, 40), folder)
    with Lease(search.optuna_study) as lease:
        asker = Asker(search, SeededSampler(SAMPLERS[kind], 0), lease.worker)
        asked = [asker.ask() for _ in range(12)]
        assert asker.ask() is None
        for one in asked[:9]:
            asker.optuna_study.tell(one.trial, 0.5)
        for one in asked[9:]:
            give_back(asker.optuna_study, one.trial, "Interrupted.")
        left = [asker.ask() for _ in range(3)]
        assert [one.settings for one in left] == [one.settings for one in asked[9:]]
        for one in left:
            asker.optuna_study.tell(one.trial, 0.5)
        assert asker.ask() is None
    assert count_left(search) == 0


@pytest.mark.parametrize("kind", SAMPLERS)
def test_workers_of_one_study_never_draw_the_same(tmp_path, kind):
    folder = RunFolder(tmp_path / "small").create()
    optuna.create_study(study_name="small", storage=open_storage(folder.journal), direction="maximize")
    drawn = []

    def draw():
        search = Search(make(kind, 40), folder)
        with Lease(search.optuna_study) as lease:
            asker = Asker(search, SeededSampler(SAMPLERS[kind], 0), lease.worker)
            while asked := asker.ask():
                drawn.append((asked.trial.params["width"], asked.trial.params["lr"]))
            everyone_is_done.wait(timeout=60)

    everyone_is_done = threading.Barrier(3)
    threads = [threading.Thread(target=draw, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(drawn) == sorted(CELLS)


def test_warm_starts_and_failures_leave_a_grid_its_end(tmp_path):
    def suggest_odd(trial):
        settings = suggest(trial)
        if trial.number == 3:
            raise ValueError("odd")
        return settings

    study = make("grid", 40)
    space = search_space(warm_starts=[{"width": 4, "lr": 1e-2}])(suggest_odd)
    search = tuner.sweep(make_variant(study, space), folder=tmp_path, tracker=NoTracker(), workers=1)
    states = [trial.state for trial in search.trials]
    assert states.count("failed") == 1
    assert "running" not in states
    assert {(trial.params["width"], trial.params["lr"]) for trial in search.trials} == CELLS
    assert count_left(search) == 0


def make_variant(study, space):
    return tuner.Study(**{f: getattr(study, f) for f in study.__dataclass_fields__} | {"search_space": space})


def test_a_larger_grid_goes_on(tmp_path):
    def suggest_float(trial):
        return make_settings(lr=trial.suggest_float("lr", 1e-3, 1e-1), batch_size=256)

    def sweep(lrs):
        def make_sampler(seed):
            return optuna.samplers.GridSampler({"lr": lrs}, seed=seed)

        study = make_study(
            trials=40, epochs=1, n_events=600, search_space=suggest_float, sampler=make_sampler, pruner=never_prune
        )
        return tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), workers=1)

    assert {trial.params["lr"] for trial in sweep([1e-3, 1e-2]).trials} == {1e-3, 1e-2}
    search = sweep([1e-3, 1e-2, 5e-2, 1e-1])
    assert {trial.params["lr"] for trial in search.trials} == {1e-3, 1e-2, 5e-2, 1e-1}
    assert search.has_stopped


def test_a_sampler_of_the_users_own_may_stop_the_search(tmp_path):
    class Three(optuna.samplers.RandomSampler):
        def after_trial(self, study, trial, state, values):
            if trial.number == 2:
                study.stop()

    study = make_study(trials=40, epochs=1, n_events=600, search_space=suggest, sampler=Three, pruner=never_prune)
    search = tuner.sweep(study, folder=tmp_path, tracker=NoTracker(), workers=1)
    assert [trial.state for trial in search.trials] == ["complete"] * 3
    assert {trial.state for trial in search.optuna_study.get_trials()} == {TrialState.COMPLETE}
