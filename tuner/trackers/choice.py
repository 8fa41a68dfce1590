"""Which tracker a name stands for: what `--tracker` takes, and what a sweep writes down for the steps that follow."""

from __future__ import annotations

from collections.abc import Callable

from tuner.trackers.background_tracker import BackgroundTracker
from tuner.trackers.base import Tracker
from tuner.trackers.json_lines import JsonLines
from tuner.trackers.memory import Memory, NoTracker
from tuner.trackers.mlflow_tracker import MLflow
from tuner.trackers.several import Several
from tuner.trackers.tensorboard_events import TensorBoard
from tuner.trackers.weights_and_biases import WeightsAndBiases

_KINDS: dict[str, Callable[[], Tracker]] = {
    "wandb": WeightsAndBiases,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "json": JsonLines,
    "memory": Memory,
    "none": NoTracker,
}


def open_tracker(kind: str) -> Tracker:
    """Return a new tracker of a kind, such as "wandb" or "none"; of several, joined by commas, "wandb,json".

    Raise `MissingPackage` where a kind needs a package that is not installed.
    """
    trackers = [_KINDS[name]() for name in dict.fromkeys(kind.split(","))]
    return trackers[0] if len(trackers) == 1 else Several(trackers)


def name_kind(tracker: Tracker) -> str | None:
    """Return the name by which `open_tracker` opens another one like it.

    None for a user's own class, and where arguments were given: one without them could write to another place.
    """
    if isinstance(tracker, Several):
        kinds = [name_kind(one) for one in tracker.trackers]
        return None if None in kinds else ",".join(map(str, kinds))
    if isinstance(tracker, (BackgroundTracker, WeightsAndBiases)) and not tracker.has_defaults:
        return None
    return next((kind for kind, made in _KINDS.items() if type(tracker) is made), None)


def name_shared_kind(tracker: Tracker) -> str | None:
    """Return the name by which another process opens one that sends numbers to the same place; None where it cannot."""
    trackers = tracker.trackers if isinstance(tracker, Several) else [tracker]
    return None if any(isinstance(one, Memory) for one in trackers) else name_kind(tracker)
