"""Share of a sweep's time that is not arithmetic: sampling, storage, tracking, pictures, checkpoints, pack sizes.

    python -m benchmarks.overhead [--trials 48] [--epochs 30] [--workers 2] [--device cpu] [--tracker wandb]

Sweeps MAGIC (or simulated events) as `tuner sweep` does: worker processes on a journal, as many as it takes unless
`--workers` says otherwise, Weights & Biases as it comes (`--tracker none` for none). Arithmetic is what is spent inside
training epochs and validation; on a GPU, which several packs share, also each round of the host at whose beginning the
GPU had work. The rest of a worker's run, from its first trial until its last picture is drawn, is overhead, the
measurement of pack sizes included. The target, at most 10 %, is of this share, summed over workers.

Threads that write and draw beside the training count where it waits for them. Printed too is the share by seconds on a
core, which counts all they do (but not the service of Weights & Biases, a process of its own). Apart from both are
start-up, preparation of the events and cores that wait for the last worker: a matter of the sweep's length. The last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch

from benchmarks import timed_study
from benchmarks.task import describe_device
from benchmarks.timed_study import ALL, ALL_CPU, ARITHMETIC, ARITHMETIC_CPU, SECONDS
from tuner.launchers.allocation import choose_workers
from tuner.trackers import NoTracker, WeightsAndBiases
from tuner.training.device import find_device
from tuner.tuning.study import Budget
from tuner.tuning.sweep import run_sweep

TARGET = 0.10
"""Largest share that is aimed at."""


def main() -> None:
    """Sweep, add up, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=48)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--workers", type=int, default=None, help="processes; default: as `tuner sweep`")
    parser.add_argument("--device", default=None, help="default: a GPU where there is one")
    parser.add_argument("--tracker", choices=["wandb", "none"], default="wandb")
    options = parser.parse_args()
    device = find_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    budget = Budget(trials=options.trials, epochs=options.epochs, stop_in_vain=False)
    study = dataclasses.replace(timed_study.study, budget=budget)
    study_file = Path(timed_study.__file__)
    n_workers = choose_workers(options.trials, options.workers, str(device), study_file)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run_sweep(
            study,
            folder=folder,
            workers=n_workers,
            device=str(device),
            tracker=NoTracker() if options.tracker == "none" else WeightsAndBiases(),
            study_file=study_file,
            options=["--tracker", options.tracker],
        )
        seconds = time.perf_counter() - start
        workers = [Counter(json.loads(p.read_text())) for p in Path(folder, study.name).glob(SECONDS.format("*"))]
    spent: Counter[str] = sum(workers, Counter())
    overhead, overhead_cpu = 1 - spent[ARITHMETIC] / spent[ALL], 1 - spent[ARITHMETIC_CPU] / spent[ALL_CPU]
    waiting = 1 - spent[ALL] / (n_workers * seconds)
    rate = 60 * options.trials / seconds
    print(
        f"{study.problem.events.describe()}; tracker: {options.tracker}; {len(workers)} workers, {spent[ALL]:.0f} s "
        f"in all, within a sweep of {seconds:.0f} s"
    )
    for what, amount in spent.most_common():
        if what not in (ALL, ALL_CPU, ARITHMETIC_CPU):
            print(f"  {what:<24} {amount:8.2f} s {amount / spent[ALL]:7.1%}")
    verdict = "met" if overhead <= TARGET else "MISSED"
    print(f"everything but arithmetic: {overhead:.1%} of the workers' time; target of at most {TARGET:.0%}: {verdict}")
    print(f"by seconds on a core, other threads included: {overhead_cpu:.1%}")
    print(f"start-up, preparation and waiting, apart from that: {waiting:.1%} of what {n_workers} workers had")
    print(f"{rate:.0f} trials a minute, start-up and preparation included, on {describe_device(device)}")
    figures = {"overhead": overhead, "overhead_cpu": overhead_cpu, "start_up_and_waiting": waiting, "seconds": seconds}
    result = {k: round(v, 4) for k, v in figures.items()} | {"trials_per_minute": round(rate, 1)}
    asked = vars(options) | {"device": describe_device(device), "workers": n_workers}
    print(json.dumps(result | {"met": overhead <= TARGET} | asked))


if __name__ == "__main__":
    main()
