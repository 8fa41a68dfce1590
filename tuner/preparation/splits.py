"""Step 3, prepare: split the events, fit the preprocessing on train, weight for training."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tuner.checked_files import describe_damage, hash_file, read_json, write_json
from tuner.errors import SplitsError, TunerError, raise_together, suggest_name
from tuner.events.checks.copies import find_copies
from tuner.events.name_patterns import fits
from tuner.events.table import Events
from tuner.mapped_arrays import LARGE, allocate, gather_columns, release, save_array
from tuner.preparation.groups import join_groups
from tuner.preparation.kept_events import hash_columns
from tuner.preparation.preprocessing import Preprocessing, fit_preprocessing
from tuner.preparation.settings import Preparation
from tuner.preparation.splitting import PARTS, check_classes, split_rows
from tuner.preparation.training_weights import make_training_weights
from tuner.problem import Problem

N_FITTED = 200_000
"""Most train events that the preprocessing is fitted on: quantiles are known to 0.1 % then."""
_CHUNK = 65_536


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the events, prepared."""

    x: np.ndarray
    """Inputs of a network, float32 [n, d_in]."""
    labels: np.ndarray
    """Float32 [n] in {0, 1}."""
    weights: np.ndarray
    """Event weights as they were read, float64 [n]."""
    training_weights: np.ndarray
    """What the loss uses, float32 [n]: mean 1 over the events that are used, 0 for those that are not."""
    rows: np.ndarray
    """Indices of these events in `Events`, int64 [n]."""


@dataclass(frozen=True, eq=False, repr=False)
class Splits:
    """Train, validation and test parts, and the preprocessing that was fitted on train."""

    train: Part
    validation: Part
    test: Part
    preprocessing: Preprocessing
    events_digest: str
    """SHA-256 of the events that were split."""
    groups: np.ndarray | None = None
    """Number of each event's group, int64 [n_events]: events of one id, of one value of `keep_together`, or equal in
    all features come into one fold. None: each event is a group of its own."""

    @property
    def d_in(self) -> int:
        """Number of inputs of a network."""
        return self.preprocessing.d_in

    def __repr__(self) -> str:
        """Return how many events are in each part, and what a network takes."""
        counts = ", ".join(f"{len(getattr(self, name).rows):,} {name}" for name in PARTS)
        return f"Splits({counts}; {len(self.preprocessing.features)} features as {self.d_in} inputs)"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of which events are in which part: the same for the same split of the same events."""
        digest = hashlib.sha256(self.events_digest.encode())
        for part in (self.train, self.validation, self.test):
            digest.update(f"\0{len(part.rows)}\0".encode())
            digest.update(np.ascontiguousarray(part.rows, dtype="<i8").tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of which events are in each part, by its name, whatever their order and the other parts."""
        found = {}
        for name in PARTS:
            digest = hashlib.sha256(self.events_digest.encode())
            digest.update(np.sort(np.asarray(getattr(self, name).rows, dtype="<i8")).tobytes())
            found[name] = digest.hexdigest()
        return found


def prepare_splits(events: Events, problem: Problem, preparation: Preparation | None = None) -> Splits:
    """Split the events, each class alike where nothing else is asked, and prepare each part with what train tells.

    Events that share an id come into one part. The same seed gives the same split.

    Args:
        events: What `read_events` returned.
        problem: Names the columns that events may be split by, and the label, for messages.
        preparation: Sizes of the parts, transformations, weights, seed. None: the defaults of `Preparation`.

    Returns:
        Train, validation and test parts, with the preprocessing that was fitted on train.

    Raises:
        SplitsError: A part would lack a class, the weights of a class do not add up to more than 0 in it, or the
            preparation asks for a column, value or transformation that is not there.
    """
    preparation = preparation or Preparation()
    inputs = take_split_inputs(events, problem, preparation)
    groups = join_groups([events.event_id, inputs.together])
    linked = join_groups([groups, find_copies(events.table)])
    chosen = split_rows(
        events.labels, groups, preparation, column=inputs.column, given=events.given_parts, linked=linked
    )
    rows = dict(zip(PARTS, chosen, strict=True))
    check_classes(rows, events.labels, events.weights, problem.label)
    # Train rows are in random order: the first of them are a fair sample.
    fitted = gather_columns(events.table.to_numpy(), rows["train"][:N_FITTED])
    categories = {name for name in events.features if name in events.codes or fits(name, problem.categories)}
    preprocessing = fit_preprocessing(fitted, events.features, preparation, categories=categories, codes=events.codes)
    keep_negative = replace(preparation, negative_weights="keep")
    parts = {
        name: _prepare_part(events, rows[name], preprocessing, preparation if name == "train" else keep_negative)
        for name in PARTS
    }
    return Splits(**parts, preprocessing=preprocessing, events_digest=events.digest, groups=linked)


