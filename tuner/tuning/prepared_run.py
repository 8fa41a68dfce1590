"""Steps 1 and 3 for a sweep: events read once, prepared once, shared by all workers of the run folder."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuner.checked_files import read_json, write_json
from tuner.errors import DamagedFileError, SplitsError
from tuner.run_folder import RunFolder

if TYPE_CHECKING:
    from tuner.preparation.settings import Preparation
    from tuner.preparation.splits import Splits
    from tuner.problem import Problem

logger = logging.getLogger("tuner")


@dataclass(frozen=True)
class PreparedRun:
    """Prepared parts that are in the run folder, or are to be put there."""

    splits: Splits
    key: dict[str, Any]
    """What the parts follow from."""
    is_kept: bool


def prepare_run(problem: Problem, preparation: Preparation, folder: RunFolder) -> PreparedRun:
    """Return the parts of a run: those in its folder where they follow from the same events, else prepared anew.

    Events are read each time, so that a run never goes on with other events unnoticed. Nothing is written. Raise
    `EventsError`, `SplitsError`.
    """
    from tuner.events.reading import read_events
    from tuner.preparation.splits import prepare_splits

    events = read_events(problem)
    key = {
        "events": events.digest,
        "event_id": problem.event_id,
        "preparation": {**asdict(preparation), "fractions": list(preparation.fractions)},
    }
    try:
        kept = _load_kept(folder, key)
    except (DamagedFileError, SplitsError) as error:
        logger.warning("The prepared events are damaged and are made again from the events: %s", error)
        kept = None
    if kept is not None:
        return PreparedRun(kept, key, is_kept=True)
    return PreparedRun(prepare_splits(events, problem, preparation), key, is_kept=False)


def _load_kept(folder: RunFolder, key: dict[str, Any]) -> Splits | None:
    """Return the parts in the run folder; None where there are none, or of other events.

    Raise `DamagedFileError`, `SplitsError` where they are not whole.
    """
    from tuner.preparation.splits import load_splits

    advice = "The events are prepared again."
    return load_splits(folder.splits) if read_json(folder.splits / "key.json", advice=advice) == key else None


def keep_run(prepared: PreparedRun, folder: RunFolder) -> Splits:
    """Write parts into the run folder where they are not there; return them mapped from it.

    Of several calls at once one writes, and the others take what it has written.
    """
    from tuner.preparation.splits import load_splits, save_splits

    with FileLock(folder.lock):
        if not prepared.is_kept:
            with suppress(DamagedFileError, SplitsError):
                if (kept := _load_kept(folder, prepared.key)) is not None:
                    return kept
            save_splits(prepared.splits, folder.splits)
            write_json(folder.splits / "key.json", prepared.key)
        return load_splits(folder.splits)
