"""What trackers could not record: one line each in a file of the run folder, which the report speaks of."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tuner.checked_files import append_line, read_lines
from tuner.errors import FolderError
from tuner.run_folder import RunFolder

logger = logging.getLogger("tuner")

_TRIAL = "trial "


def name_trial(number: int, study: str) -> str:
    """Return what a trial is called in the list of what is missing."""
    return f"{_TRIAL}{number} of study {study}"


def name_record(study: str) -> str:
    """Return what the record of a study as a whole is called there."""
    return f"the record of study {study}"


def note_loss(folder: Path, tracker: str, what: str, reason: str, content: Mapping[str, Any] | None = None) -> bool:
    """List something that a tracker could not record. Return whether the list could be written.

    folder: the run folder. tracker: its title, such as "Weights & Biases". what: see `name_trial`, `name_record`.
    content: what was to be recorded, so that it is not lost.
    """
    line = {"tracker": tracker, "what": what, "reason": reason, "at": datetime.now().astimezone().isoformat()}
    return _append(folder, {**line, **({"content": content} if content else {})})


def note_recovery(folder: Path, tracker: str, what: str) -> None:
    """List something as recorded after all; nothing where it was not missing."""
    if (tracker, what) in _find_missing(folder):
        _append(folder, {"tracker": tracker, "what": what, "recorded": True})


def describe_losses(folder: Path) -> list[str]:
    """Return a sentence for each tracker that could not record everything."""
    missing: dict[str, dict[str, str]] = {}
    for (tracker, what), reason in _find_missing(folder).items():
        missing.setdefault(tracker, {})[what] = reason
    return [_describe(tracker, reasons) for tracker, reasons in missing.items()]


def _append(folder: Path, line: Mapping[str, Any]) -> bool:
    try:
        append_line(RunFolder(folder).not_recorded, line)
    except FolderError as error:  # the folder itself may be what cannot be written
        logger.debug("%s", error)
        return False
    return True


def _find_missing(folder: Path) -> dict[tuple[str, str], str]:
    """Return why something is missing, by tracker and what it is."""
    missing: dict[tuple[str, str], str] = {}
    for line in read_lines(RunFolder(folder).not_recorded).whole:
        key = (str(line.get("tracker")), str(line.get("what")))
        if line.get("recorded"):
            missing.pop(key, None)
        else:
            missing[key] = str(line.get("reason"))
    return missing


def _describe(tracker: str, reasons: Mapping[str, str]) -> str:
    n_trials = sum(what.startswith(_TRIAL) for what in reasons)
    parts = [f"{n_trials} trial{'s' if n_trials != 1 else ''}"] if n_trials else []
    parts += [what for what in reasons if not what.startswith(_TRIAL)]
    (most_often, _), *others = Counter(reasons.values()).most_common()
    more = f"; {len(others)} other reason{'s' if len(others) != 1 else ''}" if others else ""
    return (
        f"{tracker} could not record {' and '.join(parts)} ({most_often}{more}). "
        "See not_recorded.jsonl in the run folder."
    )
