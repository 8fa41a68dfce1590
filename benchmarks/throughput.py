"""Trained epochs per second, side by side with what a user would pick instead.

    python -m benchmarks.throughput [--quick] [--device cuda] [--slots 16]

Same events, network (MLP 3 x 128, dropout .1, AdamW, batch 256), epochs and validation AUC each epoch, reported to
Optuna. Each peer is timed in turn, `--rounds` times over; the medians of the ratios within a round are printed. A
peer that is not installed is left out and named. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import optuna
import torch

from benchmarks.task import BATCH_SIZE, DEPTH, DROPOUT, LR, WEIGHT_DECAY, WIDTH, Task, describe_device, load_task
from tuner.models import MLPSettings
from tuner.training.data import TrainingData
from tuner.training.device import fast_products, find_device, mixed_precision
from tuner.training.loop import Answer, train_members
from tuner.training.pack import Member, Pack
from tuner.training.pack_size import choose_pack_size
from tuner.training.settings import Settings, TrainingSettings

Train = Callable[[Task, int, torch.device], None]

PEERS = {
    "dataloader": ("torch", "benchmarks.peers.plain", "train_with_data_loader"),
    "slices": ("torch", "benchmarks.peers.plain", "train_with_slices"),
    "lightning": ("lightning", "benchmarks.peers.lightning_peer", "train"),
    "skorch": ("skorch", "benchmarks.peers.skorch_peer", "train"),
    "ray": ("ray", "benchmarks.peers.ray_peer", "train"),
}
TRIALS = {"ray": 2}
"""Trials that one call of a peer trains, where it is not one."""


def main() -> None:
    """Time all, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the plain DataLoader loop alone, one round")
    parser.add_argument("--device", default=None, help="default: a GPU where there is one")
    parser.add_argument(
        "--slots", type=int, default=None, help="members of a pack; default: 16 on a CPU, else measured"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    device = find_device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    task = load_task()
    data, settings = put_task(task, device), make_settings(DROPOUT)
    size = choose_pack_size(Pack(settings, data, n_epochs=1), settings, most=1024 if device.type == "cuda" else 16)
    slots = options.slots or (size.slots if device.type == "cuda" else 16)
    peers, absent = find_peers(["dataloader"] if options.quick else list(PEERS))
    time_round(task, data, slots, peers=peers, n_epochs=1, device=device)  # imports and the like come once
    rounds = [
        time_round(task, data, slots, peers=peers, n_epochs=options.epochs, device=device)
        for _ in range(1 if options.quick else options.rounds)
    ]
    rates = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    ratios = {name: statistics.median(r["tuner"] / r[name] for r in rounds) for name in peers}
    share = measure_gemm_share(data, slots, device)
    print(f"{task.name}, {len(task.x):,} train events, {describe_device(device)}, one thread; pack of {slots}")
    print("seconds per step and member by size of pack: " + ", ".join(f"{k}: {v:.2e}" for k, v in size.curve.items()))
    for name, rate in rates.items():
        ratio = f"{ratios[name]:6.1f} x" if name in ratios else ""
        print(f"{name:<12} {rate:8.2f} trained epochs / s {ratio}")
    for name in absent:
        print(f"{name:<12} is not installed")
    print(f"share of the GEMM peak, without dropout: {share:.0%}")
    result = {name: round(ratio, 2) for name, ratio in ratios.items()}
    print(json.dumps(result | {"gemm_share": round(share, 3), "slots": slots, "device": describe_device(device)}))


def put_task(task: Task, device: torch.device) -> TrainingData:
    """Return the task as a pack reads it."""
    ones = torch.ones
    return TrainingData(
        x=task.x.to(device),
        labels=task.y.to(device),
        weights=ones(len(task.y), device=device),
        validation_x=task.validation_x.to(device),
        validation_labels=task.validation_y.to(device),
        validation_weights=ones(len(task.validation_y), dtype=torch.float64, device=device),
        validation_training_weights=ones(len(task.validation_y), device=device),
    )


def make_settings(dropout: float) -> Settings:
    """Return the network and training that the peers have, in our words."""
    training = TrainingSettings(
        batch_size=BATCH_SIZE, lr=LR, weight_decay=WEIGHT_DECAY, schedule="constant", warmup=0, patience=10**6
    )
    return Settings(network=MLPSettings(widths=(WIDTH,) * DEPTH, dropout=dropout), training=training)


def find_peers(names: list[str]) -> tuple[dict[str, Train], list[str]]:
    """Return the peers that are installed, and the names of those that are not."""
    there = [name for name in names if find_spec(PEERS[name][0])]
    return {name: getattr(import_module(PEERS[name][1]), PEERS[name][2]) for name in there}, [
        name for name in names if name not in there
    ]


def time_round(
    task: Task, data: TrainingData, slots: int, *, peers: dict[str, Train], n_epochs: int, device: torch.device
) -> dict[str, float]:
    """Return trained epochs per second of ours and of each peer."""
    rates = {"tuner": slots * n_epochs / time_call(lambda: train_pack(data, slots, n_epochs))}
    for name, train in peers.items():
        seconds = time_call(lambda train=train: train(task, n_epochs, device))  # type: ignore[misc]
        rates[name] = TRIALS.get(name, 1) * n_epochs / seconds
    return rates


def time_call(call: Callable[[], None]) -> float:
    """Return seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def train_pack(data: TrainingData, slots: int, n_epochs: int) -> None:
    """Train a pack as a sweep does: asked of Optuna, reported each epoch, told."""
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    trials = [study.ask() for _ in range(slots)]
    settings = make_settings(DROPOUT)
    pack = Pack(settings, data, n_epochs=n_epochs)
    pack.admit(*[Member(trial.number, settings, seed=trial.number) for trial in trials])

    def report(member: Member) -> Answer:
        trials[member.number].report(member.best, member.age)
        return "prune" if trials[member.number].should_prune() else "go on"

    train_members(
        pack,
        on_epoch=report,
        on_end=lambda member, _row, _outcome: study.tell(trials[member.number], member.best) and None,
        refill=lambda: None,
    )


def measure_gemm_share(data: TrainingData, slots: int, device: torch.device) -> float:
    """Return the share of the device's matrix product rate that training reaches, without dropout.

    Counted are three products per layer (forward and twice backward; the first layer needs no gradient of its
    input), 2 x inputs x outputs operations each per event.
    """
    settings = make_settings(0.0)
    pack = Pack(settings, data, n_epochs=2)
    pack.admit(*[Member(number, settings, seed=number) for number in range(slots)])
    pack.time_step()
    seconds = statistics.median(pack.time_step() for _ in range(20))
    widths = [data.d_in, *[WIDTH] * DEPTH, 1]
    products = [a * b * (2 if i == 0 else 3) for i, (a, b) in enumerate(itertools.pairwise(widths))]
    operations = 2 * sum(products) * pack.batch_size * slots
    return operations / seconds / measure_gemm(device)


def measure_gemm(device: torch.device) -> float:
    """Return operations per second of a large matrix product, in the precision of training: bfloat16 on a GPU."""
    n = 8192 if device.type == "cuda" else 1024
    a, b = torch.randn(n, n, device=device), torch.randn(n, n, device=device)
    with mixed_precision(device):
        dtype = (a @ b).dtype
    a, b = a.to(dtype), b.to(dtype)
    seconds = []
    for _ in range(12):
        start = time.perf_counter()
        with fast_products(device):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 2 * n**3 / statistics.median(seconds)


if __name__ == "__main__":
    main()
