"""Draft a study file from a data file."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import FolderError, StudyError

if TYPE_CHECKING:
    import pandas as pd

    from tuner.frame.roles import Roles

_ORDER = ("label", "signal", "weight", "event_id", "undefined", "observers", "ignored", "features")


@dataclass(frozen=True, kw_only=True)
class StudyDraft:
    """A study file that is not written yet."""

    name: str
    """Name of the study."""
    text: str
    """The file, whole."""
    reasons: tuple[str, ...]
    """What was inferred and why, a line each."""


def draft_study(
    events: str,
    *,
    label: str | None = None,
    signal: str | None = None,
    weight: str | None = None,
    name: str | None = None,
) -> StudyDraft:
    """Return a study file for a data file, with every role that names and values give away.

    events: a path as `Problem.events` takes it. Raise `EventsError` where it cannot be read or no label is found.
    """
    from tuner.frame.roles import infer_roles

    table, columns = _read_table(events)
    roles = infer_roles(table, label=label, signal=signal, weight=weight)
    name = name or _make_name(events)
    reasons = dict(roles.reasons)
    if columns:
        reasons = {"columns": "the file has no header line; rename them as they should be called", **reasons}
    said = [f"{key} = {_write_value(getattr(roles, key))}: {why}" for key, why in reasons.items() if key in _ORDER[:-1]]
    said += [f"{key}: {why}" for key, why in reasons.items() if key not in _ORDER[:-1]]
    read = f"Read {events}: {len(table):,} events, {len(table.columns)} columns, {len(roles.features)} features."
    text = _write_study(name, events, columns, replace(roles, reasons=reasons))
    return StudyDraft(name=name, text=text, reasons=(read, *said))


def write_draft(draft: StudyDraft, path: Path) -> Path:
    """Write a draft and return its path. Raise `StudyError` where the file exists, `FolderError` where none can be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(draft.text)
    except FileExistsError as error:
        raise StudyError(
            f'The study file must be new, but "{path}" exists and is not written over. '
            "Choose another --name or --output, or remove the file."
        ) from error
    except OSError as error:
        raise FolderError(f'The study file must be writable, but "{path}" is not ({error.strerror}).') from error
    return path


def _read_table(events: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the events, and names for their columns where the file has no header line."""
    from tuner.read.sources import File, make_source

    table = make_source(events).read()
    if not _is_headerless(table):
        return table, ()
    columns = tuple(f"column_{number}" for number in range(1, len(table.columns) + 1))
    return File(events, columns=columns).read(), columns


def _is_headerless(table: pd.DataFrame) -> bool:
    """Whether most names of columns are numbers: then they are the first event."""
    return sum(_is_number(name) for name in table.columns) > len(table.columns) / 2


def _is_number(name: object) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?(\.\d+)?", str(name)) is not None


def _make_name(events: str) -> str:
    """Return the file's name without its endings, fit for a module's name."""
    stem = Path(re.sub(r":[^/\\:]*$", "", events)).name.split(".")[0]
    words = re.sub(r"[^0-9a-zA-Z]+", "_", stem).strip("_").lower()
    return words if words[:1].isalpha() else f"study_{words}".rstrip("_")


def _write_study(name: str, events: str, columns: tuple[str, ...], roles: Roles) -> str:
    """Return the text of the study file."""
    source = f"File({_write_value(events)}, columns={_write_value(columns, 12)})" if columns else _write_value(events)
    arguments = [
        "        # Say in a sentence what the events are to tell.",
        '        question="Which events are signal?",',
        f"        events={source},",
    ]
    for key in _ORDER[:-1]:
        value = getattr(roles, key)
        if value in (None, ()):
            continue
        arguments.append(f"        # {roles.reasons.get(key, '')[:100].rstrip()}.")
        arguments.append(f"        {key}={_write_value(value, 8)},")
    arguments.append(f"        # Features: all {len(roles.features)} other columns.")
    lines = [
        f'"""{name}: drafted by `tuner new`. Read it, and mend what it got wrong."""',
        "",
        "from search_spaces import mlp",
        "from tuner import Budget, Problem, Study",
        *(["from tuner.read.sources import File"] if columns else []),
        "",
        "study = Study(",
        f'    name="{name}",',
        "    problem=Problem(",
        *arguments,
        "    ),",
        "    search_space=mlp.suggest,",
        "    budget=Budget(trials=64, epochs=30),",
        ")",
    ]
    return "\n".join(lines) + "\n"


def _write_value(value: Any, indent: int = 0) -> str:
    """Return a value as Python, text in double quotes, long tuples one entry a line."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if not isinstance(value, tuple):
        return repr(value)
    entries = [_write_value(entry) for entry in value]
    flat = f"({', '.join(entries)}{',' if len(entries) == 1 else ''})"
    if indent + len(flat) < 100 or indent == 0:
        return flat
    pad = " " * indent
    return "(\n" + "".join(f"{pad}    {entry},\n" for entry in entries) + f"{pad})"
