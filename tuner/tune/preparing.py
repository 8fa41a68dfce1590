"""Steps 1 and 3 for a sweep: events read once, prepared once, shared by all workers of the run folder."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tuner.run_folder import RunFolder, read_json, write_json

if TYPE_CHECKING:
    from tuner.prepare.preparation import Preparation
    from tuner.prepare.splits import Splits
    from tuner.problem import Problem


def prepare_run(problem: Problem, preparation: Preparation, folder: RunFolder) -> Splits:
    """Return the prepared parts of a run, memory-mapped from its folder; prepare them where they are not there.

    Events are read each time, so that a run never goes on with other events unnoticed. Raise `EventsError`,
    `SplitsError`.
    """
    from tuner.prepare.splits import load_splits, prepare_splits, save_splits
    from tuner.read.step import read_events

    events = read_events(problem)
    key = {"events": events.digest, "preparation": {**asdict(preparation), "fractions": list(preparation.fractions)}}
    key_file = folder.splits / "key.json"
    if read_json(key_file) != key:
        save_splits(prepare_splits(events, problem, preparation), folder.splits)
        write_json(key_file, key)
    return load_splits(folder.splits)
