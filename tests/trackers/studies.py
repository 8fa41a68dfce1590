"""A study's record with everything in it, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tuner.trackers import Artifact, StudyRecord


def make_record(folder: Path, *, n_trials: int = 4, **changes: object) -> StudyRecord:
    """Return the record of a study of `n_trials` trials, with files in `folder`."""
    picture, report, network = folder / "history.png", folder / "report.html", folder / "network.onnx"
    Figure(figsize=(1, 1)).savefig(picture)
    report.write_text(f"<h1>{n_trials} trials</h1>")
    network.write_bytes(b"onnx")
    trials = pd.DataFrame(
        {
            "number": range(n_trials),
            "auc": np.linspace(0.8, 0.9, n_trials),
            "reason": [None, *["pruned"] * (n_trials - 1)],
        }
    )
    fields = {
        "study": "magic",
        "folder": folder,
        "config": {"question": "gamma or hadron?", "budget": {"trials": n_trials}},
        "notes": f"# {n_trials} trials",
        "tags": ("mlp", "evaluated"),
        "summary": {"test/network/auc": 0.93, "test/network/auc/low": 0.92, "test/network/auc/high": 0.94},
        "history": [{"trials": n + 1, "minutes": n / 2, "best": 0.8 + n / 100} for n in range(n_trials)],
        "tables": {"trials": trials},
        "pictures": {"history": picture, "gone": folder / "gone.png"},
        "artifacts": (
            Artifact(name="events", kind="dataset", metadata={"digest": "abc"}),
            Artifact(name="splits", kind="dataset", metadata={"fingerprint": "def"}, made_from=("events",)),
            Artifact(name="network", kind="model", files=(network,), aliases=("winner",), made_from=("splits",)),
            Artifact(name="report", kind="report", files=(report,)),
        ),
    }
    return StudyRecord(**(fields | changes))
