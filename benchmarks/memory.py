"""Time and memory against the number of events: simulate, prepare, train.

    python -m benchmarks.memory [--events 10000 100000 1000000]

Each size runs in processes of its own: one that simulates and prepares into a run folder, one that maps the prepared
parts and trains one epoch of a pack, as a worker does. Peak resident memory is the operating system's own count. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile

PREPARE = """
import dataclasses, json, resource, sys, time
from pathlib import Path
from studies.resonance import study
from tuner.prepare.splits import prepare_splits, save_splits
from tuner.read import Resonance
from tuner.read.step import read_events
n, folder = int(sys.argv[1]), Path(sys.argv[2])
start = time.perf_counter()
problem = dataclasses.replace(study.problem, events=Resonance(n))
events = read_events(problem)
read = time.perf_counter() - start
start = time.perf_counter()
save_splits(prepare_splits(events, problem, study.preparation), folder / "splits")
print(json.dumps({"read_s": read, "prepare_s": time.perf_counter() - start,
                  "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""

TRAIN = """
import json, resource, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from tuner.models import MLPSettings
from tuner.prepare.splits import load_splits
from tuner.train.data import load_training_data
from tuner.train.pack import Member, Pack
from tuner.train.settings import Settings, TrainingSettings
n, folder, slots = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
data = load_training_data(load_splits(folder / "splits"), torch.device("cpu"))
settings = Settings(network=MLPSettings(widths=(64, 64)), training=TrainingSettings(batch_size=1024))
pack = Pack(settings, data, n_epochs=1)
for i in range(slots):
    pack.admit(Member(i, settings, seed=i))
start = time.perf_counter()
pack.train_epoch()
epoch = time.perf_counter() - start
start = time.perf_counter()
pack.validate()
print(json.dumps({"epoch_s": epoch / slots, "validate_s": (time.perf_counter() - start) / slots,
                  "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    """Run every size and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    result = {}
    for n in options.events:
        with tempfile.TemporaryDirectory() as folder:
            prepared = run(PREPARE, n, folder)
            print(
                f"{n:>10,} events: read {prepared['read_s']:6.1f} s, prepare {prepared['prepare_s']:6.1f} s, "
                f"peak {prepared['rss_mb']:6.0f} MB"
            )
            result[str(n)] = {"prepare": prepared}
            for slots in options.slots:
                trained = run(TRAIN, n, folder, slots)
                result[str(n)][f"train {slots}"] = trained
                print(
                    f"{'':>18} pack of {slots:>2}: epoch {trained['epoch_s']:6.2f} s a member, validation "
                    f"{trained['validate_s']:5.2f} s, peak {trained['rss_mb']:6.0f} MB"
                )
    print(json.dumps(result))


def run(program: str, *arguments: object) -> dict[str, float]:
    """Run a program in a process of its own and return the JSON object that it prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main()
