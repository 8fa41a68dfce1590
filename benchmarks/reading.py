"""Seconds and memory that reading a file takes, against the library of its format alone.

    python -m benchmarks.reading [--events 1000000] [--columns 20] [--rounds 3] [--quick] [--only parquet ...]

Each reading is a process of its own that gives a pandas DataFrame of float32 columns, ours by `File(path).read()`, in
turn with the other; the file is in the page cache. Fastest of the rounds. Memory is the peak of the process beyond what
it held after its imports, which Linux alone tells. The bar is at least 80 % of the bare library's speed. The last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import uproot

from tuner.events import File

BAR = 0.8
"""Least share of the bare library's speed that is aimed at."""


def write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, float_format="%.6g")


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path)


def write_tree(table: pd.DataFrame, path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mktree("events", {name: table[name].dtype for name in table.columns})
        for start in range(0, len(table), 100_000):
            part = table[start : start + 100_000]
            file["events"].extend({name: part[name].to_numpy() for name in part.columns})


def write_ntuple(table: pd.DataFrame, path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mkrntuple("events", {name: table[name].to_numpy() for name in table.columns})


def write_records(table: pd.DataFrame, path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["events"] = table.to_records(index=False)


def write_packed_records(table: pd.DataFrame, path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("events", data=table.to_records(index=False), compression="gzip", compression_opts=1)


def write_columns(table: pd.DataFrame, path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name in table.columns:
            file.create_dataset(f"events/{name}", data=table[name].to_numpy())


def read_root(path: Path) -> pd.DataFrame:
    with uproot.open(path) as file:
        table: pd.DataFrame = file["events"].arrays(library="pd")
        return table


def read_records(path: Path) -> pd.DataFrame:
    with h5py.File(path) as file:
        return pd.DataFrame(file["events"][:])


def read_columns(path: Path) -> pd.DataFrame:
    with h5py.File(path) as file:
        return pd.DataFrame({name: values[:] for name, values in file["events"].items()})


Writer = Callable[[pd.DataFrame, Path], None]
Reader = Callable[[Path], pd.DataFrame]

FORMATS: dict[str, tuple[str, Writer, Reader]] = {
    "CSV": ("events.csv", write_csv, pd.read_csv),
    "Parquet": ("events.parquet", write_parquet, lambda path: pq.read_table(path).to_pandas()),
    "TTree": ("tree.root", write_tree, read_root),
    "RNTuple": ("ntuple.root", write_ntuple, read_root),
    "HDF5 records": ("records.h5", write_records, read_records),
    "HDF5 records, gzip": ("packed.h5", write_packed_records, read_records),
    "HDF5 columns": ("columns.h5", write_columns, read_columns),
}
"""File name, how it is written, and how the bare library reads it, of each format."""


def main() -> None:
    """Write a file of each format, read it by both in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="100,000 events")
    parser.add_argument("--only", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--measure", nargs=3, metavar=("WHO", "FORMAT", "PATH"), help="one reading, in this process")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    n_events = 100_000 if options.quick else options.events
    values = np.random.default_rng(0).normal(size=(n_events, options.columns)).astype(np.float32)
    table = pd.DataFrame(values, columns=[f"x{number}" for number in range(options.columns)])
    results: dict[str, dict[str, Any]] = {}
    print(f"{n_events:,} events x {options.columns} columns\n{'':<20} {'ours':>16} {'bare':>16} {'speed of bare':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            file_name, write, _ = FORMATS[name]
            path = Path(folder) / file_name
            write(table, path)
            rounds = [{who: measure_apart(who, name, path) for who in ("ours", "bare")} for _ in range(options.rounds)]
            path.unlink()
            best = {who: min(seconds for seconds, _ in (r[who] for r in rounds)) for who in ("ours", "bare")}
            peak = {who: min(megabytes for _, megabytes in (r[who] for r in rounds)) for who in ("ours", "bare")}
            share = best["bare"] / best["ours"]
            told = [f"{best[who]:6.2f} s {peak[who]:5.0f} MB" for who in ("ours", "bare")]
            print(f"{name:<20} {told[0]:>16} {told[1]:>16} {share:>13.0%}{'' if share >= BAR else '  below the bar'}")
            results[name] = {"seconds": best, "megabytes": peak, "share": round(share, 3)}
    print(json.dumps(results))


def measure_apart(who: str, name: str, path: Path) -> tuple[float, float]:
    """Read a file in a process of its own; return seconds and megabytes."""
    command = [sys.executable, "-m", "benchmarks.reading", "--measure", who, name, str(path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, megabytes = json.loads(told)
    return seconds, megabytes


def measure(who: str, name: str, path: str) -> tuple[float, float]:
    """Read a file, once for what the libraries do at their first call and once timed; return seconds and megabytes."""
    _, write, read_bare = FORMATS[name]
    small = Path(path).with_name(f"small-{Path(path).name}")
    write(pd.DataFrame({"x0": np.zeros(10, np.float32), "x1": np.ones(10, np.float32)}), small)
    read: Reader = read_bare if who == "bare" else lambda file: File(file).read()
    read(small)
    small.unlink()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far, which a process may inherit, counts no more
    before = read_peak()
    start = time.perf_counter()
    table = read(Path(path))
    seconds = time.perf_counter() - start
    float(table.iloc[-1, -1])
    return seconds, read_peak() - before


def read_peak() -> float:
    """Return the most memory that this process has held, in MB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
