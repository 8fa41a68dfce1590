"""Numbers as JSON lines in the run folder, for whatever reads JSON: `pandas.read_json(path, lines=True)`.

One file for each trial: a trial has one writer at a time, so that workers need no lock, on network file systems too,
and a trial that is resumed goes on in its own file. What a killed process left of its last line is dropped then.
"""

# ruff: noqa: ARG002 - methods take what every tracker takes

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.checked_files import CHECKSUM, append_line, drop_damaged_lines, hash_file, write_json
from tuner.run_folder import RunFolder
from tuner.trackers.background_tracker import BackgroundTracker, Ending, LoggedTrial, Subject
from tuner.trackers.base import Artifact, StudyRecord
from tuner.trackers.plain_values import describe_artifact, make_plain, make_strict

_OWN_COLUMNS = {"event", "trial", "epoch", "timestamp", CHECKSUM}


class JsonLines(BackgroundTracker):
    """Writes `tracking/trial_<number>.jsonl` for each trial, and `tracking/study.json` for the study.

    The lines of a trial are `start` (config, tags), `epoch` (one column for each figure) and `finish` (state, reason,
    summary, notes, pictures). Of an epoch that is there twice, because its trial was interrupted, the last counts.
    Numbers that JSON has no word for are "NaN", "Infinity" and "-Infinity", which pandas reads as numbers.
    """

    title = "The tracker of JSON lines"

    def _open_trial(self, trial: LoggedTrial) -> None:
        drop_damaged_lines(_find_file(trial))
        content = {"study": trial.study, "number": trial.number, "config": trial.config, "tags": list(trial.tags)}
        self._append(trial, "start", content, on_disk=True)

    def _write_epoch(self, trial: LoggedTrial, epoch: int, figures: Mapping[str, Any]) -> None:
        named = {f"figure {name}" if name in _OWN_COLUMNS else name: value for name, value in figures.items()}
        self._append(trial, "epoch", {"epoch": epoch} | named, on_disk=False)

    def _end_trial(self, trial: LoggedTrial, ending: Ending) -> bool:
        content = {
            "state": ending.state,
            "reason": ending.reason,
            "summary": ending.summary,
            "notes": ending.notes,
            "pictures": _name_files(ending.pictures, trial.folder),
        }
        self._append(trial, "finish", content, on_disk=True)
        return True

    def _add_picture(self, trial: LoggedTrial, name: str, path: Path) -> None:
        """Do nothing: the line of the trial's end names its pictures."""

    def _write_study(self, subject: Subject, record: StudyRecord) -> bool:
        content = {
            "study": record.study,
            "timestamp": _tell_time(),
            "config": record.config,
            "tags": record.tags,
            "notes": record.notes,
            "summary": record.summary,
            "history": record.history,
            "tables": {name: table.to_dict("records") for name, table in record.tables.items()},
            "pictures": _name_files(record.pictures, record.folder),
            "artifacts": [
                describe_artifact(artifact, _describe_files(artifact, record.folder)) for artifact in record.artifacts
            ],
        }
        write_json(RunFolder(record.folder).tracking / "study.json", make_strict(make_plain(content)))
        return True

    def _append(self, trial: LoggedTrial, event: str, content: Mapping[str, Any], *, on_disk: bool) -> None:
        line = {"event": event, "trial": trial.trial, "timestamp": _tell_time(), **content}
        append_line(_find_file(trial), make_strict(line), on_disk=on_disk)


def _find_file(trial: LoggedTrial) -> Path:
    return RunFolder(trial.folder).tracking / f"trial_{trial.number:05d}.jsonl"


def _tell_time() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _describe_files(artifact: Artifact, folder: Path) -> list[dict[str, Any]]:
    return [
        {"path": _name_file(path, folder), "bytes": path.stat().st_size, "sha256": hash_file(path)}
        for path in artifact.files
        if path.is_file()
    ]


def _name_files(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    return {name: _name_file(path, folder) for name, path in files.items()}


def _name_file(path: Path, folder: Path) -> str:
    """Return a path from the run folder on, where it lies in it: the folder may be moved."""
    absolute = path.absolute()
    return (
        absolute.relative_to(folder.absolute()).as_posix() if absolute.is_relative_to(folder.absolute()) else str(path)
    )
