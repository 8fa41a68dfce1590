"""The events as they were read, kept in the run folder: what later steps need of them is not read again."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tuner.checked_files import describe_damage, expect_form, hash_file, read_json, read_table, write_json, write_table
from tuner.errors import DamagedFileError
from tuner.events.cut_flow import CutFlow
from tuner.events.event_ids import hash_ids
from tuner.events.table import Events, compute_digest
from tuner.events.variants import Direction
from tuner.mapped_arrays import save_array


@dataclass(frozen=True, eq=False)
class KeptEvents:
    """Events, and the same with what the problem's nuisances change."""

    events: Events
    """Event ids are numbered, from 0: which events share one is all that counts."""
    variants: Mapping[tuple[str, Direction], pd.DataFrame]
    """Nuisance and direction to the features that differ, float32 [n, k]."""
    known_digests: Mapping[str, str] | None = None
    """What `digests` gave when they were written; None: they are computed."""
    id_hashes: np.ndarray | None = None
    """Hash of each event's id, uint64 [n], as `tuner.events.event_ids` makes it, by which new events are known again;
    None where there are no ids, or an older version kept none."""

    def take_variant(self, nuisance: str, direction: Direction, rows: np.ndarray) -> pd.DataFrame:
        """Return all features of some shifted events, float32 [n_rows, d].

        Args:
            nuisance: Its name.
            direction: "up" or "down".
            rows: Indices of the events [n_rows].
        """
        changed = self.variants[nuisance, direction].iloc[rows]
        return self.events.table.iloc[rows].assign(**{str(name): changed[name].to_numpy() for name in changed})

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of the observers, the ids and each variant, by name."""
        if self.known_digests is not None:
            return dict(self.known_digests)
        events, every = self.events, np.arange(len(self.events.labels))
        ids = {} if events.event_id is None else {"event id": pd.Series(events.event_id)}
        return {
            "observers": hash_columns(dict(events.observers.items())),
            "event ids": hash_columns(ids),
            **{
                f"{nuisance}, {direction}": compute_digest(
                    self.take_variant(nuisance, direction, every), events.labels, events.weights, codes=events.codes
                )
                for nuisance, direction in self.variants
            },
        }


def hash_columns(columns: Mapping[Any, pd.Series]) -> str:
    """Return the SHA-256 of the values of columns of numbers or of text, by name."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        values = column.astype(np.float64) if pd.api.types.is_numeric_dtype(column.dtype) else column
        digest.update(f"{name}\0".encode())
        digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def keep_events(events: Events, variants: Mapping[tuple[str, Direction], pd.DataFrame]) -> KeptEvents:
    """Return events with what differs in their variants.

    Args:
        events: As they were read.
        variants: Nuisance and direction to all features of the shifted events, float32 [n, d].
    """
    numbered = None if events.event_id is None else np.unique(events.event_id, return_inverse=True)[1]
    changed = {}
    for key, table in variants.items():
        differ = [
            name
            for name in events.features
            if not np.array_equal(table[name].to_numpy(), events.table[name].to_numpy(), equal_nan=True)
        ]
        changed[key] = table[differ]
    hashes = None if events.event_id is None else hash_ids(events.event_id)
    return KeptEvents(replace(events, event_id=numbered), changed, id_hashes=hashes)


def save_events(kept: KeptEvents, folder: Path) -> None:
    """Write a folder that replaces what was there at once, so that no reader meets half of it."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    events = kept.events
    arrays = {"features": events.table.to_numpy(), "labels": events.labels, "weights": events.weights}
    optional = ("event_id", "rows", "given_parts")
    arrays |= {name: array for name in optional if (array := getattr(events, name)) is not None}
    if kept.id_hashes is not None:
        arrays["id_hashes"] = kept.id_hashes
    variants = []
    for number, ((nuisance, direction), table) in enumerate(kept.variants.items()):
        arrays[f"variant_{number}"] = table.to_numpy()
        variants.append({"nuisance": nuisance, "direction": direction, "features": list(table.columns)})
    for name, array in arrays.items():
        save_array(partial / f"{name}.npy", array)
    write_table(partial / "observers.parquet", events.observers)
    content = {
        "digest": events.digest,
        "features": list(events.features),
        "observers": list(events.observers.columns),
        "source": events.source,
        "optimum": events.optimum,
        "cut_flow": None if events.cut_flow is None else events.cut_flow.to_json(),
        "notes": list(events.notes),
        "codes": {name: list(texts) for name, texts in events.codes.items()},
        "variants": variants,
        "digests": kept.digests,
        "files": {path.name: hash_file(path) for path in sorted(partial.iterdir())},
    }
    write_json(partial / "events.json", content)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load_events(folder: Path) -> KeptEvents:
    """Return events whose numbers are mapped from the files of a folder.

    Raises:
        DamagedFileError: A file is not there, or does not fit its checksum.
    """
    path = folder / "events.json"
    content = read_json(path, advice="")
    with expect_form(path, advice=""):
        for name, checksum in content["files"].items():
            if not (folder / name).exists() or hash_file(folder / name) != checksum:
                raise describe_damage(folder / name, "its checksum is another", advice="")
        observers = read_table(folder / "observers.parquet", advice="")
        if observers.empty:  # a file of no columns has lost the number of events
            observers = pd.DataFrame(index=pd.RangeIndex(len(np.load(folder / "labels.npy", mmap_mode="r"))))
        events = Events(
            pd.DataFrame(_map_array(folder / "features.npy"), columns=content["features"], copy=False),
            _map_array(folder / "labels.npy"),
            _map_array(folder / "weights.npy"),
            observers,
            event_id=_map_array(folder / "event_id.npy") if "event_id.npy" in content["files"] else None,
            source=content["source"],
            digest=content["digest"],
            optimum=content["optimum"],
            cut_flow=CutFlow.from_json(content.get("cut_flow")),
            rows=_map_array(folder / "rows.npy") if "rows.npy" in content["files"] else None,
            notes=tuple(content["notes"]),
            codes={name: tuple(texts) for name, texts in content["codes"].items()},
            given_parts=_map_array(folder / "given_parts.npy") if "given_parts.npy" in content["files"] else None,
        )
        variants = {
            (kept["nuisance"], kept["direction"]): pd.DataFrame(
                _map_array(folder / f"variant_{number}.npy"), columns=kept["features"], copy=False
            )
            for number, kept in enumerate(content["variants"])
        }
        hashes = _map_array(folder / "id_hashes.npy") if "id_hashes.npy" in content["files"] else None
        return KeptEvents(events, variants, content["digests"], hashes)


def load_cut_flow(folder: Path) -> CutFlow | None:
    """Return what the selection left of the events of a folder; None without a selection, or where it is damaged."""
    try:
        return CutFlow.from_json(read_json(folder / "events.json", advice="").get("cut_flow"))
    except (DamagedFileError, KeyError, TypeError):
        return None


def _map_array(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="c")
    return array
