"""Where numbers go: Weights & Biases, TensorBoard, MLflow, JSON lines, memory, several of them, or nowhere."""

from tuner.trackers.base import Artifact, StudyRecord, Tracker, TrialLog
from tuner.trackers.json_lines import JsonLines
from tuner.trackers.memory import Memory, NoTracker
from tuner.trackers.mlflow_tracker import MLflow
from tuner.trackers.several import Several
from tuner.trackers.tensorboard_events import TensorBoard
from tuner.trackers.wandb_sync import sync_runs
from tuner.trackers.weights_and_biases import WeightsAndBiases

__all__ = [
    "Artifact",
    "JsonLines",
    "MLflow",
    "Memory",
    "NoTracker",
    "Several",
    "StudyRecord",
    "TensorBoard",
    "Tracker",
    "TrialLog",
    "WeightsAndBiases",
    "sync_runs",
]
