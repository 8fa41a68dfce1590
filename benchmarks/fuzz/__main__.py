"""Damage many files, read them, count what comes.

    python -m benchmarks.fuzz [--inputs 10000] [--seed 0] [--processes 2] [--only NUMBER]

Inputs are files of events of all formats and the files of a tiny search's run folder; each is damaged (cut, bits
flipped, blocks zeroed, garbage, emptied, exchanged, removed) and read by what reads it: `read_events`, `tuner new`,
sweep, status, predict, evaluate, report, export. It must be read as it was or be refused by a `TunerError`; the numbers
of a run folder may be others only where a warning says so. Each input has 20 or 60 seconds and 6 GB. Prints the counts
and each failure, by which `--only` repeats it; the exit code is 1 where there is one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.fuzz.processes import try_all
from benchmarks.fuzz.trying import FAILURES, measure_references, write_inputs


def main() -> int:
    """Fuzz, print counts and failures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, help="number of the one input that is tried")
    options = parser.parse_args()
    numbers = range(options.inputs) if options.only is None else [options.only]
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tuner-fuzz-") as scratch:
        write_inputs(Path(scratch) / "whole")
        references = measure_references(Path(scratch) / "whole", Path(scratch))
        for outcome in try_all(options.seed, iter(numbers), options.processes, Path(scratch), references):
            counts[outcome.outcome] += 1
            if outcome.outcome in FAILURES or options.only is not None:
                print(f"{outcome.number}: {outcome.what}: {outcome.outcome}. {outcome.detail}", flush=True)
            if outcome.outcome in FAILURES:
                failures[f"{outcome.outcome}: {outcome.detail.partition(':')[0]}"] += 1
    print(f"{counts.total()} inputs in {time.monotonic() - begun:.0f} s:")
    for name, count in counts.most_common():
        print(f"  {count:6d}  {name}")
    for name, count in failures.most_common():
        print(f"  {count:6d}  {name}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
