"""Notes in Markdown on a study or a trial, as Optuna Dashboard shows and edits them.

The library's own `save_note` is not used: importing optuna_dashboard takes seconds, which each worker would pay, and
it replaces what a person has written. The attributes written here are those that it reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import optuna

CHUNK = 2045
"""Characters of a note that one attribute holds: a column of a database takes no more."""

_BEGIN, _END = "[//]: # (tuner {digest}: written by tuner)", "[//]: # (tuner: the rest is yours)"
_OURS = re.compile(r"\[//\]: # \(tuner ([0-9a-f]{8})[^\n]*\)\n\n(.*?)\n\n\[//\]: # \(tuner: [^\n]*\)", re.DOTALL)
"""Our part of a note. Both lines are link definitions, which Markdown does not show."""

_OF_TRIAL = re.compile(r"dashboard:(\d+):note_(?:ver|str:(\d+))$")
"""Attributes of a study that hold the note of a trial: its version, or a piece of it."""


def save_note(study_or_trial: optuna.Study | optuna.Trial, text: str) -> None:
    """Write our part of a note; what a person has written into the note in Optuna Dashboard is kept.

    A part of ours that was edited is kept, too, below the new one. Nothing is written where the note says this already.

    Args:
        study_or_trial: What the note is on. A trial may be finished.
        text: Our part, in GitHub's Markdown; without HTML, which the dashboard shows as text. A trial's should be
            short, at most `CHUNK` characters: the dashboard sends the notes of all trials to the browser.
    """
    attributes = _read_attributes(study_or_trial)
    prefix = _name_prefix(study_or_trial)
    before = _join(attributes, prefix)
    note = _merge(before, text.strip())
    if note == before:
        return
    storage, study_id = _find_storage(study_or_trial)
    chunks = [note[start : start + CHUNK] for start in range(0, len(note), CHUNK)]
    n_before = _count_chunks(attributes, prefix)
    for place, chunk in enumerate(chunks + [""] * (n_before - len(chunks))):
        storage.set_study_system_attr(study_id, f"{prefix}note_str:{place}", chunk)
    # Last, and one more each time: the dashboard refuses an edit that began from an earlier version.
    storage.set_study_system_attr(study_id, f"{prefix}note_ver", attributes.get(f"{prefix}note_ver", 0) + 1)


def read_note(study_or_trial: optuna.Study | optuna.Trial) -> str:
    """Return the whole note of a study or trial; empty where there is none."""
    return _join(_read_attributes(study_or_trial), _name_prefix(study_or_trial))


def read_our_part(study_or_trial: optuna.Study | optuna.Trial) -> str:
    """Return our part of a note, with what a person has changed in it; empty where there is none."""
    found = _OURS.search(read_note(study_or_trial))
    return "" if found is None else found[2]


def collect_trial_notes(attributes: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Return version and body of each trial's note, by the trial's number in the storage.

    Args:
        attributes: System attributes of a study. They are gone through once, where `read_note` for each trial would
            take a time that grows with the square of the trials.
    """
    chunks: dict[int, dict[int, str]] = {}
    versions: dict[int, int] = {}
    for key, value in attributes.items():
        if (found := _OF_TRIAL.match(key)) is None:
            continue
        trial_id, chunk = int(found[1]), found[2]
        if chunk is None:
            versions[trial_id] = int(value)
        else:
            chunks.setdefault(trial_id, {})[int(chunk)] = value
    return {
        trial_id: {"version": version, "body": "".join(text for _, text in sorted(chunks.get(trial_id, {}).items()))}
        for trial_id, version in versions.items()
    }


def leave_trial_notes_out(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the system attributes of a study that are no notes of trials."""
    return {key: value for key, value in attributes.items() if _OF_TRIAL.match(key) is None}


def _find_storage(study_or_trial: optuna.Study | optuna.Trial) -> tuple[Any, int]:
    """Return the storage, and the number of the study in it, which holds the notes of its trials, too."""
    study: Any = getattr(study_or_trial, "study", study_or_trial)
    return study._storage, study._study_id


def _read_attributes(study_or_trial: optuna.Study | optuna.Trial) -> dict[str, Any]:
    """Return the attributes that hold this note alone: a study has those of all its trials."""
    from tuner.tuning.trial_attributes import read_study_attributes

    study: Any = getattr(study_or_trial, "study", study_or_trial)
    return read_study_attributes(study, f"{_name_prefix(study_or_trial)}note_")


def _name_prefix(study_or_trial: optuna.Study | optuna.Trial) -> str:
    """Return what the attributes of a note begin with, as `optuna_dashboard._note` names them."""
    trial_id = getattr(study_or_trial, "_trial_id", None)
    return "dashboard:" if trial_id is None else f"dashboard:{trial_id}:"


def _count_chunks(attributes: dict[str, Any], prefix: str) -> int:
    count = 0
    while f"{prefix}note_str:{count}" in attributes:
        count += 1
    return count


def _join(attributes: dict[str, Any], prefix: str) -> str:
    return "".join(attributes[f"{prefix}note_str:{n}"] for n in range(_count_chunks(attributes, prefix)))


def _merge(before: str, text: str) -> str:
    """Return a note with our part replaced, or put before what is there."""
    ours = "\n\n".join((_BEGIN.format(digest=_digest(text)), text, _END))
    found = _OURS.search(before)
    if found is None:
        return "\n\n".join(filter(None, (ours, before)))
    digest, was = found.groups()
    edited = "" if digest == _digest(was) or was == text else f"\n\n{was}"
    return before[: found.start()] + ours + edited + before[found.end() :]


def _digest(text: str) -> str:
    """Return eight digits that tell whether somebody has edited our part."""
    return f"{crc32(text.encode()):08x}"
