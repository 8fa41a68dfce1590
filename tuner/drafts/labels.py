"""Which column says what an event is, and which of its values means signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tuner.drafts.names import is_weight, rank_known, simplify_name
from tuner.errors import EventsError, name_all, suggest_name
from tuner.events.angles import list_words
from tuner.events.columns import is_number, parse_texts
from tuner.events.diagnostics import write_value
from tuner.events.expressions.syntax import quote_name
from tuner.progress.wording import join_words, write_count

LABELS = (
    *("label", "class", "target", "issignal", "signal", "issig", "truthlabel", "y", "truth", "category", "type"),
    *("process", "labels", "targets", "classes", "klasse"),
)
_PROCESSES = ("process", "label", "class", "target", "truthlabel", "sample", "processid", "sampleid", "truth")
"""Names of columns that are a label rather than a feature where they have three values or more."""
_ENDINGS = ("label", "labelid", "process", "processname", "samplename")
_VAGUE = ("category", "type")
"""Names that many a feature has, too."""
_SIGNALS = ("signal", "sig", "s", "true", "t", "yes", "positive", "pos", "gamma", "g", "photon", "1", "1.0")
_BACKGROUNDS = {"background", "bkg", "bkgd", "bg", "signal", "untergrund"}
"""Values that a label has and hardly anything else."""
_DATA = {"data", "dataobs", "obs", "observed", "collisiondata"}
"""Values of events that are not simulated."""
_FLAVOURS, _B_JET = {0, 4, 5}, 5
"""Truth labels of jets: light, charm, bottom."""
MAX_PROCESSES = 32
_MADE = ("is_signal", "signal_or_not", "tuner_label")
"""Names of the label that is made of processes, the first that no column has."""
_MAX_LISTED = 6


@dataclass(frozen=True, kw_only=True)
class DraftedLabel:
    """What says that an event is signal."""

    column: str
    """Of the file."""
    label: str
    """Of the problem: the column, or a new one that is made of it."""
    signal: Any
    """Value of the label that means signal."""
    classes: np.ndarray
    """Int8 [n]: 1 for signal, 0 for background, -1 for events that are left out."""
    columns: dict[str, str] = field(default_factory=dict)
    """The new column, where the label is one."""
    selection: str | None = None
    """What leaves out events without a process, and data."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why, by argument of `Problem`."""


def infer_label(table: pd.DataFrame, label: str | None, signal: str | None) -> DraftedLabel:
    """Return what says that an event is signal: a column of two values, or one value of a column of several.

    Args:
        table: The events.
        label: The column. None: inferred, as the next is.
        signal: The value that means signal, as text.

    Raises:
        EventsError: No column can be told to be the label, or the named value is none of its values.
    """
    how = "as you said"
    if label is None:
        label = _find_label(table)
        how = "named like a label" if _is_named(label) else "the only column of its kind"
    values = _count_values(table[label])
    if len(values) != 2:
        return _merge_processes(table, label, signal, how)
    chosen, why = _find_signal(values, label, signal)
    told = {"label": f"{how}, with two values: {_say_counts(values)}", "signal": why}
    classes = (table[label] == chosen).to_numpy(np.int8)
    return DraftedLabel(column=label, label=label, signal=chosen, classes=classes, reasons=told)


def find_named_labels(table: pd.DataFrame) -> list[str]:
    """Return the columns of two values that are named like a label, the most usual name first."""
    return rank_known([c for c in table.columns if _can_be_label(table[c]) and not is_weight(c)], LABELS)


def _is_named(name: str) -> bool:
    return simplify_name(name) in (*LABELS, *_PROCESSES) or simplify_name(name).endswith(_ENDINGS)


def _find_label(table: pd.DataFrame) -> str:
    if named := find_named_labels(table):
        return named[0]
    two_valued = [c for c in table.columns if _can_be_label(table[c]) and not is_weight(c)]
    telling = [c for c in two_valued if {*map(simplify_name, table[c].dropna().unique())} & _BACKGROUNDS]
    if len(telling) == 1:
        return str(telling[0])
    if processes := _find_processes(table, _PROCESSES, _ENDINGS):
        return processes[0]
    if len(two_valued) == 1:
        return str(two_valued[0])
    if two_valued:
        raise EventsError(
            f"Several columns have two values and none has the name of a label: {name_all(two_valued)}. "
            "Name the right one with --label."
        )
    if processes := _find_processes(table, _VAGUE):
        return processes[0]
    close = rank_known(table.columns, LABELS)
    hint = f' Column "{close[0]}" has {_list_values(_count_values(table[close[0]]))}.' if close else ""
    raise EventsError(
        f"One column must say what an event is, with one value for signal and one for background, but none has two "
        f"values.{hint} The columns are {name_all(table.columns)}. Where each class has a file or a tree of its own: "
        "tuner new SIGNAL BACKGROUND, or tuner new FILE.root --signal-tree TREE --background-tree TREE."
    )


