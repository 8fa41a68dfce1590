"""Infer the role of each column from names and values, and say why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all, suggest_name

_LABELS = ("label", "class", "target", "issignal", "signal", "issig", "truthlabel", "y", "truth", "category", "type")
_SIGNALS = ("signal", "sig", "s", "true", "t", "yes", "positive", "pos", "gamma", "g", "photon", "1", "1.0")
_WEIGHTS = ("weight", "eventweight", "weights", "mcweight", "genweight", "sampleweight", "w", "wgt", "evtweight")
_IDS = ("eventid", "eventnumber", "event", "evt", "evtid", "eventno", "id", "entry", "index", "unnamed0")
_BOOKKEEPING = ("run", "runnumber", "runid", "lumi", "lumiblock", "luminosityblock", "bunchcrossing", "kaggleset")
_MASSES = ("mass", "m", "invmass", "invariantmass", "mll", "mjj", "myy", "mgg", "mbb", "mtautau")
_UNDEFINED = (-999.0, -9999.0, -99.0, -99999.0, -999.9, -1000.0, 999.0, 9999.0, 99999.0)
_LEAST_SHARE = 5e-4


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What each column of a table seems to be. Columns that are not named here are features."""

    label: str
    signal: Any
    """Value of the label that means signal."""
    features: tuple[str, ...]
    weight: str | None = None
    event_id: str | None = None
    observers: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    undefined: float | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    """Why, by argument of `Problem`."""


def infer_roles(
    table: pd.DataFrame, *, label: str | None = None, signal: str | None = None, weight: str | None = None
) -> Roles:
    """Return the roles of a table's columns; what the caller names is taken as it is.

    Raise `EventsError` where a named column or value is not there, or no column can be told to be the label.
    """
    reasons: dict[str, str] = {}
    for column in (label, weight):
        if column is not None and column not in table:
            raise EventsError(f'Column "{column}" is not in the file.{suggest_name(column, table.columns)}')
    label = label or _find_label(table)
    values = table[label].value_counts()
    reasons["label"] = f"the column with two values: {_say_counts(values)}"
    chosen, reasons["signal"] = _find_signal(values, label, signal)
    left = table.drop(columns=label)
    weight, others = _find_weight(left, weight)
    if weight is not None:
        reasons["weight"] = "by its name"
    left = left.drop(columns=[c for c in (weight, *others) if c is not None])
    event_id = _find_id(left)
    if event_id is not None:
        reasons["event_id"] = f"by its name; {left[event_id].nunique():,} values in {len(left):,} events"
    left = left.drop(columns=[event_id] if event_id is not None else [])
    ignored = dict.fromkeys(others, "another weight") | _find_ignored(left)
    left = left.drop(columns=[column for column in ignored if column in left])
    undefined, found = _find_undefined(left)
    if undefined is not None:
        reasons["undefined"] = found
    observers = _find_observers(left)
    left = left.drop(columns=list(observers))
    for name, columns in (("ignored", ignored), ("observers", observers)):
        if columns:
            reasons[name] = "; ".join(f'"{column}": {why}' for column, why in columns.items())
    return Roles(
        label=label,
        signal=chosen,
        features=tuple(left.columns),
        weight=weight,
        event_id=event_id,
        observers=tuple(observers),
        ignored=tuple(ignored),
        undefined=undefined,
        reasons=reasons,
    )


def _plain(name: object) -> str:
    """Return a column's name without case and marks, as the lists above have them."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _rank(columns: Iterable[Any], known: Sequence[str]) -> list[str]:
    """Return the columns whose names are known, the best known first."""
    order = {name: place for place, name in enumerate(known)}
    return sorted((c for c in columns if _plain(c) in order), key=lambda c: order[_plain(c)])


def _find_label(table: pd.DataFrame) -> str:
    two_valued = [c for c in table.columns if table[c].nunique(dropna=True) == 2]
    named = _rank(two_valued, _LABELS)
    if named:
        return named[0]
    if len(two_valued) == 1:
        return str(two_valued[0])
    if two_valued:
        raise EventsError(
            f"Several columns have two values and none has the name of a label: {name_all(two_valued)}. "
            "Name the right one with --label."
        )
    close = _rank(table.columns, _LABELS)
    hint = f' Column "{close[0]}" has {table[close[0]].nunique()}.' if close else ""
    raise EventsError(
        f"One column must say what an event is, with one value for signal and one for background, but none has two "
        f"values.{hint} The columns are {name_all(table.columns)}."
    )


def _find_signal(values: pd.Series[int], label: str, named: str | None) -> tuple[Any, str]:
    """Return the value that means signal, and why."""
    if len(values) != 2:
        raise EventsError(
            f'The label must have two values, but "{label}" has {len(values)}: {name_all(values.index)}. '
            "Name another column with --label."
        )
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
            if text.lower() == known:
                return value, "by its name" if not known.startswith("1") else "1 of 0 and 1, or of -1 and 1"
    rarer = _to_python(values.index[-1])
    return rarer, "a guess, the rarer of the two. Check it"


def _to_python(value: Any) -> Any:
    """Return a numpy value as Python's own, as it stands in a study file."""
    return value.item() if isinstance(value, np.generic) else value


