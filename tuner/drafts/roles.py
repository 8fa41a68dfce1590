"""Infer the role of each column from names and values, and say why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tuner.drafts.labels import infer_label
from tuner.drafts.lists import find_lists, propose_columns
from tuner.drafts.masses import find_fitted, is_mass
from tuner.drafts.names import WEIGHTS, drop_unit, is_weight, rank_known, simplify_name
from tuner.errors import EventsError, name_all, suggest_name
from tuner.events.categories import MOST_TEXTS, find_texts, tells_class
from tuner.events.checks.sentinels import find_marks, stands_apart
from tuner.events.columns import find_offset, is_number, is_same, parse_texts
from tuner.events.diagnostics import locate, write_value
from tuner.events.expressions.syntax import quote_name
from tuner.events.listing import get_lists
from tuner.progress.wording import write_count

_IDS = ("eventid", "eventnumber", "event", "evt", "evtid", "eventno", "id", "entry", "index", "unnamed0")
_NUMBERS_OF_EVENTS = ("eventid", "eventnumber", "evtid", "eventno", "evtnumber")
"""Names that are an event's number, whatever the values."""
_KINDS = ("pdgid", "channel", "category", "flavour", "flavor", "decaymode", "type", "detector", "sector", "species")
"""Ends of names of columns whose numbers are names, not sizes."""
_BOOKKEEPING = ("run", "runnumber", "runid", "lumi", "lumiblock", "luminosityblock", "bunchcrossing", "kaggleset")
ROLES = (
    *("label", "signal", "weight", "event_id", "undefined", "observers", "ignored", "categories", "selection"),
    "columns",
)
"""Arguments of `Problem` that are inferred, in the order in which they are told."""
MIN_IDS, MIN_ID_SHARE = 100, 0.02
"""Different values, at least and as a share of the events, of a number that the rows of one event share."""
MAX_KINDS = 32


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
    categories: tuple[str, ...] = ()
    selection: str | None = None
    """What leaves out events that are neither signal nor background."""
    columns: dict[str, str] = field(default_factory=dict)
    """New columns: the label, where the file tells more than two processes; features, where it has no others."""
    undefined: float | tuple[float, ...] | dict[str, float | tuple[float, ...]] | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    """Why, by argument of `Problem`."""
    proposed: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """What may be better, but is not done without a person's word: argument of `Problem` to its value, and why."""

    @property
    def made_features(self) -> tuple[str, ...]:
        """New columns that are features."""
        return tuple(name for name in self.columns if name != self.label)


def infer_roles(
    table: pd.DataFrame, *, label: str | None = None, signal: str | None = None, weight: str | None = None
) -> Roles:
    """Return the roles of a table's columns; what the caller names is taken as it is.

    Raise `EventsError` where a named column or value is not there, or no column can be told to be the label.
    """
    for column in (label, weight):
        if column is not None and column not in table:
            raise EventsError(f'Column "{column}" is not in the file.{suggest_name(column, table.columns)}')
    index = [name for name in table.attrs.get("index", ()) if name not in (label, weight)]
    drafted = infer_label(table.drop(columns=index), label, signal)
    reasons = dict(drafted.reasons)
    left = _parse_numbers(table.drop(columns=drafted.column))
    was_named = weight is not None
    weight, others = _find_weight(left, weight)
    if weight is not None:
        weights = left[weight].to_numpy(np.float64, na_value=np.nan)
        reasons["weight"] = "as you said" if was_named else _say_weight(weights)
    left = left.drop(columns=[c for c in (weight, *others) if c is not None])
    event_id = _find_id(left)
    if event_id is not None:
        reasons["event_id"] = (
            f"named like an event's number; {left[event_id].nunique():,} values in {len(left):,} events"
        )
    left = left.drop(columns=[name for name in {*index, event_id} if name in left])
    reasons |= {f'row index "{name}"': "left out by the reader" for name in index if name != event_id}
    ignored = dict.fromkeys(others, "another weight" if weight else "a weight that does not vary")
    ignored |= _find_ignored(left) | _find_process_numbers(left, drafted.classes)
    left = left.drop(columns=[column for column in ignored if column in left])
    if ignored:
        reasons["ignored"] = _group(ignored)
    texts = [str(name) for name in left if not is_number(left[name])]
    reasons |= {f'"{name}"': f"a category of {len(find_texts(left[name]) or ())} texts" for name in texts}
    undefined, why = _find_undefined(left.drop(columns=texts))
    if undefined is not None:
        reasons["undefined"] = why
    roles = Roles(
        label=drafted.label,
        signal=drafted.signal,
        features=(),
        weight=weight,
        event_id=event_id,
        ignored=tuple(ignored),
        undefined=undefined,
        selection=drafted.selection,
        columns=drafted.columns,
        reasons=reasons,
    )
    roles = _share_features(roles, left, drafted.classes == 0)
    return _add_left_out(roles, table)


