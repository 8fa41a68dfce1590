"""Time and memory against the number of events, and against the members of a pack.

    python -m benchmarks.sizes [--events 10000 100000 1000000] [--slots 1 2 4 8 16] [--pack-events 100000]

Events of the resonance are simulated and prepared into a run folder in one process; another maps the prepared parts
and trains one epoch of a pack (MLP 2 x 64, batch 1024), with all imported that a worker of a sweep imports. Each
number of events is trained by a pack of one, each number of members with `--pack-events` events. Peak resident memory
is the operating system's own count for the process; mapped events that were read count in it. One thread. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

# Nothing heavy is imported here: a process that is started begins with its parent's peak of memory.

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """What it took to prepare events."""

    read_s: float
    prepare_s: float
    peak_mb: float


@dataclass(frozen=True)
class Trained:
    """What it took to train a pack."""

    epoch_s: float
    """Seconds of an epoch, by member."""
    validate_s: float
    """Seconds of a validation, by member."""
    peak_mb: float


def main() -> None:
    """Run every size; print a row each and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--pack-events", type=int, default=100_000, help="events for the numbers of members")
    options = parser.parse_args()
    print("    events   read s  prepare s  peak MB  members  epoch s / member  validation s / member  peak MB")
    prepared: dict[int, Prepared] = {}
    by_events: dict[int, Trained] = {}
    by_slots: dict[int, Trained] = {}
    for n in sorted({*options.events, options.pack_events}):
        with tempfile.TemporaryDirectory() as folder:
            prepared[n] = run_alone(prepare, n, folder)
            for slots in options.slots if n == options.pack_events else [1]:
                trained = run_alone(train, folder, slots)
                print_row(n, prepared[n], slots, trained)
                by_slots |= {slots: trained} if n == options.pack_events else {}
                by_events |= {n: trained} if slots == 1 else {}
    parts = {"prepare": prepared, "events": by_events, "slots": by_slots}
    print(json.dumps({part: {n: describe(cost) for n, cost in costs.items()} for part, costs in parts.items()}))


def describe(cost: Prepared | Trained) -> dict[str, float]:
    """Return a cost for JSON."""
    return {name: round(value, 4) for name, value in dataclasses.asdict(cost).items()}


def print_row(n_events: int, prepared: Prepared, slots: int, trained: Trained) -> None:
    """Print a row of the table."""
    print(
        f"{n_events:>10,} {prepared.read_s:8.1f} {prepared.prepare_s:10.1f} {prepared.peak_mb:8.0f} {slots:8}"
        f" {trained.epoch_s:17.3f} {trained.validate_s:22.3f} {trained.peak_mb:8.0f}",
        flush=True,
    )


def run_alone(call: Callable[..., T], *arguments: object) -> T:
    """Return what a call returns in a fresh process of its own."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def prepare(n_events: int, folder: str) -> Prepared:
    """Simulate events, prepare them and write the parts."""
    from studies.resonance import study
    from tuner.events import Resonance
    from tuner.events.reading import read_events
    from tuner.preparation.splits import prepare_splits, save_splits

    start = time.perf_counter()
    problem = dataclasses.replace(study.problem, events=Resonance(n_events))
    events = read_events(problem)
    read = time.perf_counter()
    save_splits(prepare_splits(events, problem, study.preparation), Path(folder) / "splits")
    return Prepared(read - start, time.perf_counter() - read, find_peak())


def train(folder: str, slots: int) -> Trained:
    """Train one epoch of a pack, and validate it."""
    import torch

    import tuner.tuning.worker  # noqa: F401 - its imports take memory, too
    from tuner.models import MLPSettings
    from tuner.preparation.splits import load_splits
    from tuner.training.data import load_training_data
    from tuner.training.pack import Member, Pack
    from tuner.training.settings import Settings, TrainingSettings

    torch.set_num_threads(1)
    data = load_training_data(load_splits(Path(folder) / "splits"), torch.device("cpu"))
    settings = Settings(network=MLPSettings(widths=(64, 64)), training=TrainingSettings(batch_size=1024))
    pack = Pack(settings, data, n_epochs=1)
    pack.admit(*[Member(number, settings, seed=number) for number in range(slots)])
    pack.time_step()
    start = time.perf_counter()
    pack.train_epoch()
    trained = time.perf_counter()
    pack.validate()
    return Trained((trained - start) / slots, (time.perf_counter() - trained) / slots, find_peak())


def find_peak() -> float:
    """Return the peak of this process's resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
