"""Draft a study file from a data file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import EventsError, FolderError, StudyError
from tuner.run_folder import find_name_problem

if TYPE_CHECKING:
    import pandas as pd

    from tuner.drafts.roles import Roles

_LINE_LENGTH = 120
_ORDER = ("label", "signal", "weight", "event_id", "undefined", "observers", "ignored")


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
    """Return a study file for a data file, with every role that can be inferred from names and values.

    Args:
        events: A path as `Problem.events` takes it.
        label: Column that says what an event is. None: inferred, as the next two are.
        signal: Its value that means signal.
        weight: Column of event weights.
        name: Name of the study. None: the file's.

    Returns:
        The text of the study file, and why each role was chosen.

    Raises:
        EventsError: The file cannot be read, or no label is found.
    """
    from tuner.drafts.roles import infer_roles
    from tuner.events.reading_notes import note_reading

    table, columns = _read_table(events)
    try:
        roles = infer_roles(table, label=label, signal=signal, weight=weight)
    except EventsError as error:
        raise EventsError(f"{events}: {error}") from error
    name = name or _make_name(events)
    reasons = dict(roles.reasons)
    if columns:
        reasons = {"columns": "the file has no header line; rename them as they should be called", **reasons}
    said = [f"{key} = {_write_value(getattr(roles, key))}: {why}" for key, why in reasons.items() if key in _ORDER]
    said += [f"{key}: {why}" for key, why in reasons.items() if key not in _ORDER]
    read = f"Read {events}: {len(table):,} events, {len(table.columns)} columns, {_count_features(roles)}."
    text = _write_study(name, events, columns, replace(roles, reasons=reasons))
    return StudyDraft(name=name, text=text, reasons=(read, *note_reading(table), *said))


def write_draft(draft: StudyDraft, path: Path) -> Path:
    """Write a draft and return its path. Raise `StudyError` where the file exists, `FolderError` where none can be."""
    if problem := find_name_problem(draft.name):
        raise StudyError(problem)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(draft.text)
    except FileExistsError as error:
        raise StudyError(
            f'The study file must be new, but "{path}" exists and is never overwritten. '
            "Choose another --name or --output, or remove the file."
        ) from error
    except OSError as error:
        raise FolderError(f'The study file must be writable, but "{path}" is not ({error.strerror}).') from error
    return path


def _read_table(events: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the events, and names for their columns where the file has no header line."""
    from tuner.events.sources import File, count_unnamed_columns

    columns = tuple(f"column_{number}" for number in range(1, count_unnamed_columns(events) + 1))
    table = File(events, columns=columns or None).read()
    if len(table) == 0:
        raise EventsError(f"{events} must hold events, but has none.")
    return table, columns


def _make_name(events: str) -> str:
    """Return the name of the file, or of its folder where that is a pattern, without endings, fit for a module."""
    path = Path(re.sub(r"(\.\w+):.*$", r"\1", events))
    stems = [part.name.split(".")[0] for part in (path, *path.parents) if part.name]
    words = [re.sub(r"[^0-9a-zA-Z]+", "_", stem).strip("_").lower() for stem in stems if "=" not in stem]
    name = next((word for word in words if word), "")
    return name if name[:1].isalpha() else f"study_{name}".rstrip("_")


def _write_study(name: str, events: str, columns: tuple[str, ...], roles: Roles) -> str:
    """Return the text of the study file."""
    arguments = [
        '        question="Which events are signal?",  # Say in a sentence what the events are to tell.',
        *_write_source(events, columns),
        *(_write_role(roles, key) for key in _ORDER if getattr(roles, key) not in (None, ())),
        f"        # Features: {_say_features(len(roles.features))}.",
    ]
    lines = [
        f'"""{name}: drafted by `tuner new`. Read it, and correct what it got wrong."""',
        "",
        "from search_spaces import mlp",
        "from tuner import Budget, Problem, Study",
        *(["from tuner.events import File"] if columns else []),
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


def _count_features(roles: Roles) -> str:
    return f"{len(roles.features)} {'feature' if len(roles.features) == 1 else 'features'}"


def _say_features(n: int) -> str:
    """Return which columns are features, in words."""
    if n == 0:
        return "none, as each column has another role"
    return "the 1 other column" if n == 1 else f"all {n} other columns"


def _write_source(events: str, columns: tuple[str, ...]) -> list[str]:
    """Return the lines of the argument `events`."""
    if not columns:
        return [f"        events={_write_value(events)},"]
    return [
        "        events=File(",
        f"            {_write_value(events)},",
        "            columns=(  # The file has no header line: call them what they are.",
        *(f"                {_write_value(column)}," for column in columns),
        "            ),",
        "        ),",
    ]


def _write_role(roles: Roles, key: str) -> str:
    """Return an argument of `Problem` and why it was inferred: beside it, or above where that is too long."""
    argument = f"        {key}={_write_value(getattr(roles, key), 8)},"
    why = roles.reasons.get(key, "")
    comment = f"# {why[:1].upper()}{' '.join(why.split())[1:]}."
    if "\n" not in argument and len(argument) + len(comment) + 2 <= _LINE_LENGTH:
        return f"{argument}  {comment}"
    return f"        {comment[: _LINE_LENGTH - 8]}\n{argument}"


def _write_value(value: Any, indent: int = 0) -> str:
    """Return a value as Python, text in double quotes, long tuples and mappings one entry a line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, tuple):
        opening, closing, entries = "(", ")", [_write_value(entry) for entry in value]
    elif isinstance(value, dict):
        opening, closing = "{", "}"
        entries = [f"{_write_value(name)}: {_write_value(entry)}" for name, entry in value.items()]
    else:
        return repr(value)
    flat = f"{opening}{', '.join(entries)}{',' if len(entries) == 1 and opening == '(' else ''}{closing}"
    if len(flat) < _LINE_LENGTH - 40:
        return flat
    pad = " " * indent
    return f"{opening}\n" + "".join(f"{pad}    {entry},\n" for entry in entries) + f"{pad}{closing}"