def _find_weight(table: pd.DataFrame, named: str | None) -> tuple[str | None, list[str]]:
    """Return the column of event weights, and other columns of weights, which no network may see."""
    numbers = [c for c in table.columns if pd.api.types.is_numeric_dtype(table[c])]
    known = _rank(numbers, _WEIGHTS)
    alike = known + [c for c in numbers if c not in known and _plain(c).endswith("weight")]
    usable = [c for c in alike if np.isfinite(table[c]).all() and np.ptp(table[c]) > 0]
    chosen = named if named is not None else next(iter(usable), None)
    return chosen, [c for c in alike if c != chosen]


def _find_id(table: pd.DataFrame) -> str | None:
    """Return a column of whole numbers or texts that is named like an id and hardly ever repeats."""
    for column in _rank(table.columns, _IDS):
        values = table[column]
        whole = not pd.api.types.is_float_dtype(values) or bool((values == values.round()).all())
        if whole and values.nunique() > 0.5 * len(values):
            return column
    return None


def _find_ignored(table: pd.DataFrame) -> dict[str, str]:
    """Return columns that cannot be inputs, and why."""
    why = {}
    for column in table.columns:
        values = table[column]
        n_values = values.nunique(dropna=True)
        if _plain(column) in _BOOKKEEPING:
            why[column] = "bookkeeping"
        elif not pd.api.types.is_numeric_dtype(values):
            why[column] = "not a number"
        elif n_values == 0:
            why[column] = "entirely missing"
        elif n_values == 1:
            why[column] = "constant"
    return why


def _find_undefined(table: pd.DataFrame) -> tuple[float | None, str]:
    """Return the value that stands for "not defined": whole, extreme, repeated, and far from all others."""
    columns_by_value: dict[float, list[str]] = {}
    counts: Counter[float] = Counter()
    for column in table.columns:
        values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
        values = values[np.isfinite(values)]
        for extreme in {values.min(), values.max()} if len(values) else ():
            count = int((values == extreme).sum())
            if count >= max(3, _LEAST_SHARE * len(values)) and _stands_apart(values, float(extreme)):
                columns_by_value.setdefault(float(extreme), []).append(str(column))
                counts[float(extreme)] += count
    if not counts:
        return None, ""
    value, count = counts.most_common(1)[0]
    columns = columns_by_value[value]
    where = f"in {name_all(columns, most=3)}" if len(columns) < 4 else f"in {len(columns)} columns"
    others = [f"{v:g}" for v in counts if v != value]
    also = f"; only one such value can be named, but {', '.join(others)} looks like one too" if others else ""
    return value, f"extreme and far from all other values {where}, {count:,} times{also}"


def _stands_apart(values: np.ndarray, extreme: float) -> bool:
    """Whether an extreme is a customary mark, or far away from other values that lie close together."""
    others = values[values != extreme]
    if not len(others) or extreme != round(extreme, 1):
        return False
    gap = np.abs(others - extreme).min()
    width = np.quantile(others, 0.99) - np.quantile(others, 0.01)
    return bool(gap > 0.1 * width if extreme in _UNDEFINED else extreme < -1 and gap > 10 * width > 0)


def _find_observers(table: pd.DataFrame) -> dict[str, str]:
    """Return columns that are better looked at than learnt from, and why."""
    why = {}
    for column in table.columns:
        if re.match(r"(?i)(truth|true|gen|mc)[_.]", str(column)) or "likelihood" in str(column).lower():
            why[str(column)] = "named like the truth"
        elif _plain(column) in _MASSES:
            why[str(column)] = "a mass, often fitted afterwards, which a network must not shape"
    return why


def _say_counts(values: pd.Series[int]) -> str:
    return ", ".join(f"{_to_python(value)!r} {count:,} times" for value, count in values.items())
