"""The note of one ended trial, in Markdown: what it was, how it ended, what it is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tuner.markdown import escape_markdown, write_table
from tuner.metrics.measurement import Measurement
from tuner.progress.wording import say_value, write_duration
from tuner.tuning.dashboard_notes import CHUNK

MAX_REASON = 400
"""Letters of a reason: the trace of an error may be long."""

ROOM = CHUNK - 150
"""Letters of a note: what one attribute of the storage holds, less what marks our part of it."""


@dataclass(frozen=True, kw_only=True)
class TrialEnd:
    """What is known of a trial when it has ended."""

    number: int
    state: str
    """complete, pruned, failed or interrupted."""
    reason: str
    params: Mapping[str, Any]
    host: str = ""
    seconds: float | None = None
    """Wall time, shared with the other members of its pack."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of its training by name: `best_epoch`, `epochs`, `n_parameters`, `pack_size`, `validation_auc`."""
    figures: Mapping[str, Measurement] = field(default_factory=dict)
    """On validation, of a complete trial."""
    cut: float | None = None
    """The working point that they were taken at; chosen on validation."""
    remark: str = ""
    """What else a reader should know: why there is no picture, say."""
    resumes: int | None = None
    """Number of the trial that it goes on with; None for a new one."""


def write_trial_note(end: TrialEnd, *, keeps: int = 0) -> str:
    """Return the note of a trial, at most `ROOM` letters: settings that have no room are counted.

    Args:
        end: How it ended.
        keeps: Of how many complete trials the networks are kept; 0: not of this one.
    """
    told = [f"**{end.state.capitalize()}.** {_shorten(end.reason)}", _describe_training(end)]
    if end.resumes is not None:
        told.append(f"It resumes trial {end.resumes}.")
    if end.remark:
        told.append(end.remark)
    head = "\n\n".join(filter(None, told))
    rows = [(name, str(value)) for name, value in end.figures.items()]
    where = "on validation" if end.cut is None else f"on validation, working point {end.cut:.4g}"
    figures = _tabulate((where, "value and 68 % interval"), rows) if rows else ""
    if figures and end.cut is not None:
        figures += "\n\nFigures at the working point are slightly optimistic: it was chosen on these same events."
    tail = ""
    if end.state == "complete" and keeps:
        tail = (
            f"Its network is kept while it is among the best {keeps}: "
            f'`tuner.predict(search, "new_events.root", trial={end.number})`, `tuner.export(search, "network.onnx", '
            f"trial={end.number})`."
        )
    room = ROOM - sum(len(part) + 2 for part in (head, figures, tail))
    settings = _fit(("setting", "value"), [(n, say_value(v)) for n, v in end.params.items()], room)
    return "\n\n".join(filter(None, (head, figures, settings, tail)))


def _describe_training(end: TrialEnd) -> str:
    """Return how long, where and beside how many others a trial trained; nothing where it has not."""
    known = end.summary
    parts = []
    if known.get("epochs"):
        parts.append(f"best at epoch {known['best_epoch']} of {known['epochs']}")
    if known.get("validation_auc") is not None and not end.figures:
        parts.append(f"validation AUC {known['validation_auc']:.4f}")
    if known.get("n_parameters"):
        parts.append(f"{known['n_parameters']:,} parameters")
    if known.get("pack_size"):
        parts.append("trained alone" if known["pack_size"] == 1 else f"in a pack of {known['pack_size']}")
    if end.seconds is not None:
        parts.append(write_duration(end.seconds))
    if end.host:
        parts.append(f"on {escape_markdown(end.host)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _fit(head: tuple[str, str], rows: list[tuple[str, str]], room: int) -> str:
    """Return a table of as many rows as there is room for, the others counted."""
    if not rows:
        return ""
    table = _tabulate(head, rows)
    if len(table) <= room:
        return table
    lines = table.splitlines()
    room -= len(_tell_left(len(rows))) + 2
    n_shown = max(0, sum(end <= room for end in accumulate(len(line) + 1 for line in lines)) - 2)
    shown = ["\n".join(lines[: n_shown + 2])] if n_shown else []
    return "\n\n".join([*shown, _tell_left(len(rows) - n_shown)])


def _tell_left(n: int) -> str:
    return f"{n} more {'setting is' if n == 1 else 'settings are'} in the table of parameters."


def _tabulate(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    return write_table([head, *((escape_markdown(name), escape_markdown(value)) for name, value in rows)])


def _shorten(reason: str) -> str:
    """Return a reason on one line, as plain text."""
    text = escape_markdown(reason)
    return text if len(text) <= MAX_REASON else f"{text[: MAX_REASON - 1].rstrip(chr(92))}…"
