"""Where numbers go: a run of Weights & Biases per trial, memory, or nowhere."""

from tuner.trackers.base import Artifact, StudyRecord, Tracker, TrialLog
from tuner.trackers.memory import Memory, NoTracker
from tuner.trackers.wandb_sync import sync_runs
from tuner.trackers.weights_and_biases import WeightsAndBiases

__all__ = ["Artifact", "Memory", "NoTracker", "StudyRecord", "Tracker", "TrialLog", "WeightsAndBiases", "sync_runs"]
