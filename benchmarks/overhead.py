"""Share of a sweep's wall time that is not arithmetic: sampling, storage, tracking, pictures, checkpoints.

    python -m benchmarks.overhead [--trials 24] [--no-tracker]

Sweeps MAGIC (or simulated events) in this process with one worker and adds up the seconds inside training steps,
validation and the measurement of pack sizes; the rest, from the first trial to the last, is overhead. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from studies import magic, resonance
from tuner.errors import EventsError
from tuner.train.pack import Pack
from tuner.tune.asking import Asker
from tuner.tune.study import Budget, Study
from tuner.tune.sweep import sweep
from tuner.tune.worker import Worker


def main() -> None:
    """Sweep, add up, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--no-tracker", action="store_true", help="without Weights & Biases")
    options = parser.parse_args()
    torch.set_num_threads(1)
    from tuner.trackers import NoTracker, WeightsAndBiases

    spent: Counter[str] = Counter()
    for owner, name, what in (
        (Pack, "train_epoch", "training"),
        (Pack, "validate", "validation"),
        (Worker, "_choose_size", "pack sizes"),
        (Asker, "ask", "sampling"),
        (Worker, "_report", "reports"),
        (Worker, "_tell", "ends of trials"),
        (Worker, "run", "all"),
    ):
        setattr(owner, name, count_seconds(spent, what, getattr(owner, name)))
    with tempfile.TemporaryDirectory() as folder:
        study = dataclasses.replace(choose_study(), name="overhead", budget=Budget(trials=options.trials, epochs=30))
        sweep(study, folder=folder, workers=1, tracker=NoTracker() if options.no_tracker else WeightsAndBiases())
    arithmetic = spent["training"] + spent["validation"]
    overhead = 1 - arithmetic / spent["all"]
    for what, seconds in spent.most_common():
        print(f"{what:<16} {seconds:8.2f} s {seconds / spent['all']:7.1%}")
    print(f"everything but arithmetic: {overhead:.1%} of {spent['all']:.0f} s")
    print(json.dumps({"overhead": round(overhead, 4), "seconds": round(spent["all"], 1), "trials": options.trials}))


def choose_study() -> Study:
    """Return MAGIC where its events are at hand, else the resonance."""
    try:
        magic.study.problem.events.read()  # type: ignore[union-attr]
    except EventsError:
        return resonance.study
    return magic.study


def count_seconds(spent: Counter[str], what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a call that adds its seconds to `spent`."""

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            spent[what] += time.perf_counter() - start  # type: ignore[assignment]

    return timed


if __name__ == "__main__":
    main()
