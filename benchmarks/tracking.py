"""What trackers cost a pack of 16 trials, as a ratio to no tracker in the same run, and whether they keep memory.

    python -m benchmarks.tracking [--rounds 3] [--epochs 30] [--trials 1000] [--tracker wandb]

First a pack of 16 of MAGIC (or simulated events of its shape) is trained with each tracker in turn. Printed are the
share of the training's time that passes in the tracker's calls, the target being at most 2 % for each, and the median
ratio of the wall time to that without a tracker, which on a busy machine is mostly noise.

Then `--trials` short trials are logged with one tracker, 16 at once, without training between them, and the memory of
this process and of all that the tracker started is read meanwhile. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from benchmarks.task import DROPOUT, describe_device, load_task
from benchmarks.throughput import make_settings, put_task
from tuner.trackers import NoTracker, Tracker
from tuner.trackers.choice import open_tracker
from tuner.training.data import TrainingData
from tuner.training.device import find_device
from tuner.training.loop import Answer, train_members
from tuner.training.pack import Member, Pack

TARGET = 0.02
"""Largest share of the training's time that is aimed at."""

SLOTS = 16
FIGURES = {"train_loss": 0.5, "validation_loss": 0.5, "validation_auc": 0.9, "lr": 1e-3, "best_validation_auc": 0.9}


def main() -> None:
    """Time, read memory, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--tracker", action="append", help="default: wandb and memory")
    parser.add_argument("--device", default=None, help="default: a GPU where there is one")
    options = parser.parse_args()
    logging.getLogger("tuner").setLevel(logging.WARNING)
    device = find_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    data = put_task(load_task(), device)
    kinds = options.tracker or ["wandb", "memory"]
    time_pack(data, NoTracker(), 1)
    rounds = [
        {k: time_pack(data, open_tracker(k), options.epochs) for k in ["none", *kinds]} for _ in range(options.rounds)
    ]
    result: dict[str, Any] = {"device": describe_device(device)}
    for kind in kinds:
        share = statistics.median(spent / wall for wall, spent in (r[kind] for r in rounds))
        ratio = statistics.median(r[kind][0] / r["none"][0] for r in rounds)
        verdict = "met" if share <= TARGET else "MISSED"
        print(f"{kind:<8} {share:7.3%} of the training's time in its calls ({verdict}); wall time x {ratio:.3f}")
        result |= {f"{kind}_share": round(share, 5), f"{kind}_ratio": round(ratio, 3)}
    for kind in kinds:
        seconds, memory, cpu = log_trials(open_tracker(kind), options.trials, options.epochs)
        per_trial = cpu / options.trials
        print(
            f"{kind:<8} {options.trials} trials in {seconds:.0f} s, {per_trial:.4f} s of a core each in other processes"
        )
        print("         MB of this process, and of those it started, until the last one is written:")
        print("         " + "  ".join(f"{own:.0f} + {others:.0f}" for own, others in memory))
        result |= {f"{kind}_seconds": round(seconds, 1), f"{kind}_cpu_per_trial": round(per_trial, 4)}
        result |= {f"{kind}_memory": [round(sum(pair)) for pair in memory]}
    print(json.dumps(result))


def time_pack(data: TrainingData, tracker: Tracker, n_epochs: int) -> tuple[float, float]:
    """Train a pack, each epoch of each member logged; return seconds in all, and those in the tracker's calls."""
    settings = make_settings(DROPOUT)
    pack = Pack(settings, data, n_epochs=n_epochs)
    members = [Member(number, settings, seed=number) for number in range(SLOTS)]
    pack.admit(*members)
    spent = 0.0

    @contextmanager
    def count() -> Iterator[None]:
        nonlocal spent
        start = time.perf_counter()
        yield
        spent += time.perf_counter() - start

    def report(member: Member) -> Answer:
        row = member.curve[-1]
        with count():
            logs[member.number].log_epoch(member.age, {k: v for k, v in row.items() if k != "epoch"})
        return "go on"

    def end(member: Member, *_: object) -> None:
        with count():
            logs[member.number].finish("complete", summary={"auc": member.best})

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with count():
            logs = [
                tracker.start_trial(study="cost", trial=n, config={"lr": 1e-3}, folder=Path(folder))
                for n in range(SLOTS)
            ]
        train_members(pack, on_epoch=report, on_end=end, refill=lambda: None)
        seconds = time.perf_counter() - start
        tracker.close(120)
    return seconds, spent


def log_trials(tracker: Tracker, n_trials: int, n_epochs: int) -> tuple[float, list[tuple[float, float]], float]:
    """Log trials, as many at once as a pack has.

    Return seconds until all is written, ten readings of memory meanwhile, and seconds of a core in other processes.
    """
    start, start_cpu = time.perf_counter(), _count_cpu()
    with tempfile.TemporaryDirectory() as folder, _read_memory_every(0.5) as memory:
        for first in range(0, n_trials, SLOTS):
            numbers = range(first, min(first + SLOTS, n_trials))
            logs = [
                tracker.start_trial(study="memory", trial=n, config={"lr": 1e-3, "depth": n}, folder=Path(folder))
                for n in numbers
            ]
            for epoch in range(1, n_epochs + 1):
                for log in logs:
                    log.log_epoch(epoch, FIGURES)
                time.sleep(0.01)
            for log in logs:
                log.finish("complete", summary=FIGURES)
        tracker.close(300)
        seconds = time.perf_counter() - start
    return seconds, memory[:: max(1, len(memory) // 10)], _count_cpu() - start_cpu


@contextmanager
def _read_memory_every(seconds: float) -> Iterator[list[tuple[float, float]]]:
    """Read MB of this process, and of its children and theirs, on a thread for the time of the block."""
    memory: list[tuple[float, float]] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(seconds):
            with suppress(OSError, StopIteration):  # a process may end meanwhile
                memory.append((_read_megabytes("self"), sum(map(_read_megabytes, _list_children("self")))))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def _count_cpu() -> float:
    """Return seconds of a core that ended children, and theirs, have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _list_children(pid: str) -> list[str]:
    children = [c for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    return children + [grandchild for child in children for grandchild in _list_children(child)]


def _read_megabytes(pid: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
