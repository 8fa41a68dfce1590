"""Steps 1 and 3 for a sweep: events read once, prepared once, shared by all workers of the run folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuner.checked_files import read_json, warn_once, write_json
from tuner.errors import DamagedFileError, EventsError, SplitsError, name_all
from tuner.run_folder import RunFolder
from tuner.tuning.contents import describe_contents

if TYPE_CHECKING:
    from tuner.events.table import Events
    from tuner.preparation.kept_events import KeptEvents
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
    events: KeptEvents
    """The events as they were read just now."""
    events_key: dict[str, Any]
    """What they are, and what the problem asks of them."""


def prepare_run(problem: Problem, preparation: Preparation, folder: RunFolder) -> PreparedRun:
    """Return the parts of a run: those in its folder where they follow from the same events, else prepared anew.

    Events are read each time, so that a run never goes on with other events unnoticed; each source is read once.
    Nothing is written.

    Args:
        problem: The events and the roles of their columns.
        preparation: How events are split, scaled and weighted.
        folder: The run folder; it need not exist yet.

    Raises:
        EventsError: The events, or those of a nuisance's variant, do not hold what the problem says.
        SplitsError: A part would lack a class.
    """
    from tuner.preparation.settings import describe_preparation
    from tuner.preparation.splits import prepare_splits, take_split_inputs

    events, read, events_key = _read_events(problem)
    key = {
        "events": events.digest,
        "split_by": take_split_inputs(events, problem, preparation).digest,
        "categories": [*problem.categories],
        "preparation": json.loads(json.dumps(describe_preparation(preparation))),
    }
    try:
        kept = _load_kept(folder, key)
    except (DamagedFileError, SplitsError) as error:
        logger.warning("The prepared events are damaged; they are prepared again: %s", error)
        kept = None
    if kept is not None:
        return PreparedRun(kept, key, True, read, events_key)
    return PreparedRun(prepare_splits(events, problem, preparation), key, False, read, events_key)


def _read_events(problem: Problem) -> tuple[Events, KeptEvents, dict[str, Any]]:
    """Return the events, what is to be kept of them, and its key."""
    from tuner.events.variants import read_with_variants
    from tuner.preparation.kept_events import keep_events

    events, variants = read_with_variants(problem)
    kept = keep_events(events, variants)
    return events, kept, {"events": kept.events.digest, "asked": _describe_asked(problem), "digests": kept.digests}


def _describe_asked(problem: Problem) -> str:
    """Return where the events are, and which columns and variants of them later steps need."""
    sources = (problem.events, problem.validation_events, problem.test_events)
    asked = (sources, problem.all_observers, problem.optimum, problem.event_id, problem.nuisances)
    by_expressions = (problem.selection, problem.columns) if problem.selection or problem.columns else ()
    return describe_contents((*asked, *by_expressions))


def _load_kept(folder: RunFolder, key: dict[str, Any]) -> Splits | None:
    """Return the parts in the run folder; None where there are none, or of other events.

    Raise `DamagedFileError`, `SplitsError` where they are not whole.
    """
    from tuner.preparation.splits import load_splits

    advice = "The events are prepared again."
    return load_splits(folder.splits) if read_json(folder.splits / "key.json", advice=advice) == key else None


def _are_kept(folder: RunFolder, key: dict[str, Any]) -> bool:
    """Whether the parts of this key are in the run folder, whole."""
    try:
        return _load_kept(folder, key) is not None
    except (DamagedFileError, SplitsError):
        return False


def keep_run(prepared: PreparedRun, folder: RunFolder) -> Splits:
    """Write parts into the run folder where they are not there; return them mapped from it.

    Of several calls at once one writes, and the others take what it has written.

    Args:
        prepared: What `prepare_run` returned.
        folder: The run folder.
    """
    from tuner.preparation.splits import load_splits, save_splits

    with FileLock(folder.lock):
        if not prepared.is_kept and not _are_kept(folder, prepared.key):
            save_splits(prepared.splits, folder.splits)
            write_json(folder.splits / "key.json", prepared.key)
        _keep_events(prepared.events, prepared.events_key, folder)
        return load_splits(folder.splits)


def _keep_events(events: KeptEvents, key: dict[str, Any], folder: RunFolder) -> None:
    """Write the events into the run folder unless the same are there, whole."""
    from tuner.preparation.kept_events import load_events, save_events

    with suppress(DamagedFileError):
        if read_json(folder.events / "key.json") == key:
            load_events(folder.events)
            return
    save_events(events, folder.events)
    write_json(folder.events / "key.json", key)


def open_kept_events(problem: Problem, folder: RunFolder, *, digest: str) -> KeptEvents:
    """Return the events of a run as they were read; no source is opened unless something is asked that is not kept.

    That is so where the study names another source, observer or nuisance than when it was swept, and where the files in
    the run folder are damaged: then the events are read again, and kept.

    Args:
        problem: Whose observers, ids and nuisances are needed.
        folder: The run folder.
        digest: Of the events that were split.

    Raises:
        EventsError: The events are to be read again, but cannot be, or are others than those that were split.
    """
    from tuner.preparation.kept_events import load_events

    try:
        key = read_json(folder.events / "key.json")
        if (key.get("events"), key.get("asked")) == (digest, _describe_asked(problem)):
            return load_events(folder.events)
    except DamagedFileError as error:
        warn_once(f"The events in the run folder are damaged and are read again: {error}")
    _, read, key = _read_events(problem)
    if read.events.digest != digest:
        before: dict[str, Any] = {}
        with suppress(DamagedFileError):
            before = _list_contents(load_events(folder.events))
        raise EventsError(
            f"The events must be those that were split for the search, but {read.events.source} has changed since. "
            f"Of the {tell_changed_events(before, _list_contents(read))} Bring the old events back, name their place "
            "with --events, or take the search along to the new events: `tuner fork STUDY --name NEW`."
        )
    with FileLock(folder.lock):
        _keep_events(read, key, folder)
        return load_events(folder.events)


def _list_contents(kept: KeptEvents) -> dict[str, Any]:
    """Return the number of events and the names of their features."""
    return {"n": len(kept.events.labels), "features": list(kept.events.features)}


def tell_changed_events(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return in a sentence how events differ from those of before: in number, features, or values.

    Args:
        before: "n", their number, and "features", names; nothing where that is not known.
        now: The same of the events that came.
    """
    if not before.get("n") or not now.get("n"):
        return "events: they are others than before."
    told = []
    if before["n"] != now["n"]:
        told.append(f"{before['n']:,} were, {now['n']:,} are")
    was, names = before["features"], now["features"]
    for what, changed in (("new", [n for n in names if n not in was]), ("gone", [n for n in was if n not in names])):
        if changed:
            noun = f"feature{'' if len(changed) == 1 else 's'}"
            told.append(f"{noun} {name_all(changed, most=5)} {'is' if len(changed) == 1 else 'are'} {what}")
    if not told and was != names:
        told.append("the features come in another order")
    if not told:
        told.append(f"as many as before, {now['n']:,}, but of other values, labels or weights")
    return f"events: {'; '.join(told)}."
