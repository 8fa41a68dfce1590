"""From columns as they were read to features, labels, weights: what does not hold is told, never repaired unnoticed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tuner.errors import name_all
from tuner.events.diagnostics import Findings, locate, write_value
from tuner.events.expressions.syntax import quote_name

UNDEFINED_TEXTS = (
    *("", "?", "-", "--", "---", ".", "nan", "na", "n/a", "#n/a", "<na>", "null", "\\n", "none", "nil", "missing"),
    *("undefined", "undef", "nat", "-nan", "+nan", "nan(ind)", "-nan(ind)", "nan(snan)", "*", "**", "***"),
    *(
        f"{sign}1.#{kind}"
        for sign in ("", "-", "+")
        for kind in ("inf", "ind", "qnan", "snan", "nan", "inf00", "ind00")
    ),
    *("#div/0!", "#value!", "#num!", "#ref!", "#name?", "#null!", "#nv", "#n/d", "#wert!", "#zahl!", "#bezug!"),
    *("#valeur!", "#nombre!", "#nom?", "#nul!", "#valore!", "#rif!", "#nome?", "#¡div/0!", "#¡valor!", "#¡num!"),
)
"""Texts that stand for "not defined" among numbers, whatever their case: of people, pandas, R, databases, and of what
C on Windows and spreadsheets, in English, German, French, Italian and Spanish, write for impossible results."""

MIN_STEPS = 1000
"""Different numbers of single precision that a feature's range must have room for, to be told of in full."""
LARGEST = float(np.finfo(np.float32).max) / 2
"""Largest feature: the difference of any two is a float32, too."""

Marks = Callable[[str], tuple[float, ...]]
"""Says of a column which of its values stand for "not defined"."""


def take_features(table: pd.DataFrame, names: Sequence[str], undefined: Marks, found: Findings) -> pd.DataFrame:
    """Return features as float32 [n, d]; values that are undefined, infinite or too large become not-a-number.

    Note how many are infinite or larger than `LARGEST`.
    """
    values = np.empty((len(table), len(names)), np.float32, order="F")
    for number, name in enumerate(names):
        numbers = take_numbers(table, name, undefined(name), found, role="Feature")
        beyond = np.abs(numbers) > LARGEST
        if beyond.any():
            numbers[beyond] = np.nan
            found.notes.append(
                f'Feature "{name}" is infinite or beyond {LARGEST:.1e} in {_count(beyond)}, the first of them '
                f"{locate(table, int(beyond.argmax()))}: there it counts as undefined."
            )
        values[:, number] = numbers
    return pd.DataFrame(values, columns=list(names), copy=False)


def check_features(features: pd.DataFrame, table: pd.DataFrame, found: Findings, *, among: str = "") -> None:
    """Find features that tell nothing: the same value in all events, or undefined in all of them.

    Args:
        features: What `take_features` returned.
        table: The columns that they were taken of: numbers may differ there by less than single precision tells.
        found: What is found is added to it.
        among: Clause that says which events these are.
    """
    blank, constant = [], []
    for name in features.columns:
        values = features[name].to_numpy()
        n_undefined = int(np.isnan(values).sum())
        if n_undefined == len(values):
            blank.append(name)
        elif n_undefined == 0 and values.min() == values.max():
            if offset := find_offset(table[name]):
                found.problems.append(_tell_offset(name, offset))
            else:
                constant.append(f"{name} = {values[0]:g}")
        elif (offset := find_offset(table[name])) and (n := len(np.unique(values))) < table[name].nunique() / 2:
            found.notes.append(
                f'Feature "{name}" has only {n:,} different values as a number of single precision, in which networks '
                f"compute, where there are {table[name].nunique():,}. {_advise_offset(name, offset)}"
            )
    flaws = (("undefined-throughout", "are undefined in all events", blank),
             ("constant", "are the same in all events", constant))  # fmt: skip
    for code, kind, names in flaws:
        if names:
            found.problems.append(
                f"Features must tell events apart, but these {kind}{among}: {name_all(names)}. Leave them out with "
                f"`ignored`. [{code}]"
            )


