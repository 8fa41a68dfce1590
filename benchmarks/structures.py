"""How many trials a structure gets before the next is drawn: best validation AUC against wall time for several numbers.

    python -m benchmarks.structures [--minutes 6] [--values 1 2 4 8 16] [--seeds 0 1 2] [--study magic]
        [--epochs 30] [--device cpu] [--rule]

Sweeps a study with one worker in this process, once for each number and seed, each for the same wall time and with
more trials in its budget than it can train. A small number tries more structures, in small packs (no pack has more
members than its structure has trials); a large one trains faster per trial. The numbers take turns within a seed, so
that a machine that slows down slows them all. The clock of a run begins before its events are prepared (seconds).
Printed are mean and standard deviation over seeds; only validation figures are read, the test part never. `--rule`
adds the number that the package takes now for the study's own budget. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.task import describe_device
from tuner.trackers.memory import NoTracker
from tuner.training.device import find_device
from tuner.tuning import worker
from tuner.tuning.study import Budget, Study
from tuner.tuning.sweep import sweep

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the time at which the best AUC is printed."""

ENDLESS = 100_000
"""Trials in the budget: time ends each run."""


@dataclass
class Clock(NoTracker):
    """A tracker that notes when which validation AUC was reached; it is its own log of each trial."""

    start: float = field(default_factory=time.perf_counter)
    best: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start and best validation AUC, at each improvement."""
    n_trials: int = 0
    n_epochs: int = 0

    def start_trial(
        self,
        *,
        study: str,
        trial: int,
        config: Mapping[str, Any],
        folder: Path,
        tags: Sequence[str] = (),
        resumes: int | None = None,
    ) -> Clock:
        """Count a trial."""
        del study, trial, config, folder, tags, resumes
        self.n_trials += 1
        return self

    def log_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Count an epoch, and note its AUC where it is the best so far."""
        del epoch
        self.n_epochs += 1
        auc = figures["validation_auc"]
        if not self.best or auc > self.best[-1][1]:
            self.best.append((time.perf_counter() - self.start, auc))

    def auc_at(self, seconds: float) -> float:
        """Return the best validation AUC at a time; not-a-number where there was none yet."""
        return max((auc for when, auc in self.best if when <= seconds), default=math.nan)


def main() -> None:
    """Run every number with every seed; print a line each, the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=6.0, help="of each run")
    parser.add_argument("--values", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="trials per structure")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--study", default="magic", help="a module of studies/")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--device", default=None, help="default: a GPU where there is one")
    parser.add_argument("--rule", action="store_true", help="the package's rule for the study's own budget, too")
    options = parser.parse_args()
    device = find_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    study: Study = import_module(f"studies.{options.study}").study
    values = set(options.values)
    if options.rule:
        values.add(worker.count_trials_per_structure(study, device))
    runs: dict[int, list[Clock]] = {value: [] for value in sorted(values)}
    for seed in options.seeds:
        for value, clocks in runs.items():
            clock = run(study, value, seed, minutes=options.minutes, n_epochs=options.epochs, device=device)
            clocks.append(clock)
            print(f"seed {seed}, {value} per structure: {clock.n_trials} trials, {clock.n_epochs} epochs, "
                  f"best validation AUC {clock.auc_at(math.inf):.5f}", flush=True)  # fmt: skip
    print(json.dumps(tabulate(runs, options.minutes) | vars(options) | {"device": describe_device(device)}))


def run(study: Study, per_structure: int, seed: int, *, minutes: float, n_epochs: int, device: torch.device) -> Clock:
    """Sweep for some minutes with a number of trials per structure, and return the clock."""
    budget = Budget(trials=ENDLESS, epochs=n_epochs, minutes=minutes, stop_in_vain=False)
    given = worker.count_trials_per_structure
    worker.count_trials_per_structure = lambda *_: per_structure
    try:
        with tempfile.TemporaryDirectory() as folder:
            clock = Clock()
            changed = dataclasses.replace(study, seed=seed, budget=budget)
            sweep(changed, folder=folder, workers=1, device=str(device), tracker=clock)
            return clock
    finally:
        worker.count_trials_per_structure = given


def tabulate(runs: Mapping[int, Sequence[Clock]], minutes: float) -> dict[str, Any]:
    """Print a line for each number of trials per structure and return the table."""
    marks = [share * minutes for share in SHARES]
    print("\nbest validation AUC, mean (standard deviation over seeds), after minutes")
    print("per structure" + "".join(f"{mark:>18g}" for mark in marks) + f"{'trials':>10}{'epochs':>10}")
    table: dict[str, Any] = {}
    for value, clocks in runs.items():
        at = [summarise(clock.auc_at(60 * mark) for clock in clocks) for mark in marks]
        n_trials, n_epochs = (np.mean([getattr(c, name) for c in clocks]) for name in ("n_trials", "n_epochs"))
        cells = "".join(f"{f'{mean:.5f} ({sd:.5f})':>18}" for mean, sd in at)
        print(f"{value:>13}{cells}{n_trials:10.0f}{n_epochs:10.0f}")
        table[str(value)] = {
            "auc": {f"{mark:g}": clean(mean) for mark, (mean, _) in zip(marks, at, strict=True)},
            "sd": {f"{mark:g}": clean(sd) for mark, (_, sd) in zip(marks, at, strict=True)},
            "trials": round(float(n_trials), 1),
            "epochs": round(float(n_epochs), 1),
        }
    return {"per_structure": table, "minutes": minutes}


def summarise(values: Iterable[float]) -> tuple[float, float]:
    """Return mean and standard deviation; not-a-number where a value is missing, or for the deviation of one."""
    given = np.array(list(values))
    return float(given.mean()), float(given.std(ddof=1)) if len(given) > 1 else math.nan


def clean(value: float) -> float | None:
    """Return a figure for JSON, which has no not-a-number."""
    return None if math.isnan(value) else round(value, 6)


if __name__ == "__main__":
    main()
