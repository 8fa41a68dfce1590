"""Files of events of each format, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.drafts.draft import draft_study
from tuner.events.reading import read_events, read_features
from tuner.problem import Problem

N_EVENTS = 200


def write_event_files(folder: Path) -> None:
    """Write the same events in each format."""
    import h5py
    import uproot
    from astropy.table import Table

    folder.mkdir(parents=True)
    table = _make_table()
    table.to_csv(folder / "events.csv", index=False)
    table.to_csv(folder / "events.csv.gz", index=False)
    table.to_csv(folder / "events.txt", index=False, sep=" ")
    table.to_csv(folder / "no header.data", index=False, header=False)
    table.to_parquet(folder / "events.parquet")
    table.to_parquet(folder / "plain.parquet", compression=None, row_group_size=50)
    with h5py.File(folder / "events.h5", "w") as file:
        for name in table.columns:
            file.create_dataset(f"events/{name}", data=table[name].to_numpy())
    with h5py.File(folder / "records.hdf5", "w") as file:
        file.create_dataset("events", data=table.to_records(index=False), compression="gzip")
    with uproot.recreate(folder / "events.root") as file:
        file["events"] = {name: table[name].to_numpy() for name in table.columns}
    table.to_feather(folder / "events.feather")
    table.to_feather(folder / "plain.arrow", compression="uncompressed")
    np.save(folder / "events.npy", table.to_records(index=False))
    np.savez_compressed(folder / "events.npz", **{name: table[name].to_numpy() for name in table.columns})
    Table.from_pandas(table).write(folder / "events.fits")
    Table.from_pandas(table).write(folder / "events.ecsv", format="ascii.ecsv")
    table.to_json(folder / "events.jsonl", orient="records", lines=True)
    attributes = "".join(f"@attribute {name} numeric\n" for name in table.columns)
    (folder / "events.arff").write_text(
        f"@relation events\n{attributes}@data\n{table.to_csv(index=False, header=False)}"
    )


def _make_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = np.arange(N_EVENTS) % 2
    b = rng.normal(size=N_EVENTS)
    b[::5] = -999.0
    table = {"a": rng.normal(size=N_EVENTS) + y, "b": b, "y": y, "w": rng.uniform(0.5, 2, N_EVENTS)}
    return pd.DataFrame(table | {"m": rng.normal(100, 5, N_EVENTS)})


def make_problem(path: Path) -> Problem:
    """Return the problem of these events."""
    observers = () if path.suffix == ".data" else ("m",)
    return Problem(
        question="Is it?",
        events=path,
        label="column_3" if path.suffix == ".data" else "y",
        signal=1,
        weight=None if path.suffix == ".data" else "w",
        observers=observers,
        undefined=-999.0,
    )


def _read(path: Path) -> Any:
    return read_events(make_problem(path)).digest


def _read_features(path: Path) -> Any:
    return read_features(make_problem(path), path).table.to_numpy()


def _draft(path: Path) -> Any:
    return draft_study(str(path)).text


OPERATIONS: Mapping[str, Callable[[Path], Any]] = {"read": _read, "features": _read_features, "new": _draft}
"""What reads a file of events, by name; each returns what can be compared."""