def find_offset(column: pd.Series) -> int | None:
    """Return what to subtract from numbers of a large common part, so that single precision tells them apart.

    None where it does so, as where they have no such part.
    """
    if not is_number(column) or getattr(column.dtype, "itemsize", 8) < 8:
        return None
    defined = column.dropna()
    low, high = (float(defined.min()), float(defined.max())) if len(defined) else (0.0, 0.0)
    if not np.isfinite([low, high]).all() or max(abs(low), abs(high)) > LARGEST:
        return None
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    return int(defined.min()) if 0 < high - low < MIN_STEPS * step else None


def _tell_offset(name: str, offset: int) -> str:
    return (
        f'Feature "{name}" tells events apart only beyond single precision, in which networks compute: all of its '
        f"values are the same then. {_advise_offset(name, offset)} [constant]"
    )


def _advise_offset(name: str, offset: int) -> str:
    stem = re.sub(r"\W+", "_", name).strip("_")
    made = json.dumps({f"{stem}_shifted": f"{quote_name(name)} - {offset}".replace("- -", "+ ")})
    return f"Subtract what they have in common, `columns={made}`, and leave it out with `ignored`."


def take_numbers(
    table: pd.DataFrame, name: str, undefined: tuple[float, ...], found: Findings, *, role: str
) -> np.ndarray:
    """Return a column as floating-point numbers [n]; undefined values become not-a-number, infinite ones stay."""
    column = table[name]
    if not is_number(column):
        return _take_text(table, name, undefined, found, role=role)
    kind = np.float32 if column.dtype == np.float32 else np.float64
    numbers = column.to_numpy(kind, na_value=np.nan, copy=True)
    for value in undefined:
        numbers[is_same(numbers, value, column.dtype)] = np.nan
    return numbers


def is_same(numbers: np.ndarray, value: float, kind: object = np.float64) -> np.ndarray:
    """Return where numbers [n] are a value, as float32 holds both, or as the narrower `kind` of the numbers does."""
    with np.errstate(over="ignore"):
        mark = np.float16(value) if kind == np.float16 else value
        return np.asarray(numbers.astype(np.float32, copy=False) == np.float32(mark))


def _take_text(
    table: pd.DataFrame, name: str, undefined: tuple[float, ...], found: Findings, *, role: str
) -> np.ndarray:
    """Return numbers that were written as text; find the first value that is none."""
    numbers, is_mark, is_text = parse_texts(table[name])
    if is_mark.any():
        row = int(is_mark.argmax())
        found.notes.append(
            f'{role} "{name}" is {write_value(table[name].iloc[row])} in {_count(is_mark)}, the first of them '
            f"{locate(table, row)}: there it counts as undefined."
        )
    if is_text.any():
        row = int(is_text.argmax())
        value = _shorten(table[name].iloc[row])
        others = f" ({is_text.sum():,} such events)" if is_text.sum() > 1 else ""
        found.problems.append(
            f'{role} "{name}" must be numbers, but is {value} in {locate(table, row)}{others}. '
            "Correct it, or leave the column out with `ignored`."
        )
        # One problem is enough: as these numbers the column is not called constant or undefined as well.
        numbers[is_text] = np.arange(is_text.sum())
    return take_numbers(pd.DataFrame({name: numbers}), name, undefined, found, role=role)


def is_number(column: pd.Series) -> bool:
    """Return whether a column has a type of real numbers, or of yes and no."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype)


def parse_texts(column: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a column of texts as float64 [n], where it holds "?" or the like [n], and where other texts [n]."""
    texts = column.astype(object)
    coerced = pd.to_numeric(texts, errors="coerce")
    if pd.api.types.is_complex_dtype(coerced.dtype):
        coerced = pd.Series(np.nan, index=texts.index)
    numbers = coerced.to_numpy(np.float64, na_value=np.nan, copy=True)
    is_text = np.isnan(numbers) & texts.notna().to_numpy()
    is_mark = is_text.copy()
    is_mark[is_text] = [str(value).strip().lower() in UNDEFINED_TEXTS for value in texts[is_text]]
    return numbers, is_mark, is_text & ~is_mark