@dataclass(frozen=True, eq=False)
class SplitInputs:
    """Columns of the events, each [n] or None, that a split follows from beside features and labels."""

    column: np.ndarray | None
    """What the rule of the preparation splits by."""
    together: np.ndarray | None
    """Of which equal values stay together."""
    event_id: np.ndarray | None
    """Ids of the events."""
    given_parts: np.ndarray | None
    """Parts that files say."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the values."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return hash_columns({name: pd.Series(values) for name, values in columns.items() if values is not None})


def take_split_inputs(events: Events, problem: Problem, preparation: Preparation) -> SplitInputs:
    """Return the columns that a split follows from. Raise `SplitsError` where one that is named was not read."""
    named = {
        "split": None if preparation.split is None else preparation.split.column,
        "keep_together": preparation.keep_together,
    }
    found: dict[str, np.ndarray | None] = dict.fromkeys(named)
    problems = []
    for field, name in named.items():
        if name is None:
            continue
        if name == problem.event_id and events.event_id is not None:
            found[field] = events.event_id
        elif name in events.observers:
            found[field] = events.observers[name].to_numpy()
        elif name in events.table:
            found[field] = events.table[name].to_numpy()
        else:
            near = suggest_name(name, [*events.observers, *events.features])
            problems.append(
                f'`{field}` of Preparation names column "{name}", which must be an observer, so that it is read and '
                f'never an input: `observers=("{name}",)`, or the event id.{near}'
            )
    raise_together(problems, SplitsError, "Preparation")
    return SplitInputs(found["split"], found["keep_together"], events.event_id, events.given_parts)


def save_splits(splits: Splits, folder: Path) -> None:
    """Write a folder of .npy files that replaces what was there at once, so that no reader meets half of it."""
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in PARTS:
        for field in fields(Part):
            save_array(partial / f"{name}-{field.name}.npy", getattr(getattr(splits, name), field.name))
    if splits.groups is not None:
        save_array(partial / "groups.npy", splits.groups)
    splits.preprocessing.save(partial / "preprocessing.npz")
    checksums = {path.name: hash_file(path) for path in sorted(partial.iterdir())}
    write_json(partial / "splits.json", {"events_digest": splits.events_digest, "files": checksums})
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def load_splits(folder: Path) -> Splits:
    """Return parts that are mapped from the files: processes share the memory; what one writes, no other sees.

    Args:
        folder: What `save_splits` wrote.

    Returns:
        The parts as they were prepared. Each file is compared with its checksum.

    Raises:
        SplitsError: A file is damaged or missing.
    """
    try:
        content = read_json(folder / "splits.json", advice="")
        _check_files(folder, content.get("files", {}))
        parts = {name: Part(**{field.name: _map_array(folder / f"{name}-{field.name}.npy") for field in fields(Part)})
                 for name in PARTS}  # fmt: skip
        preprocessing = Preprocessing.load(folder / "preprocessing.npz", advice="")
        _check_form(parts, preprocessing)
        groups = _map_array(folder / "groups.npy") if "groups.npy" in content.get("files", {}) else None
        return Splits(**parts, preprocessing=preprocessing, events_digest=content["events_digest"], groups=groups)
    except Exception as error:  # NumPy raises many kinds for files of an older version, which have no checksum
        what = str(error).strip() if isinstance(error, TunerError) else f"{type(error).__name__}: {error}"
        raise SplitsError(
            f'"{folder}" must hold prepared events, whole, but does not ({what}). '
            "Rerun `tuner sweep`, which prepares them again from the events."
        ) from error


def _prepare_part(events: Events, rows: np.ndarray, preprocessing: Preprocessing, preparation: Preparation) -> Part:
    """Return one part, transformed in chunks so that little memory is needed beside it; a large one is mapped."""
    values = events.table.to_numpy()
    x = allocate((len(rows), preprocessing.d_in), np.float32)
    n_gathered = max(_CHUNK, LARGE // max(1, values.shape[1] * values.itemsize))
    for first in range(0, len(rows), n_gathered):
        gathered = gather_columns(values, rows[first : first + n_gathered])
        for start in range(0, len(gathered), _CHUNK):
            chunk = gathered[start : start + _CHUNK]
            x[first + start : first + start + len(chunk)] = preprocessing.transform(chunk)
        release(x)
    labels, weights = events.labels[rows], events.weights[rows]
    training_weights = make_training_weights(
        labels, weights, kind=preparation.training_weights, negative=preparation.negative_weights
    )
    return Part(x, labels.astype(np.float32), weights, training_weights, rows)


def _check_files(folder: Path, checksums: Mapping[str, str]) -> None:
    """Raise `DamagedFileError` where a file does not fit its checksum."""
    for name, checksum in checksums.items():
        if hash_file(folder / name) != checksum:
            raise describe_damage(folder / name, "its checksum is another", advice="")


def _check_form(parts: Mapping[str, Part], preprocessing: Preprocessing) -> None:
    """Raise `ValueError` where arrays do not fit each other."""
    for name, part in parts.items():
        n_events = len(part.rows)
        if part.x.shape != (n_events, preprocessing.d_in):
            raise ValueError(f"x of {name} has shape {part.x.shape}, not {(n_events, preprocessing.d_in)}")
        for array in (part.labels, part.weights, part.training_weights, part.rows):
            if array.shape != (n_events,):
                raise ValueError(f"an array of {name} has shape {array.shape}, not {(n_events,)}")


def _map_array(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="c")
    return array
