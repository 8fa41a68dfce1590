"""Events a minute that `tuner predict` scores, from a file to a file, for the default network; and its peak memory.

    python -m benchmarks.predicting [--events 1000000] [--format parquet root h5 csv] [--candidate single bag]

A small search of the simulated resonance is swept first, with networks as wide as `search_spaces/mlp.py` begins with.
Each measurement is a process of its own. The bar is a million events a minute on two cores. The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import tuner
from benchmarks.reading import write_columns, write_csv, write_parquet, write_tree
from studies.resonance import study
from tuner.events import Resonance
from tuner.trackers import NoTracker

BAR = 1_000_000
"""Events a minute that are aimed at."""
WRITE = {"parquet": write_parquet, "root": write_tree, "h5": write_columns, "csv": write_csv}

PROGRAM = """
import resource, sys, time
from pathlib import Path
import tuner
from benchmarks.predicting import make_study
from tuner.prediction.score_files import predict_files
search = tuner.open_search(make_study(), sys.argv[1])
start = time.perf_counter()
scored = predict_files(search, [sys.argv[2]], [Path(sys.argv[3])], candidate=sys.argv[4])
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, scored.n_events)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--format", nargs="+", choices=list(WRITE), default=list(WRITE))
    parser.add_argument("--candidate", nargs="+", default=["single", "bag"])
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        table = Resonance(options.events, seed=9).read().drop(columns=["label"])
        for ending in options.format:
            path = folder / f"events.{ending}"
            WRITE[ending](table, path)
            for candidate in options.candidate:
                found[f"{ending}, {candidate}"] = measure(folder, path, candidate)
    print(json.dumps({"events": options.events, "bar": BAR, "events_a_minute": found}))


def make_study() -> tuner.Study:
    quick = tuner.EvaluationSettings(finalists=1, seeds=1, bag=8, refit=False, baseline_trials=0, replicas=20)
    problem = replace(study.problem, events=Resonance(8_000), nuisances=())
    budget = replace(study.budget, trials=1, epochs=3)
    return replace(study, name="predicting", problem=problem, budget=budget, evaluation=quick)


def prepare(folder: Path) -> None:
    search = tuner.sweep(make_study(), folder=folder, workers=1, tracker=NoTracker())
    tuner.evaluate(search, open_test=False, tracker=NoTracker())


def measure(folder: Path, path: Path, candidate: str) -> float:
    output = folder / f"scores{path.suffix}"
    start = time.perf_counter()
    arguments = [sys.executable, "-c", PROGRAM, str(folder), str(path), str(output), candidate]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    seconds, megabytes, n_events = map(float, done.stdout.split()[-3:])
    rate = 60 * n_events / seconds
    whole = time.perf_counter() - start
    print(f"{path.suffix:>9} {candidate:>8}: {rate / 1e6:.2f} million events a minute, {whole:.1f} s with the start")
    print(f"{'':>20}{megabytes:,.0f} MB at the most", flush=True)
    return rate


if __name__ == "__main__":
    main()