def _find_processes(table: pd.DataFrame, known: tuple[str, ...], endings: tuple[str, ...] = ()) -> list[str]:
    """Return the columns of several texts or whole numbers that are named like a label, the most usual name first."""
    alike = [c for c in table.columns if endings and simplify_name(c).endswith(endings) and not is_weight(c)]
    named = [str(name) for name in dict.fromkeys([*rank_known(table.columns, known), *alike])]
    return [name for name in named if 3 <= len(_list_processes(table[name])) <= MAX_PROCESSES]


def _count_values(column: pd.Series) -> pd.Series[int]:
    counts = column.value_counts()
    return counts[counts > 0]


def _list_processes(column: pd.Series) -> dict[Any, int]:
    """Return how many events each value of a column has, the most frequent first: texts, or whole numbers.

    Nothing where it holds other numbers, or texts that no expression can name. What stands for "not defined" is none.
    """
    if pd.api.types.is_bool_dtype(column.dtype) or not (is_number(column) or _holds_texts(column)):
        return {}
    values = _count_values(column)
    if is_number(column):
        numbers = values.index.to_numpy(np.float64)
        if not np.isfinite(numbers).all() or (numbers % 1).any():
            return {}
        return {int(number): int(n) for number, n in zip(numbers, values, strict=True)}
    texts, is_mark, is_text = parse_texts(pd.Series(values.index.astype(object)))
    if not is_text.any() and not (texts[~is_mark] % 1).any():  # expressions take such texts as numbers
        return {int(number): int(n) for number, n, mark in zip(texts, values, is_mark, strict=True) if not mark}
    found = {str(text): int(n) for text, n, mark in zip(values.index, values, is_mark, strict=True) if not mark}
    return found if all(_write_text(text) for text in found) else {}


def _holds_texts(column: pd.Series) -> bool:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    return kind in ("string", "categorical")


def _write_text(text: str) -> str:
    """Return a text as expressions have it; nothing where it holds both quotes, or a line's end."""
    mark = next((quote for quote in "'\"" if quote not in text), "")
    return f"{mark}{text}{mark}" if mark and "\n" not in text else ""


def _merge_processes(table: pd.DataFrame, label: str, signal: str | None, how: str) -> DraftedLabel:
    """Return a label that is made of a column of several values: one of them is signal, all others are background."""
    counts = _list_processes(table[label])
    if len(counts) < 2 or (len(counts) > MAX_PROCESSES and signal is None):
        values = _count_values(table[label])
        raise EventsError(
            f"The label must have two values, or up to {MAX_PROCESSES} texts or whole numbers of which one is signal, "
            f'but "{label}" has {_list_values(values)}. Name another column with --label.'
        )
    chosen, why = _find_signal_process(counts, label, signal)
    name = next((made for made in _MADE if made not in table), _MADE[-1])
    column = quote_name(label)
    data = [value for value in counts if value != chosen and _is_data(value)]
    others = [value for value in counts if value != chosen and value not in data]
    several = ", ".join(map(_write, [chosen, *others[-1:]]))
    selection, reason = _leave_out(table[label], column, data)
    is_kept = _is_there(table[label]) & ~np.logical_or.reduce([_find_where(table[label], value) for value in data])
    reasons = {
        "label": f'made of "{label}", {how}, which has {_list_values(pd.Series(counts))}',
        "signal": f"{why}. All others count as background. To choose another, change it in `columns`; several are "
        f"written {column} in ({several})",
        "selection": reason,
        "columns": f'which events are signal, by "{label}"',
    }
    return DraftedLabel(
        column=label,
        label=name,
        signal=True,
        classes=np.where(is_kept, _find_where(table[label], chosen), -1).astype(np.int8),
        columns={name: f"{column} == {_write(chosen)}"},
        selection=selection,
        reasons={key: why for key, why in reasons.items() if why},
    )


def _write(process: str | int) -> str:
    """Return a process as expressions have it."""
    return _write_text(process) if isinstance(process, str) else str(process)


def _is_data(process: str | int) -> bool:
    return isinstance(process, str) and simplify_name(process) in _DATA


