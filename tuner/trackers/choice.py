"""Which tracker a name stands for: what `--tracker` takes, and what a sweep writes down for the steps that follow."""

from __future__ import annotations

from tuner.trackers.base import Tracker
from tuner.trackers.memory import Memory, NoTracker
from tuner.trackers.weights_and_biases import WeightsAndBiases

_KINDS: dict[str, type[Tracker]] = {"wandb": WeightsAndBiases, "memory": Memory, "none": NoTracker}


def open_tracker(kind: str) -> Tracker:
    """Return a new tracker of a kind, such as "wandb" or "none"."""
    return _KINDS[kind]()


def name_kind(tracker: Tracker) -> str | None:
    """Return the name by which `open_tracker` opens another one like it; None for a user's own."""
    return next((kind for kind, made in _KINDS.items() if type(tracker) is made), None)