def _share_features(roles: Roles, left: pd.DataFrame, is_background: np.ndarray) -> Roles:
    """Return roles with the columns that are left as observers, categories and other features."""
    reasons, proposed = dict(roles.reasons), dict(roles.proposed)
    truth = [str(name) for name in left.columns if _is_truth(name)]
    left = left.drop(columns=truth)
    observers, masses = _find_masses(left, is_background)
    left = left.drop(columns=observers)
    categories = _find_kinds(left)
    if truth or observers:
        reasons["observers"] = _say_observers(truth, observers)
    if categories:
        reasons["categories"] = "numbers that are names, not sizes: a network has an input for each"
    if masses:
        advice = "If one is fitted afterwards, a network must not shape it: make it an observer"
        proposed["observers"] = ((*truth, *masses), f"features that are named like masses. {advice}")
    return replace(
        roles,
        features=tuple(left.columns),
        observers=(*truth, *observers),
        categories=categories,
        reasons=reasons,
        proposed=proposed,
    )


def _add_left_out(roles: Roles, table: pd.DataFrame) -> Roles:
    """Return roles with what may be made of lists, and why the reader left out other columns."""
    left_out = table.attrs.get("left_out", {})
    lists = find_lists(left_out)
    made = propose_columns(lists, [*map(str, table.columns)])
    weights = [name for name, why in left_out.items() if is_weight(name) and get_lists(why)]
    told = {
        name_all(names, most=4): f"left out by the reader: {'it' if len(names) == 1 else 'each'} {why}"
        for why, names in _list_by_reason(left_out).items()
    }
    reasons, proposed, columns = {**roles.reasons, **told}, dict(roles.proposed), dict(roles.columns)
    if weights and roles.weight is None:
        why = f'"{weights[0]}" holds weights of each event, of which the first is the nominal one as a rule'
        proposed["weight"] = (f"index({quote_name(weights[0])}, 0)", why)
    if made:
        why = f"lists for each event are no features as they are: {name_all(lists, most=4)}. Make numbers of them"
        if roles.features:
            proposed["columns"] = (made, why)
        else:
            reasons["columns"] = "; ".join(filter(None, [reasons.get("columns"), why]))
            columns |= made
    return replace(roles, columns=columns, reasons=reasons, proposed=proposed)


