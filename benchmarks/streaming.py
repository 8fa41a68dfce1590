"""More events than memory: 20 million of 28 features from Parquet into a run folder, and an epoch of training.

    python -m benchmarks.streaming [--events 20000000] [--members 1] [--folder FOLDER]

Events of the simulated resonance, with 21 features of noise beside its 7, are written to Parquet 65,536 at a time.
One process prepares them into a run folder, as a sweep does. Another trains an epoch of a pack (MLP 2 x 64, batch
1024) from the mapped file; a third does the same with the inputs copied into memory first. Peak resident memory is the
operating system's own count, mapped events that were read included. One thread. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from pathlib import Path

from benchmarks.sizes import find_peak, run_alone

N_NOISE = 21


def main() -> None:
    """Write, prepare, train twice; print a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--folder", help="where the files go; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results = {"write": run_alone(write_events, folder, options.events)}
        tell("write", results["write"])
        results["prepare"] = run_alone(prepare, folder)
        tell("prepare", results["prepare"])
        for name, in_memory in (("mapped", False), ("memory", True)):
            results[name] = run_alone(train, folder, options.members, in_memory)
            tell(f"train, {name}", results[name])
    ratio = results["memory"]["epoch_s"] / results["mapped"]["epoch_s"]
    print(f"speed from the mapped file: {ratio:.2f} of that from memory")
    print(json.dumps({"events": options.events, "members": options.members, **results, "ratio": round(ratio, 3)}))


def tell(what: str, figures: dict[str, float]) -> None:
    """Print one process's figures."""
    print(f"{what:15}", ", ".join(f"{name} {value:,.1f}" for name, value in figures.items()), flush=True)


def write_events(folder: str, n_events: int) -> dict[str, float]:
    """Write the events to Parquet."""
    import numpy as np
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    from tuner.events import Resonance

    start, rng, writer = time.perf_counter(), np.random.default_rng(0), None
    for chunk in Resonance(n_events).chunks():
        noise = rng.standard_normal((N_NOISE, len(chunk)), np.float32)
        table = chunk.assign(label=chunk["label"].astype(str), **{f"noise_{i}": row for i, row in enumerate(noise)})
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        writer = writer or ParquetWriter(Path(folder) / "events.parquet", arrow.schema)
        writer.write_table(arrow)
    assert writer is not None
    writer.close()
    return {"s": time.perf_counter() - start, "peak_mb": find_peak()}


def prepare(folder: str) -> dict[str, float]:
    """Read the events, prepare them and keep them in a run folder, as a sweep does."""
    from studies.resonance import study
    from tuner.run_folder import RunFolder
    from tuner.tuning.prepared_run import keep_run, prepare_run

    start = time.perf_counter()
    problem = dataclasses.replace(study.problem, events=str(Path(folder) / "events.parquet"), nuisances=())
    run_folder = RunFolder(Path(folder) / "run")
    prepared = prepare_run(problem, study.preparation, run_folder)
    read = time.perf_counter()
    keep_run(prepared, run_folder)
    return {"read_and_prepare_s": read - start, "keep_s": time.perf_counter() - read, "peak_mb": find_peak()}


def train(folder: str, n_members: int, in_memory: bool) -> dict[str, float]:
    """Train one epoch of a pack, and validate it."""
    import torch

    import tuner.tuning.worker  # noqa: F401 - its imports take memory, too
    from tuner.models import MLPSettings
    from tuner.preparation.splits import load_splits
    from tuner.run_folder import RunFolder
    from tuner.training.data import load_training_data
    from tuner.training.pack import Member, Pack
    from tuner.training.settings import Settings, TrainingSettings

    torch.set_num_threads(1)
    data = load_training_data(load_splits(RunFolder(Path(folder) / "run").splits), torch.device("cpu"))
    if in_memory:
        data = dataclasses.replace(data, x=data.x.clone(), mapped=None)
    settings = Settings(network=MLPSettings(widths=(64, 64)), training=TrainingSettings(batch_size=1024))
    pack = Pack(settings, data, n_epochs=1)
    pack.admit(*[Member(number, settings, seed=number) for number in range(n_members)])
    start = time.perf_counter()
    pack.train_epoch()
    trained = time.perf_counter()
    pack.validate()
    return {"epoch_s": trained - start, "validate_s": time.perf_counter() - trained, "peak_mb": find_peak()}


if __name__ == "__main__":
    main()
