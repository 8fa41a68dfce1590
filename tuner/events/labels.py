"""The label: which events are signal, and which background."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import suggest_name
from tuner.events.diagnostics import Findings, locate, write_value
from tuner.events.expressions.syntax import quote_name


def take_labels(table: pd.DataFrame, name: str, signal: object, found: Findings) -> np.ndarray:
    """Return 1 for signal and 0 for background, int8 [n]; find a label with one class, a third, or without signal."""
    if name not in table:
        return np.zeros(0, np.int8)
    codes, values = pd.factorize(table[name].astype(object))
    if (n_missing := int((codes < 0).sum())) > 0:
        row = int((codes < 0).argmax())
        said = f'Label "{name}" must say of each event what it is, but says nothing of '
        found.problems.append(
            f"{said}{locate(table, row)}. Give it a class, or leave it out."
            if n_missing == 1
            else f"{said}{n_missing:,} events, the first of them {locate(table, row)}. "
            "Give them a class, or leave them out."
        )
    chosen = _find_signal(name, signal, list(values), found)
    if len(values) != 2:
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        listed = ", ".join(f"{write_value(v)} ({c:,} events)" for v, c in list(zip(values, counts, strict=True))[:12])
        more = f" and {len(values) - 12} more" if len(values) > 12 else ""
        advice = "Add events of the other class." if len(values) < 2 else _advise_merging(name, signal)
        found.problems.append(
            f'Label "{name}" must have two values, one of them signal, but has {len(values)}: {listed}{more}. {advice}'
        )
    return np.asarray(codes == chosen, np.int8)


def _advise_merging(name: str, signal: object) -> str:
    """Return how one of several classes becomes signal, and all others background."""
    formula = f"{quote_name(name)} == {signal!r}"
    return (
        f'For all but one as background write `columns={{"is_signal": {json.dumps(formula)}}}`, '
        '`label="is_signal"`, `signal=True`; or leave the others out with `selection`.'
    )


def _find_signal(name: str, signal: object, values: list[Any], found: Findings) -> int:
    """Return the number of the value that means signal; a number and the same number as text are taken as equal."""
    for number, value in enumerate(values):
        if isinstance(value, str) == isinstance(signal, str) and value == signal:
            return number
    for number, value in enumerate(values):
        if _normalise(value) == _normalise(signal):
            found.notes.append(
                f'`signal={signal!r}` is {_kind(signal)}, but column "{name}" holds {_kind(value)}: {value!r}. '
                f"They were taken as the same. Write `signal={value!r}`."
            )
            return number
    if values:
        close = suggest_name(signal, values) or _suggest_beginning(signal, values)
        found.problems.append(
            f'`signal={write_value(signal)}` is not a value of column "{name}" '
            f"(found {', '.join(map(write_value, values[:12]))}).{close}"
        )
    return 0


def _suggest_beginning(signal: object, values: list[Any]) -> str:
    """Return the one value that begins like the signal, or that the signal begins with, as a question."""
    text = str(signal).lower()
    near = [v for v in values if text and (text.startswith(str(v).lower()) or str(v).lower().startswith(text))]
    return f" Did you mean {write_value(near[0])}?" if len(near) == 1 else ""


def keep_labels(column: pd.Series) -> np.ndarray:
    """Return labels as they came [n]; as texts where numbers and texts are mixed, which no file format can hold."""
    is_mixed = pd.api.types.infer_dtype(column, skipna=True).startswith("mixed")
    return np.asarray(column.astype(str) if is_mixed else column)


def _kind(value: object) -> str:
    return "text" if isinstance(value, str) else "a number"


def _normalise(value: object) -> object:
    """Return a number for what is a number or is written like one, else the text without blanks around it."""
    text = str(value).strip()
    try:
        return float(text)
    except ValueError:
        return float(value) if isinstance(value, (bool, np.bool_)) else text