def _find_signal_process(counts: dict[Any, int], label: str, named: str | None) -> tuple[Any, str]:
    """Return the process that is signal, and why."""
    if named is not None:
        by_text = {str(value): value for value in counts}
        if named not in by_text:
            near = suggest_name(named, by_text)
            raise EventsError(f'"{named}" is not a value of column "{label}" (found {name_all(by_text)}).{near}')
        return by_text[named], "as you said"
    for value in counts:
        words = list_words(value) if isinstance(value, str) else set()
        if isinstance(value, str) and (value.strip().lower() in _SIGNALS or words & {"signal", "sig"}):
            return value, f"{write_value(value)} is named like signal"
    if {*counts} >= _FLAVOURS:
        return _B_JET, "5, a b jet by the numbers of truth labels"
    rarest = min((value for value in counts if not _is_data(value)), key=lambda value: counts[value])
    return rarest, f"a guess, {write_value(rarest)}, the rarest of them. Check it"


def _find_where(column: pd.Series, value: Any) -> np.ndarray:
    """Return where a column has a value, bool [n], as expressions find it."""
    if isinstance(value, str):
        return np.asarray(column.astype(object) == value, np.bool_)
    return np.asarray(parse_texts(column)[0] == value)


def _is_there(column: pd.Series) -> np.ndarray:
    """Return where a column says something, bool [n]."""
    is_known = column.notna().to_numpy()
    return is_known if is_number(column) else is_known & ~parse_texts(column)[1]


def _leave_out(column: pd.Series, name: str, data: Sequence[str | int]) -> tuple[str | None, str]:
    """Return the selection that leaves out events without a process, and data, and why; none where there are none.

    Args:
        column: What says the process.
        name: Its name, as expressions have it.
        data: Processes that are no simulation.
    """
    is_there = _is_there(column)
    n_absent = int((~is_there).sum())
    told = [f"{write_count(n_absent, 'event')} without a process"] * bool(n_absent)
    told += [f"{write_value(value)}, which seems to be no simulation," for value in data]
    if not told:
        return None, ""
    why = f"to leave out {join_words(told)}".rstrip(",")
    if is_number(column) or not parse_texts(column)[2].any():
        return f"isfinite({name})", why
    marks = [_write_text(str(mark)) for mark in pd.unique(column[~is_there].dropna())]
    absent = [mark for mark in [*marks, *map(_write, data)] if mark] or ["''"]
    return f"{name} != {absent[0]}" if len(absent) == 1 else f"{name} not in ({', '.join(absent)})", why


def _list_values(values: pd.Series[int]) -> str:
    """Return how many values there are and which, the most frequent first."""
    first = values.head(_MAX_LISTED).items()
    shown = [f"{_to_python(value)!r} ({write_count(count, 'event')})" for value, count in first]
    more = f" and {len(values) - _MAX_LISTED:,} more" if len(values) > _MAX_LISTED else ""
    return f"{len(values):,}: {', '.join(shown)}{more}" if shown else "none"


def _can_be_label(column: pd.Series) -> bool:
    """Return whether a column has two values that can be written in a study file."""
    values = column.dropna().unique()
    return len(values) == 2 and all(isinstance(_to_python(value), (str, bool, int, float)) for value in values)


def _find_signal(values: pd.Series[int], label: str, named: str | None) -> tuple[Any, str]:
    """Return the value that means signal, and why."""
    by_text = {str(value): _to_python(value) for value in values.index}
    if named is not None:
        for text, value in by_text.items():
            if named == text or (isinstance(value, float) and named == f"{value:g}"):
                return value, "as you said"
        raise EventsError(
            f'"{named}" is not a value of column "{label}" (found {name_all(by_text)}).{suggest_name(named, by_text)}'
        )
    for known in _SIGNALS:
        for text, value in by_text.items():
            if text.strip().lower() == known and not known.startswith("1"):
                return value, "named like signal"
    numbers = {_to_number(value): value for value in by_text.values()}
    if set(numbers) in ({0.0, 1.0}, {-1.0, 1.0}):
        return numbers[1.0], "1, where the other is 0 or -1"
    rarer = _to_python(values.index[-1])
    return rarer, "a guess, the rarer of the two. Check it, or name it with --signal"


def _to_number(value: Any) -> float | None:
    """Return a value as a number; None where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _to_python(value: Any) -> Any:
    """Return a numpy value as Python's own, as it stands in a study file."""
    return value.item() if isinstance(value, np.generic) else value


def _say_counts(values: pd.Series[int]) -> str:
    return " and ".join(f"{_to_python(value)!r} ({write_count(count, 'event')})" for value, count in values.items())
