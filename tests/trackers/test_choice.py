from __future__ import annotations

import pytest

from tuner.errors import MissingPackage
from tuner.trackers import JsonLines, Memory, NoTracker, Several, WeightsAndBiases
from tuner.trackers.choice import name_kind, open_tracker


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wandb", WeightsAndBiases),
        ("json", JsonLines),
        ("none", NoTracker),
        ("memory", Memory),
        ("json,json", JsonLines),
    ],
)
def test_a_name_stands_for_a_tracker(name, kind):
    tracker = open_tracker(name)
    assert type(tracker) is kind
    assert name_kind(tracker) == name.split(",")[0]


def test_several_names_stand_for_several():
    tracker = open_tracker("memory,json")
    assert [type(one) for one in tracker.trackers] == [Memory, JsonLines]
    assert name_kind(tracker) == "memory,json"


def test_a_tracker_of_ones_own_has_no_name():
    class Own(Memory):
        """A user's."""

    assert name_kind(Own()) is None
    assert name_kind(Several([Own(), Memory()])) is None


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("wandb", {"project": "secret"}),
        ("wandb", {"entity": "group"}),
        ("wandb", {"mode": "offline"}),
        ("mlflow", {"tracking_uri": "http://127.0.0.1:9"}),
        ("json", {"capacity": 10}),
    ],
)
def test_a_tracker_with_arguments_has_no_name_as_one_without_could_write_elsewhere(kind, arguments):
    if kind == "mlflow":
        pytest.importorskip("mlflow")
    tracker = type(open_tracker(kind))(**arguments)
    assert name_kind(tracker) is None
    assert name_kind(Several([Memory(), tracker])) is None
    assert name_kind(open_tracker(kind)) == kind


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_is_named_before_anything_is_done(monkeypatch, name):
    monkeypatch.setattr("importlib.util.find_spec", lambda wanted: None)
    with pytest.raises(MissingPackage, match=rf'"{name}".*pip install "signal-tuner\[{name}\]"'):
        open_tracker(f"none,{name}")
