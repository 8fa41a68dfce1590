"""Where numbers go: a run of Weights & Biases per trial, memory, or nowhere."""

from tuner.trackers.base import Tracker, TrialLog
from tuner.trackers.memory import Memory, NoTracker
from tuner.trackers.weights_and_biases import WeightsAndBiases, sync_runs

__all__ = ["Memory", "NoTracker", "Tracker", "TrialLog", "WeightsAndBiases", "sync_runs"]
