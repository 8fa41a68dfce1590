"""Track three trials in a fresh process: `python track_three.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from tuner.trackers import WeightsAndBiases

folder = Path(sys.argv[1])
Figure(figsize=(1, 1)).savefig(folder / "roc.png")
tracker = WeightsAndBiases()
logs = [
    tracker.start_trial(study="magic", trial=n, config={"lr": 0.1 + n, "depth": n}, folder=folder, tags=["mlp"])
    for n in range(3)
]
for epoch in range(4):
    for n, log in enumerate(logs):
        log.log_epoch(epoch, {"train_loss": 1.0 / (epoch + 1), "validation_auc": 0.5 + 0.1 * n + 0.01 * epoch})
logs[0].finish("complete", summary={"auc": 0.9, "best_epoch": 3}, pictures={"roc": folder / "roc.png"})
logs[1].finish("pruned", summary={"auc": 0.8}, reason="stopped at epoch 3")
logs[2].finish("failed", summary={}, reason="the loss is not a number")
tracker.close(60)
