"""How many processes train, and how they find the search."""

import importlib.util
import sys
from dataclasses import replace

import pytest
from samples import make_study

import tuner
from tuner import Budget
from tuner.checked_files import write_json
from tuner.errors import SearchError
from tuner.launchers.allocation import choose_workers, count_gpus, share_gpus
from tuner.run_folder import RunFolder
from tuner.trackers import Memory, NoTracker, WeightsAndBiases
from tuner.trackers.several import Several
from tuner.tuning.provenance import find_tracker_kind
from tuner.tuning.study_file import find_study_file
from tuner.tuning.sweep import _name_options


def test_workers_are_told_what_they_cannot_read_in_the_folder(tmp_path):
    assert _name_options("runs", None) == ["--folder", "runs"]
    assert _name_options(tmp_path, "cuda:0") == ["--folder", str(tmp_path), "--device", "cuda:0"]


class Own(NoTracker):
    """A user's own tracker."""


@pytest.mark.parametrize(
    "tracker",
    [Own(), Memory(), Several([NoTracker(), Memory()]), WeightsAndBiases(mode="offline")],
)
def test_a_tracker_that_workers_cannot_open_is_refused_for_several(tmp_path, tracker):
    with pytest.raises(SearchError, match=r"`workers=2` needs a tracker that each worker can open"):
        tuner.sweep(make_study(), folder=tmp_path, workers=2, tracker=tracker)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("calls", "kind"),
    [([], "wandb"), ([{}], "wandb"), ([{"tracker": "none"}], "none"), ([{"tracker": None}], None)],
)
def test_one_more_worker_uses_the_tracker_of_the_last_call(tmp_path, calls, kind):
    folder = RunFolder(tmp_path).create()
    assert find_tracker_kind(folder) == "wandb"
    write_json(folder.provenance, {"calls": calls})
    assert find_tracker_kind(folder) == kind


@pytest.mark.parametrize(
    ("workers", "device", "n_gpus", "expected"),
    [
        (None, None, 0, 6),
        (None, "cpu", 2, 6),
        (None, None, 2, 2),
        (None, "cuda", 3, 3),
        (5, None, 2, 5),
        (5, "cpu", 0, 5),
        (50, None, 0, 7),
        (None, "cuda:1", 2, 1),
        (4, "cuda:1", 2, 4),
    ],
)
def test_one_worker_per_core_or_gpu_and_no_more_than_trials(tmp_path, monkeypatch, workers, device, n_gpus, expected):
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_gpus)
    monkeypatch.setattr("tuner.launchers.allocation.count_cores", lambda: 6)
    assert choose_workers(7, workers, device, tmp_path / "study.py") == expected


@pytest.mark.parametrize(
    ("n_gpus", "n_cores", "n_trials", "expected"),
    [
        (1, 16, 63, 1),
        (1, 16, 64, 1),
        (1, 16, 200, 3),
        (1, 16, 5000, 4),
        (1, 5, 5000, 2),
        (8, 16, 5000, 8),
        (2, 64, 5000, 8),
    ],
)
def test_several_workers_share_a_gpu_where_trials_and_cores_are_many(n_gpus, n_cores, n_trials, expected):
    assert share_gpus(n_gpus, n_cores, n_trials) == expected


@pytest.mark.parametrize(
    ("device", "expected"), [(None, 2), ("cuda", 2), ("cuda:1", 1), ("cpu", 0), ("cpu:0", 0), ("mps", 0)]
)
def test_the_gpus_that_workers_share_are_those_of_the_device_that_is_named(monkeypatch, device, expected):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert count_gpus(device) == expected


def test_workers_of_a_search_that_goes_on_follow_what_is_left_of_its_budget(tmp_path, monkeypatch):
    search = tuner.sweep(make_study(trials=3), folder=tmp_path, tracker=NoTracker())
    asked = []
    monkeypatch.setattr("tuner.tuning.sweep.choose_workers", lambda n_trials, *_: asked.append(n_trials) or 1)
    tuner.sweep(make_study(trials=5), folder=tmp_path, tracker=NoTracker())
    tuner.sweep(make_study(trials=4), folder=tmp_path, tracker=NoTracker())
    assert asked == [2, 0]
    assert len(search.trials) == 5


def test_without_a_file_one_worker_trains():
    assert choose_workers(64, None, None, None) == 1
    assert choose_workers(64, 1, None, None) == 1
    with pytest.raises(SearchError, match=r"`workers=2` needs a file"):
        choose_workers(7, 2, None, None)


def test_a_study_is_found_in_its_module_and_not_in_the_main_script(tmp_path, monkeypatch):
    path = tmp_path / "my_study.py"
    path.write_text("from samples import make_study\nstudy = make_study()\n")
    spec = importlib.util.spec_from_file_location("my_study", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert find_study_file(module.study) is None
    monkeypatch.setitem(sys.modules, "my_study", module)
    assert find_study_file(module.study) == path
    assert find_study_file(replace(module.study, seed=7, budget=Budget(trials=3))) == path  # which the storage holds
    assert find_study_file(replace(module.study, name="another")) is None
    assert find_study_file(make_study()) is None  # equal, but not this very one
    monkeypatch.delitem(sys.modules, "my_study")
    monkeypatch.setitem(sys.modules, "__main__", module)
    assert find_study_file(module.study) is None
