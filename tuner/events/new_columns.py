"""Columns that expressions make of those that were read."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import EventsError, name_all, suggest_name
from tuner.events.columns import is_number, is_same, parse_texts
from tuner.events.diagnostics import write_value
from tuner.events.expressions.evaluation import Evaluated, evaluate
from tuner.events.expressions.functions import is_list
from tuner.events.formats.lists import wrap_lists
from tuner.events.formulas import FILE, Formulas, Lookup
from tuner.progress.wording import write_count

N_LOOKED_AT = 100
"""Values that tell whether a column of texts may hold numbers."""
MAX_TOLD = 3
"""Operations that a note names, at most."""


class ColumnMaker:
    """Makes new columns, each once. Values that stand for "not defined" are undefined before anything is computed."""

    def __init__(
        self,
        table: pd.DataFrame,
        lists: Mapping[str, Any],
        formulas: Formulas,
        undefined: Callable[[str], tuple[float, ...]],
        *,
        moved: Mapping[str, str] | None = None,
        nominal: ColumnMaker | None = None,
    ) -> None:
        """Take columns.

        Args:
            table: Columns as they were read, one value an event.
            lists: Columns of lists of numbers, awkward arrays, one list an event.
            formulas: What is to be made.
            undefined: Says of a column which of its values stand for "not defined".
            moved: Column to another that is taken in its place, such as its shifted values.
            nominal: Makes columns of which none is moved, those that are taken in place of others.
        """
        self.table, self.lists, self.formulas = table, lists, formulas
        self.undefined, self.moved, self.nominal = undefined, moved or {}, nominal or self
        self._made: dict[str, Any] = {}
        self._evaluated: dict[str, Evaluated] = {}
        self._unknown: dict[str, np.ndarray] = {}
        self._unused: dict[str, list[Any]] = {}

    def __call__(self, name: str) -> Any:
        """Return a column for an expression; see `tuner.events.expressions.evaluation.Columns`."""
        if name not in self._made:
            self._made[name] = self._find(name)
        return self._made[name]

    def make(self, name: str) -> Any:
        """Return a new column [n]: numbers, conditions, texts, or lists. Raise `EventsError`."""
        formula = self.formulas.columns[name]
        if isinstance(formula, Lookup):
            return self._look_up(name, formula)
        try:
            evaluated = evaluate(formula, self)
        except EventsError as error:
            raise EventsError(f"{self._name(name)}: {error}") from error
        self._evaluated[name] = evaluated
        values = evaluated.value
        if isinstance(values, pd.Series) or is_list(values):
            return values
        return np.full(len(self.table), values) if np.ndim(values) == 0 else values

    def test(self, part: ast.expr) -> np.ndarray:
        """Return where a part of the selection holds, bool [n]. Raise `EventsError`."""
        selection = self.formulas.selection
        assert selection is not None
        try:
            evaluated = evaluate(selection, self, part)
        except EventsError as error:
            raise EventsError(f"`selection`: {error}") from error
        values, text = evaluated.value, selection.cut_out(part)
        if evaluated.kind == "lists":
            raise EventsError(
                f"`selection`: `{text}` must be one condition for each event, but is a list of them. "
                f"Write any({text}), all({text}), or take an element: index(..., 0)."
            )
        if evaluated.kind == "numbers" and np.ndim(values) and np.isin(values[~np.isnan(values)], (0, 1)).all():
            values = values == 1
        elif evaluated.kind != "conditions":
            raise EventsError(f"`selection`: `{text}` must be a condition, such as `pt > 20`, but is not.")
        return np.broadcast_to(values, len(self.table))

    def _find(self, name: str) -> Any:
        source = self.moved.get(name, name)
        if source != name and source in self.formulas.columns:
            return self.nominal(source)
        if source in self.formulas.columns and source not in self.table:
            return self.make(source)
        if source in self.lists:
            return self._open_lists(source, self.undefined(name))
        if source in self.table:
            return _take_values(self.table[source], self.undefined(name))
        if source == FILE and (files := _name_files(self.table)) is not None:
            return files
        raise EventsError(self._tell_missing(source))

    def _tell_missing(self, name: str) -> str:
        """Return that a column is not there, or why it cannot be used."""
        if why := self.table.attrs.get("left_out", {}).get(name):
            return f'column "{name}" {why}, which no expression can use.'
        attrs = self.table.attrs
        there = [*attrs.get("names", ()), *attrs.get("left_out", ()), *self.table.columns, *self.formulas.columns]
        there = [column for column in dict.fromkeys(there) if column not in self.formulas.weights]
        return f'column "{name}" is not there.{suggest_name(name, there) or f" There are {name_all(there)}."}'

    def _open_lists(self, name: str, undefined: tuple[float, ...]) -> Any:
        """Return lists of numbers, float64, or of conditions; undefined elements are not-a-number."""
        import awkward as ak

        try:
            lists = wrap_lists(self.lists[name])
        except (TypeError, ValueError) as error:
            raise EventsError(f'column "{name}" must hold lists of numbers: {error}.') from error
        if len(lists) != len(self.table):
            raise EventsError(
                f'column "{name}" must hold a list for each of {len(self.table):,} events, but holds {len(lists):,}.'
            )
        lists = ak.fill_none(lists, [], axis=0)  # an event without a list has an empty one
        if lists.ndim != 2 or not re.search(r"\* var \* \??(float|u?int|bool|unknown)\w*$", str(ak.type(lists))):
            raise EventsError(
                f'column "{name}" must hold a list of numbers for each event to be used, but holds '
                f"{str(ak.type(lists)).partition(' * ')[2]}."
            )
        if str(ak.type(lists)).endswith("* bool"):
            return lists
        lists = ak.fill_none(ak.values_astype(lists, np.float64), np.nan, axis=-1)
        counts, flat = ak.num(lists, axis=1), np.array(ak.flatten(lists, axis=1))
        for value in undefined:
            flat[is_same(flat, value)] = np.nan
        flat[~np.isfinite(flat)] = np.nan
        return ak.unflatten(flat, counts)

    def _look_up(self, name: str, lookup: Lookup) -> np.ndarray:
        """Return the number for each value of a column, float64 [n]. Raise `EventsError` where a value has none."""
        try:
            column = self(lookup.column)
        except EventsError as error:
            raise EventsError(f'New column "{name}": {error}') from error
        if is_list(column):
            raise EventsError(
                f'New column "{name}": "{lookup.column}" must be one value for each event, but is a list.'
            )
        codes, values = pd.factorize(column)
        keys = [_find_key(value, lookup.numbers) for value in values]
        numbers = np.array([np.nan if key is None else lookup.numbers[key] for key in keys] + [np.nan])[codes]
        self._unknown[name] = np.isnan(numbers)
        self._unused[name] = [key for key in lookup.numbers if key not in keys]
        return numbers

    def _name(self, name: str) -> str:
        """Return what a new column is, for messages: a weight that is an expression has its text as its name."""
        return f"Weight `{name}`" if name in self.formulas.weights else f'New column "{name}"'

    @property
    def unknown(self) -> set[str]:
        """Columns without a number for some value of another column."""
        return {name for name, is_unknown in self._unknown.items() if is_unknown.any()}

    def find_unknown(self, kept: np.ndarray, among: Collection[str]) -> list[str]:
        """Return a sentence for each of some columns without a number for a value that there is in kept events [n]."""
        problems = []
        for name, is_unknown in self._unknown.items():
            if name not in among or not (is_unknown & kept).any():
                continue
            lookup = self.formulas.columns[name]
            assert isinstance(lookup, Lookup)
            values = pd.unique(pd.Series(self(lookup.column))[is_unknown & kept])
            told = ", ".join("undefined" if pd.isna(value) else write_value(value) for value in values[:12])
            problems.append(
                f'New column "{name}" must have a number for each value of "{lookup.column}", but has none where it is '
                f"{told}. It has {', '.join(map(write_value, lookup.numbers))}."
            )
        return problems

    def list_notes(self, kept: np.ndarray, among: Collection[str]) -> list[str]:
        """Return a sentence for each of some columns that is undefined in kept events [n] whose columns are defined.

        And one for each that has numbers for values that there are not.
        """
        made = ((name, evaluated) for name, evaluated in self._evaluated.items() if name in among)
        told = (self._tell_undefined(name, evaluated, kept) for name, evaluated in made)
        unused = [
            f"{self._name(name)} has numbers for values that no event has: {', '.join(map(write_value, keys))}."
            for name, keys in self._unused.items()
            if keys and name in among
        ]
        return [*filter(None, told), *unused]

    def _tell_undefined(self, name: str, evaluated: Evaluated, kept: np.ndarray) -> str:
        """Return by what a column is undefined, and in how many events; empty where it is not."""
        if evaluated.kind != "numbers" or not evaluated.undefined_by:
            return ""
        is_undefined = np.isnan(evaluated.value) & kept
        where = {text: is_undefined & made for text, made in evaluated.undefined_by.items()}
        counts = {text: int(events.sum()) for text, events in where.items() if events.any()}
        if not counts:
            return ""
        told = [f"in {write_count(count, 'event')} by `{text}`" for text, count in counts.items()]
        whole = f"in {write_count(int(np.logical_or.reduce([*where.values()]).sum()), 'event')}: "
        more = f" and {len(told) - MAX_TOLD} more" if len(told) > MAX_TOLD else ""
        begin = f"{self._name(name)} becomes undefined, though what it is made of is defined, "
        return f"{begin}{whole if len(told) > 1 else ''}{', '.join(told[:MAX_TOLD])}{more}."


def _find_key(value: Any, numbers: Mapping[Any, float]) -> Any:
    """Return the key that a value has, or the first pattern that it fits; None where there is none."""
    plain = value.item() if isinstance(value, np.generic) else value
    if plain in numbers:
        return plain
    patterns = (key for key in numbers if isinstance(key, str) and isinstance(plain, str))
    return next((key for key in patterns if fnmatchcase(plain, key)), None)


def _take_values(column: pd.Series, undefined: tuple[float, ...]) -> Any:
    """Return numbers, of which undefined ones are not-a-number, or texts; whole numbers stay whole where all are there.

    Raise `EventsError` where a column holds neither.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype == bool:
        return column.to_numpy()
    if not is_number(column):
        if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_complex_dtype(column.dtype):
            raise EventsError(
                f'column "{column.name}" must hold numbers or texts to be used, but holds {column.dtype}.'
            )
        return _take_texts(column, undefined)
    is_whole = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"
    if is_whole:
        whole = column.to_numpy()
        if not any(is_same(whole, value).any() for value in undefined):
            return whole.astype(np.uint64 if whole.dtype == np.uint64 else np.int64, copy=False)
    numbers = column.to_numpy(np.float64, na_value=np.nan, copy=True)
    for value in undefined:
        numbers[is_same(numbers, value, column.dtype)] = np.nan
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def _take_texts(column: pd.Series, undefined: tuple[float, ...]) -> Any:
    """Return a column of texts as it is, or as numbers where all of them are, but for "?" and the like."""
    if getattr(column.dtype, "na_value", None) is pd.NA:  # whose comparisons are neither true nor false
        column = column.astype(object).where(column.notna(), np.nan)
    some = column.dropna().iloc[:N_LOOKED_AT]
    if some.empty or not pd.to_numeric(some.astype(object), errors="coerce").notna().any():
        return column.reset_index(drop=True)
    numbers, _, is_text = parse_texts(column)
    return column.reset_index(drop=True) if is_text.any() else _take_values(pd.Series(numbers), undefined)


def _name_files(table: pd.DataFrame) -> pd.Series | None:
    """Return the name of the file of each event [n], without its folder, and with its tree: "ttH.root:events"."""
    parts = table.attrs.get("parts")
    if not parts:
        return None
    names = [re.sub(r"^.*/(?=[^/:]+(:.*)?$)", "", str(name)) for name, _ in parts]
    codes = np.repeat(np.arange(len(parts)), [n for _, n in parts])
    return pd.Series(pd.Categorical(names, ordered=False).take(codes))