def _parse_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which texts that are numbers throughout, or stand for "not defined", are numbers."""
    parsed = {}
    for name in table.columns:
        if not is_number(table[name]):
            numbers, _, is_text = parse_texts(table[name])
            if not is_text.any() and not np.isnan(numbers).all():
                parsed[name] = numbers
    return table.assign(**parsed)


def _find_weight(table: pd.DataFrame, named: str | None) -> tuple[str | None, list[str]]:
    """Return the column of event weights, and other columns of weights, which no network may see."""
    numbers = [c for c in table.columns if is_number(table[c])]
    known = rank_known(numbers, WEIGHTS)
    alike = known + [c for c in numbers if c not in known and simplify_name(c).endswith("weight")]
    usable = [c for c in alike if _is_usable(table[c].to_numpy(np.float64, na_value=np.nan))]
    chosen = named if named is not None else next(iter([*usable, *(c for c in alike if _is_flawed(table[c]))]), None)
    return chosen, [c for c in alike if c != chosen]


def _is_flawed(column: pd.Series) -> bool:
    """Return whether a column of weights is to be told as flawed: it has values that differ, or is zero throughout."""
    values = column.to_numpy(np.float64, na_value=np.nan)
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and not (pd.api.types.is_bool_dtype(column) or (np.ptp(finite) == 0 and finite[0] != 0))


def _say_weight(weights: np.ndarray) -> str:
    """Return why a column is the weight, and what is wrong with it."""
    bad = ~np.isfinite(weights)
    told = "named like event weights"
    if bad.any():
        n_bad = write_count(int(bad.sum()), "event")
        return f"{told}; but it is no finite number in {n_bad}, the first of them event {bad.argmax() + 1:,}"
    return told if weights.any() else f"{told}; but it is zero in all events"


def _is_usable(weights: np.ndarray) -> bool:
    return bool(np.isfinite(weights).all() and np.ptp(weights) > 0)


def _find_id(table: pd.DataFrame) -> str | None:
    """Return a column of whole numbers or texts that is named like an id, and that few rows share."""
    for column in rank_known(table.columns, _IDS, of_members=True):
        values = table[column]
        whole = not pd.api.types.is_float_dtype(values) or bool((values == np.round(values)).all())
        n_values = values.nunique()
        is_shared = simplify_name(column.rpartition(".")[2]) in _NUMBERS_OF_EVENTS and n_values >= max(
            MIN_IDS, MIN_ID_SHARE * len(values)
        )
        if whole and (n_values > 0.5 * len(values) or is_shared):
            return column
    return None


def _find_ignored(table: pd.DataFrame) -> dict[str, str]:
    """Return columns that cannot be inputs, and why."""
    why = {}
    for column in table.columns:
        values = table[column]
        n_values = values.nunique(dropna=True)
        if simplify_name(str(column).rpartition(".")[2]) in (*_BOOKKEEPING, *_NUMBERS_OF_EVENTS):
            why[column] = "bookkeeping"
        elif not is_number(values):
            if not _is_category(values):
                why[column] = f"not a number{_say_texts(table, column)}"
        elif n_values == 0:
            why[column] = "entirely missing"
        elif n_values == 1:
            why[column] = "constant"
        elif (offset := find_offset(values)) and np.float32(values.max()) == np.float32(offset):
            why[column] = f"the same in all events in single precision; {quote_name(str(column))} - {offset} is not"
    return why


def _find_process_numbers(table: pd.DataFrame, classes: np.ndarray) -> dict[str, str]:
    """Return columns of a few whole numbers that tell the class, as the number of a simulated process does, and why."""
    why = {}
    for name in table.columns:
        values = table[name]
        if is_number(values) and 2 < values.nunique() <= MAX_KINDS and not (values.dropna() % 1).any():
            known = classes >= 0
            if tells_class(values[known].reset_index(drop=True), classes[known]):
                why[str(name)] = "each of its values is of signal only, or of background only"
    return why


def _is_category(values: pd.Series) -> bool:
    """Return whether a column of texts is a feature without being named as one."""
    texts = find_texts(values)
    return texts is not None and 1 < len(texts) <= MOST_TEXTS


def _say_texts(table: pd.DataFrame, name: Any) -> str:
    """Return which value is no number, and where, of a column that holds numbers for the most part."""
    numbers, _, is_text = parse_texts(table[name])
    n_texts = int(is_text.sum())
    if not 0 < n_texts < np.isfinite(numbers).sum():
        return ""
    row = int(is_text.argmax())
    more = f" and {write_count(n_texts - 1, 'other')}" if n_texts > 1 else ""
    return f": {write_value(table[name].iloc[row])[:40]} in {locate(table, row)}{more}, beside numbers"


def _find_undefined(table: pd.DataFrame) -> tuple[Any, str]:
    """Return the values that stand for "not defined", and why; of each column, where one is a proper value elsewhere.

    Such a value is extreme, repeated, and far from all others.
    """
    columns = {str(name): table[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in table.columns}
    of_column = {name: find_marks(values[np.isfinite(values)]) for name, values in columns.items()}
    counts = sum((Counter(marks) for marks in of_column.values()), Counter[float]())
    found = [value for value, _ in counts.most_common()]
    if not found:
        return None, ""
    where = {value: [name for name, marks in of_column.items() if value in marks] for value in found}
    told = [f"{value:g} {_say_where(where[value])}, {counts[value]:,} times" for value in found]
    why = f"extreme and far from all other values: {'; '.join(told)}"
    if not any(_is_proper(columns[name], value, marks) for name, marks in of_column.items() for value in found):
        return found[0] if len(found) == 1 else tuple(found), why
    return {
        name: tuple(marks) if len(marks) > 1 else next(iter(marks)) for name, marks in of_column.items() if marks
    }, why


def _is_proper(values: np.ndarray, value: float, marks: Iterable[float]) -> bool:
    """Return whether a value that stands for "not defined" elsewhere is one among others in a column [n]."""
    left = values[np.isfinite(values)]
    for mark in marks:
        left = left[~is_same(left, mark)]
    is_value = is_same(left, value)
    return bool(is_value.any()) and not stands_apart(left, value, is_value)


def _say_where(columns: Sequence[str]) -> str:
    return f"in {name_all(columns)}" if len(columns) < 4 else f"in {len(columns)} columns"


def _is_truth(name: object) -> bool:
    """Return whether a column is named like what simulation alone knows, or like an exact answer."""
    return bool(re.match(r"(?i)(truth|true|gen|mc)[_.]", str(name))) or "likelihood" in str(name).lower()


def _find_masses(table: pd.DataFrame, is_background: np.ndarray) -> tuple[list[str], list[str]]:
    """Return the mass that an analysis would fit, and otherwise all columns that are named like masses."""
    named = {str(name): drop_unit(name) for name in table if is_mass(drop_unit(name)) and is_number(table[name])}
    values = [table[name].to_numpy(np.float64, na_value=np.nan) for name in named]
    if find_fitted(list(named.values()), values, is_background) is None:
        return [], list(named)
    return list(named), []


def _find_kinds(table: pd.DataFrame) -> tuple[str, ...]:
    """Return columns of few different whole numbers, at least three, that are named like kinds of something."""
    found = []
    for name in table.columns:
        is_text = not is_number(table[name]) or pd.api.types.is_bool_dtype(table[name])
        if simplify_name(name).endswith(_KINDS) and not is_text:
            values = np.asarray(pd.unique(table[name].dropna()))
            if 2 < len(values) <= MAX_KINDS and (values == np.round(values)).all():
                found.append(str(name))
    return tuple(found)


def _say_observers(truth: Sequence[str], masses: Sequence[str]) -> str:
    """Return why columns are observers."""
    told = [f"{name_all(truth, most=4)}: named like the truth, which data lack"] if truth else []
    if masses:
        told.append(f'"{masses[0]}": the only mass, smooth in background, as a fit would use it; a network must not '
                    "shape it")  # fmt: skip
    return "; ".join(told)


def _list_by_reason(why: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the columns that have one reason, by reason."""
    grouped: dict[str, list[str]] = {}
    for column, reason in why.items():
        grouped.setdefault(reason, []).append(column)
    return grouped


def _group(why: Mapping[str, str]) -> str:
    """Return reasons, each with its columns: "a", "b": constant; "c": bookkeeping."""
    return "; ".join(f"{name_all(names, most=4)}: {reason}" for reason, names in _list_by_reason(why).items())
