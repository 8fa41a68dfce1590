"""The text of a study file: each argument below the reason why it is what it is."""

from __future__ import annotations

import json
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from tuner.progress.wording import write_count

if TYPE_CHECKING:
    from tuner.drafts.roles import Roles
    from tuner.drafts.source import DraftedSource

LINE_LENGTH = 120
MAX_COMMENT_LINES = 4
"""Lines that a reason takes at most; `tuner new` prints it in full."""
_INDENT = " " * 8

_FRAME = """\
        question="Which events are signal?",  # Say in your own words what is to be told from what.
        # Fill in what you know, and remove the "#": the report tells it, and asks for what is missing.
        # before="",  # What the events went through: simulation or data, trigger, selection. Can they be trusted?
        # after="",  # What becomes of the scores: one cut and a count, or the input of a fit?
        # worse_error="",  # Which error hurts more, background that is selected or signal that is lost, and why?
        # expected_signal=100, expected_background=10_000,  # In the analysis, before the cut: needed for significances.
        # figure_of_merit=...,  # What a good answer is. Else the AUC; see tuner.metrics.figures_of_merit for others.
        # ballparks=(Ballpark(name="", auc=0.9, source="", split=""),),  # What others reached; import it from tuner."""


def write_study(name: str, drafted: DraftedSource, roles: Roles) -> str:
    """Return the text of a study file.

    Args:
        name: Of the study.
        drafted: Where the events are.
        roles: What each of their columns is.
    """
    from tuner.drafts.roles import ROLES

    arguments = [*_FRAME.split("\n"), *_write_source(drafted)]
    for key in ROLES:
        value = getattr(roles, key)
        if value not in (None, (), {}):
            arguments += _write_comment(roles.reasons.get(key, ""))
            if key in roles.proposed and isinstance(value, dict):
                arguments += _write_with_proposal(key, value, *roles.proposed[key])
                continue
            arguments.append(f"{_INDENT}{key}={write_value(value, 8)},")
        if key in roles.proposed:
            arguments += _write_proposal(key, *roles.proposed[key])
    kinds = [type(drafted.source).__name__] if not _is_plain(drafted) else []
    lines = [
        f'"""{name}: drafted by `tuner new`. Read it, correct what it got wrong, and answer what it asks."""',
        "",
        "from search_spaces import mlp",
        "from tuner import Budget, Problem, Study",
        *(f"from tuner.events import {kind}" for kind in kinds),
        "",
        "study = Study(",
        f'    name="{name}",',
        "    problem=Problem(",
        *arguments,
        f"        # Features: {_say_features(len(roles.features), len(roles.made_features))}.",
        "    ),",
        "    search_space=mlp.suggest,",
        "    budget=Budget(trials=64, epochs=30),",
        ")",
    ]
    return "\n".join(lines) + "\n"


def write_value(value: Any, indent: int = 0, width: int = LINE_LENGTH - 40) -> str:
    """Return a value as Python, text in double quotes, long tuples and mappings one entry a line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=not value.isprintable())
    if isinstance(value, tuple):
        opening, closing, entries = "(", ")", [write_value(entry) for entry in value]
    elif isinstance(value, dict):
        opening, closing = "{", "}"
        entries = [f"{write_value(name)}: {write_value(entry)}" for name, entry in value.items()]
    else:
        return repr(value)
    flat = f"{opening}{', '.join(entries)}{',' if len(entries) == 1 and opening == '(' else ''}{closing}"
    if len(flat) < width:
        return flat
    pad = " " * indent
    return f"{opening}\n" + "".join(f"{pad}    {entry},\n" for entry in entries) + f"{pad}{closing}"


def _say_features(n_others: int, n_made: int) -> str:
    """Return which columns are features, in words."""
    if n_made:
        return f"the {write_count(n_made, 'new column')}"
    if n_others == 0:
        return "none, as each column has another role"
    return "the 1 other column" if n_others == 1 else f"all {n_others} other columns"


def _write_comment(why: str, end: str = ".") -> list[str]:
    """Return a reason as lines of a comment, a sentence."""
    if not why:
        return []
    text = " ".join(why.split())
    lines = wrap(f"{text[:1].upper()}{text[1:]}{end}", LINE_LENGTH - 10, break_long_words=False, break_on_hyphens=False)
    if len(lines) > MAX_COMMENT_LINES:
        lines = [*lines[: MAX_COMMENT_LINES - 1], "... (`tuner new` prints the rest)"]
    return [f"{_INDENT}# {line}" for line in lines]


def _write_proposal(key: str, value: Any, why: str) -> list[str]:
    """Return an argument as lines of a comment, below what it would be good for."""
    text = f"{key}={write_value(value, width=LINE_LENGTH - 12 - len(key))},"
    return [*_write_comment(why, ":"), *(f"{_INDENT}# {line}" for line in text.split("\n"))]


def _write_with_proposal(key: str, value: dict[str, Any], proposed: dict[str, Any], why: str) -> list[str]:
    """Return a mapping one entry a line, those that are proposed as comments."""
    entries, others = (
        [f"    {write_value(name)}: {write_value(entry)}," for name, entry in pairs.items()]
        for pairs in (value, proposed)
    )
    comments = [f"    {line.strip()}" for line in _write_comment(why, ":")]
    lines = [f"{key}={{", *entries, *comments, *(f"    # {line.strip()}" for line in others), "},"]
    return [f"{_INDENT}{line}" for line in lines]


def _is_plain(drafted: DraftedSource) -> bool:
    """Return whether the path alone is enough."""
    return not drafted.unnamed and drafted.label is None


def _write_source(drafted: DraftedSource) -> list[str]:
    """Return the lines of the argument `events`."""
    from tuner.events.sources import File

    source = drafted.source
    if isinstance(source, File):
        given = [write_value(str(source.path))]
        if _is_plain(drafted):
            return [f"{_INDENT}events={given[0]},"]
        if drafted.unnamed:
            given += ["columns=(  # The file has no header line: call them what they are.",
                      *(f"    {write_value(column)}," for column in drafted.unnamed), ")"]  # fmt: skip
        if source.trees:
            given.append(f"trees={write_value(dict(source.trees))}")
    else:
        given = [write_value(dict(source.classes))]
    if source.label != "label":
        given.append(f"label={write_value(source.label)}")
    if source.fill:
        given.append(f"fill={write_value(dict(source.fill))}")
    lines = [f"{_INDENT}    {text}{'' if text.endswith((',', '.')) else ','}" for text in given]
    return [f"{_INDENT}events={type(source).__name__}(", *lines, f"{_INDENT}),"]