def _take_finite(
    table: pd.DataFrame, name: str, undefined: tuple[float, ...], found: Findings, *, role: str
) -> np.ndarray:
    """Return a column as float64 [n]; undefined and infinite values become not-a-number."""
    numbers = take_numbers(table, name, undefined, found, role=role).astype(np.float64, copy=False)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def take_weights(table: pd.DataFrame, name: str | None, labels: np.ndarray, found: Findings) -> np.ndarray:
    """Return event weights, float64 [n], ones where no column is named; find those that cannot be.

    That is: not finite, all zero, or of a class that adds up to 0 or less. labels: [n], or [0] where not known.
    """
    if name is None or name not in table:
        return np.ones(len(table))
    n_before = len(found.problems)
    weights = _take_finite(table, name, (), found, role="Weight")
    absent = ~(np.abs(weights) <= LARGEST)
    if len(found.problems) > n_before:
        return weights
    if absent.any():
        found.problems.append(
            f'Weight "{name}" must be a finite number in each event, but is not in {absent.sum():,}, '
            f"the first of them {locate(table, int(absent.argmax()))}. Correct them, or leave them out."
        )
    elif not weights.any():
        found.problems.append(f'Weight "{name}" must not be zero in all events, but is. Is it the right column?')
    elif len(labels) == len(weights):
        for label, kind in ((1, "signal"), (0, "background")):
            total = weights[labels == label].sum()
            if (labels == label).any() and total <= 0:
                found.problems.append(
                    f'Weight "{name}" of {kind} must add up to more than 0, but adds up to {total:g}. '
                    "Is it the right column, and are all events there?"
                )
    return weights


def take_known_weights(table: pd.DataFrame, name: str | None) -> np.ndarray | None:
    """Return event weights, float64 [n]; None where there is no such column, or where it does not hold numbers."""
    if name is None or name not in table:
        return None
    found = Findings()
    weights = _take_finite(table, name, (), found, role="Weight")
    return None if found.problems else weights


def take_event_id(table: pd.DataFrame, name: str | None, found: Findings) -> np.ndarray | None:
    """Return what names the events [n], None where no column is named; find events without a name."""
    if name is None or name not in table:
        return None
    absent = table[name].isna().to_numpy()
    if absent.any():
        found.problems.append(
            f'Event id "{name}" must be there in each event, but is missing in {absent.sum():,}, the first of them '
            f"{locate(table, int(absent.argmax()))}. Events of one id stay in one part: give these one, too."
        )
    return table[name].to_numpy()


def take_observers(
    table: pd.DataFrame, names: Sequence[str], undefined: Marks, optimum: str | None, found: Findings
) -> pd.DataFrame:
    """Return observers [n, n_observers], numbers where they are numbers; the optimum must be finite everywhere."""
    columns: dict[str, Any] = {}
    for name in (name for name in names if name in table):
        is_number = pd.api.types.is_numeric_dtype(table[name].dtype)
        columns[name] = (
            _take_finite(table, name, undefined(name), found, role="Observer")
            if is_number or name == optimum
            else table[name].to_numpy()
        )
    if optimum in columns and (absent := np.isnan(columns[optimum])).any():
        found.problems.append(
            f'Optimum "{optimum}" must be a finite number in each event, but is not in {absent.sum():,}, the first of '
            f"them {locate(table, int(absent.argmax()))}."
        )
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)), copy=False)


def _count(chosen: np.ndarray) -> str:
    """Return how many events are chosen [n], in words."""
    n = int(chosen.sum())
    return f"{n:,} {'event' if n == 1 else 'events'}"


def _shorten(value: object) -> str:
    text = write_value(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
