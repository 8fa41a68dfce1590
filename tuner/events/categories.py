"""Features of texts: each text becomes a code, its place among the texts of the column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tuner.errors import name_all, suggest_name
from tuner.events.columns import is_number, parse_texts
from tuner.events.diagnostics import Findings, write_value
from tuner.events.listing import Reasons
from tuner.events.name_patterns import fits
from tuner.problem import Problem
from tuner.progress.wording import write_count

MOST_TEXTS = 32
"""Different texts of a column that is a category without being named as one."""
MIXED = 0.005
"""Share of events, whose text is mostly of the other class, below which a column of texts tells the class."""
UNKNOWN = -1
"""Code of a text that is not in the list."""

Codes = Mapping[str, tuple[str, ...]]


def code_texts(
    table: pd.DataFrame,
    features: Sequence[str],
    problem: Problem,
    found: Findings,
    labels: np.ndarray | None = None,
    *,
    to_score: bool = False,
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """Return the events with codes in place of texts, and the texts of each such feature, in their order.

    A column of texts with one value, or more than `MOST_TEXTS`, that is not named in `categories` is left out, and
    listed in `attrs["left_out"]`; it is a problem where `features` of the problem names it. So is one that is named
    nowhere and tells the class, as the name of a simulated process does. Undefined texts stay undefined.

    Args:
        table: The events as they were read.
        features: Columns that may be features.
        problem: Names categories and features.
        found: What does not hold is added to it.
        labels: In {0, 1} [n], where they are known.
        to_score: Keep columns with one text, too: training may have seen others.
    """
    codes: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, str] = {}
    fewest = 1 if to_score else 2
    for name in features:
        texts = find_texts(table[name]) if name in table else None
        if texts is None:
            continue
        is_named = fits(name, problem.categories) or problem.features is not None
        is_free = not is_named and 1 < len(texts) <= MOST_TEXTS
        if is_free and tells_class(table[name], labels):
            left_out[name] = "tells the class: almost each of its texts is of signal only, or of background only"
        elif fits(name, problem.categories) or fewest <= len(texts) <= MOST_TEXTS:
            codes[name] = texts
        elif len(texts) == 1 and problem.features is None:
            left_out[name] = f"holds one text in all events, {write_value(texts[0])}"
        elif problem.features is not None:
            found.problems.append(
                f'Feature "{name}" must be numbers, or a category of 2 to {MOST_TEXTS} texts, but holds '
                f"{write_count(len(texts), 'different text')}, such as {write_value(texts[0])}. Name it in "
                "`categories`, or leave it out with `ignored`."
            )
        else:
            left_out[name] = f"holds {len(texts):,} different texts, which only `categories` would make a feature"
    if not codes and not left_out:
        return table, {}
    coded = apply_codes(table.drop(columns=[*left_out]), codes)
    coded.attrs = {**table.attrs, "left_out": Reasons({**table.attrs.get("left_out", {}), **left_out})}
    return coded, codes


def find_unknown_categories(problem: Problem, features: Sequence[str]) -> list[str]:
    """Return a sentence for each name in `categories` that is not that of a feature."""
    return [
        f'`categories` names "{name}", which is no feature.{suggest_name(name, features)}'
        for name in problem.categories
        if not any(fits(feature, [name]) for feature in features)
    ]


def apply_codes(table: pd.DataFrame, codes: Codes, found: Findings | None = None) -> pd.DataFrame:
    """Return the events with codes in place of texts, `UNKNOWN` for those that are not in the list.

    Args:
        table: The events as they were read.
        codes: Texts of each feature of texts.
        found: A note is added for each feature with unknown texts.
    """
    if not codes:
        return table
    columns = {name: _code(table[name], texts) for name, texts in codes.items() if name in table}
    if found is not None:
        found.notes += [_tell_unknown(table[name], coded) for name, coded in columns.items() if UNKNOWN in coded]
    return table.assign(**{str(name): coded for name, coded in columns.items()})


def recode(table: pd.DataFrame, before: Codes, after: Codes) -> pd.DataFrame:
    """Return features [n, d] whose codes are places in `before` with codes that are places in `after`."""
    changed = {}
    for name, texts in after.items():
        if name in before and before[name] != texts:
            place = {text: code for code, text in enumerate(texts)}
            lookup = np.array([*(place.get(text, UNKNOWN) for text in before[name]), UNKNOWN], np.float32)
            values = table[name].to_numpy()
            known = np.where(np.isnan(values), UNKNOWN, values).astype(np.int64)
            changed[str(name)] = np.where(np.isnan(values), np.nan, lookup[known]).astype(np.float32)
    return table.assign(**changed) if changed else table


def _tell_unknown(column: pd.Series, coded: np.ndarray) -> str:
    unknown = coded == UNKNOWN
    return (
        f'Feature "{column.name}" holds {name_all(pd.unique(column[unknown]), most=3)}, which training never saw, in '
        f"{write_count(int(unknown.sum()), 'event')}: there it counts as any other value."
    )


def tells_class(column: pd.Series, labels: np.ndarray | None) -> bool:
    """Return whether almost all events have a text that is of one class only; no where labels are not known."""
    if labels is None or len(labels) != len(column):
        return False
    number = pd.factorize(column, use_na_sentinel=False)[0]
    counts = np.stack([np.bincount(number[labels == label], minlength=number.max() + 1) for label in (0, 1)])
    return bool(counts.min(axis=0).sum() < MIXED * len(labels))


def find_texts(column: pd.Series) -> tuple[str, ...] | None:
    """Return the different texts of a column, sorted; None where it holds numbers, with or without a few texts."""
    if is_number(column) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return None
    values = pd.Series(pd.unique(column.dropna()))
    if not len(values):
        return None
    _, is_mark, is_text = parse_texts(values)
    if is_text.sum() <= 0.5 * (~is_mark).sum():
        return None
    return tuple(sorted({_write(value) for value in values[~is_mark]}))


def _code(column: pd.Series, texts: Sequence[str]) -> np.ndarray:
    """Return the code of each value, float64 [n]; not-a-number where undefined."""
    number, values = pd.factorize(column)
    listed = pd.Series(np.asarray(values, object))
    is_mark = np.zeros(len(listed), np.bool_) if is_number(column) else parse_texts(listed)[1]
    place = {text: code for code, text in enumerate(texts)}
    lookup = np.array(
        [np.nan if mark else place.get(_write(value), UNKNOWN) for value, mark in zip(listed, is_mark, strict=True)]
        + [np.nan]
    )
    coded: np.ndarray = lookup[number]
    return coded


def _write(value: object) -> str:
    """Return a value as text, a whole number without a decimal point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()
