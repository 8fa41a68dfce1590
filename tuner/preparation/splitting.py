"""Which events go into the train, the validation and the test part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from tuner.errors import SplitsError, raise_together
from tuner.events.diagnostics import write_value
from tuner.preparation.groups import follow_first
from tuner.preparation.settings import Preparation
from tuner.preparation.split_rules import SplitByRemainder, SplitByValue, SplitInOrder

PARTS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
OPEN, UNUSED = -1, -2

LARGEST_WHOLE = 2**53
"""Largest whole number up to which each has a floating-point number of its own."""


def split_rows(
    labels: np.ndarray,
    groups: np.ndarray | None,
    preparation: Preparation,
    *,
    column: np.ndarray | None = None,
    given: np.ndarray | None = None,
    linked: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of train, validation and test, int64, each in random order.

    What no file and no rule says is drawn at random, each class alike: first the test part, then validation from the
    rest, as one does by hand with scikit-learn.

    Args:
        labels: In {0, 1} [n].
        groups: [n]; rows that share one come into one part, and what is drawn are groups. None: each row is its own.
        preparation: Sizes, rule and seed.
        column: Values of the rule's column [n]; None without a rule.
        given: Part that the file of each event says, int8 [n]: 0 (which may be drawn from), 1, 2 as in `PARTS`.
        linked: Numbers [n] of groups that copies were added to; what was drawn follows the first event of each.

    Raises:
        SplitsError: A class is too small to be in each part, or a rule cannot be followed.
    """
    numbers = None if groups is None else _number_groups(groups)
    fixed, drawn = _follow_rule(len(labels), numbers, preparation, column, given)
    if numbers is not None:
        _check_whole(fixed, numbers)
    parts = _draw(labels, np.flatnonzero(fixed == OPEN), numbers, preparation, drawn)
    if linked is not None:
        parts = _move_copies(parts, linked)
    rng = np.random.default_rng(preparation.seed)
    train, validation, test = (
        np.concatenate([rows, rng.permutation(np.flatnonzero(fixed == part))]) for part, rows in enumerate(parts)
    )
    return train, validation, test


def check_classes(parts: Mapping[str, np.ndarray], labels: np.ndarray, weights: np.ndarray, column: str) -> None:
    """Raise `SplitsError` where a part lacks a class, or where the weights of one do not add up to more than 0."""
    problems = []
    for name, rows in parts.items():
        for label, kind in ((1, "signal"), (0, "background")):
            chosen = rows[labels[rows] == label]
            if len(chosen) == 0:
                problems.append(f'The {name} part must hold both classes of "{column}", but has no {kind}.')
            elif (total := weights[chosen].sum()) <= 0:
                problems.append(
                    f"Weights of {kind} in the {name} part must add up to more than 0, but add up to {total:g} "
                    f"({len(chosen):,} events)."
                )
    if problems:
        problems[-1] += " Use more events, other `fractions`, or another `seed` or `split` of Preparation."
    raise_together(problems, SplitsError, "The split")


def _number_groups(groups: np.ndarray) -> np.ndarray | None:
    """Return the number of each row's group, int64 [n]; None where no group has two."""
    different, number = np.unique(groups, return_inverse=True)
    return None if len(different) == len(groups) else number


def _follow_rule(
    n: int,
    numbers: np.ndarray | None,
    preparation: Preparation,
    column: np.ndarray | None,
    given: np.ndarray | None,
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the part of each event as files or a rule say, int8 [n], `OPEN` where it is drawn, and the parts drawn."""
    rule = preparation.split
    fixed = np.full(n, OPEN, np.int8)
    if given is not None:
        if rule is not None:
            raise SplitsError(
                "The parts must be chosen in one way, but the problem names files of validation or test events, and "
                "`split` of Preparation a rule. Leave one out."
            )
        fixed = np.where(given == TRAIN, OPEN, given).astype(np.int8)
    elif isinstance(rule, SplitInOrder):
        fixed = _cut_in_order(_take_numbers(column, rule.column), numbers, preparation)
    elif isinstance(rule, SplitByRemainder):
        remainders = _take_whole_numbers(column, rule.column) % rule.divisor
        fixed[np.isin(remainders, rule.validation)] = VALIDATION
        fixed[np.isin(remainders, rule.test)] = TEST
    elif isinstance(rule, SplitByValue):
        fixed = _match_values(pd.Series(column), rule)
    return fixed, tuple(part for part in range(3) if part == TRAIN or not (fixed == part).any())


def _take_numbers(column: np.ndarray | None, name: str) -> np.ndarray:
    """Return a rule's column as float64 [n]; raise `SplitsError` where an event has neither a number nor a time."""
    values = _parse_times(pd.Series(column))
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if absent := int((~np.isfinite(numbers)).sum()):
        raise SplitsError(
            f'Column "{name}", which the events are split by, must hold a number or a time for each event, but does '
            f"not for {absent:,}."
        )
    return numbers


def _parse_times(values: pd.Series) -> pd.Series:
    """Return times, also those written as "2026-01-31 12:00", in seconds since 1970; anything else as it is."""
    if not pd.api.types.is_numeric_dtype(values.dtype):
        times = pd.to_datetime(values.astype(object), errors="coerce", utc=True, format="ISO8601")
        if times.notna().any() and pd.to_numeric(values.astype(str), errors="coerce").isna().all():
            return (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return values


def _take_whole_numbers(column: np.ndarray | None, name: str) -> np.ndarray:
    """Return a rule's column as whole numbers [n]; raise `SplitsError` where they are none."""
    if column is not None and np.asarray(column).dtype.kind in "iu":
        return np.asarray(column)
    numbers = _take_numbers(column, name)
    if (odd := numbers != np.floor(numbers)).any() or (np.abs(numbers) > LARGEST_WHOLE).any():
        what = numbers[int(odd.argmax())] if odd.any() else np.abs(numbers).max()
        raise SplitsError(
            f'Column "{name}" must hold whole numbers, each with a remainder, but holds {what:.17g}. '
            "Numbers beyond 2^53 keep their digits only as whole numbers in the file, and as `event_id`."
        )
    return numbers.astype(np.int64)


def _match_values(column: pd.Series, rule: SplitByValue) -> np.ndarray:
    """Return the part that each event's value names, int8 [n]; raise `SplitsError` for values that name none."""
    has_validation = bool(rule.validation)
    named = {TEST: rule.test, VALIDATION: rule.validation, UNUSED: rule.unused,
             TRAIN if has_validation else OPEN: rule.train}  # fmt: skip
    assigned = np.full(len(column), 99, np.int8)
    problems = []
    for part, values in named.items():
        for value in values:
            chosen = (column == value).to_numpy()
            if not chosen.any():
                problems.append(f'`split` names {write_value(value)}, which column "{rule.column}" never holds.')
            assigned[chosen] = part
    if (left := column[assigned == 99]).size:
        counts = left.value_counts(dropna=False)
        told = ", ".join(f"{write_value(value)} ({n:,} events)" for value, n in list(counts.items())[:8])
        problems.append(
            f'Each value of column "{rule.column}" must name a part, but these do not: {told}. Name them in `train`, '
            "`validation`, `test` or `unused`."
        )
    raise_together(problems, SplitsError, "The split")
    return assigned


def _cut_in_order(values: np.ndarray, numbers: np.ndarray | None, preparation: Preparation) -> np.ndarray:
    """Return the part of each event, int8 [n], in the order of values [n]; equal ones, and groups, stay together."""
    if numbers is not None:  # a group is where its first event is
        first = np.full(numbers.max() + 1, np.inf)
        np.minimum.at(first, numbers, values)
        values = first[numbers]
    ordered = np.sort(values)
    sizes = _find_counts(len(values), preparation, (TRAIN, VALIDATION, TEST), "events")
    bounds = [ordered[min(end, len(values)) - 1] if end else -np.inf for end in np.cumsum(sizes)[:2]]
    return np.asarray(np.searchsorted(bounds, values, side="left"), np.int8)


def _find_counts(n: int, preparation: Preparation, drawn: Sequence[int], unit: str) -> list[int]:
    """Return how many of n events or groups come into each part; raise `SplitsError` where counts do not add up."""
    if preparation.counts is None:
        shares = np.array([preparation.fractions[part] for part in drawn])
        ends = np.round(np.cumsum(shares) / shares.sum() * n).astype(int)
        return [int(count) for count in np.diff(ends, prepend=0)]
    counts = [preparation.counts[part] for part in drawn]
    known = sum(count for count in counts if count is not None)
    left = n - known
    if None in counts and left < 1:
        raise SplitsError(
            f"`counts` must leave some of the {n:,} {unit} for the part that is None, but asks for {known:,}."
        )
    if None not in counts and left != 0:
        raise SplitsError(
            f"`counts` must add up to the {n:,} {unit} that there are, but adds up to {known:,}. "
            "Write None for the part that is to have all others."
        )
    return [left if count is None else count for count in counts]


def _draw(
    labels: np.ndarray, rows: np.ndarray, numbers: np.ndarray | None, preparation: Preparation, drawn: Sequence[int]
) -> list[np.ndarray]:
    """Return the rows, of those that are open, of each part, in random order; none where a part is not drawn."""
    parts = [np.zeros(0, np.int64)] * 3
    if len(rows) == 0:
        return parts
    rng = np.random.default_rng(preparation.seed)
    if len(drawn) == 1:
        parts[TRAIN] = rng.permutation(rows)
    elif numbers is None:
        for part, chosen in zip(drawn, _draw_units(labels[rows], preparation, drawn, "events"), strict=True):
            parts[part] = rows[chosen]
    else:
        group = np.unique(numbers[rows], return_inverse=True)[1]
        kind = np.bincount(group, weights=labels[rows]) >= 0.5 * np.bincount(group)
        for part, units in zip(drawn, _draw_units(kind, preparation, drawn, "ids"), strict=True):
            parts[part] = rng.permutation(rows[np.isin(group, units)])
    return parts


def _draw_units(kind: np.ndarray, preparation: Preparation, drawn: Sequence[int], unit: str) -> list[np.ndarray]:
    """Return the numbers of the units (events, or groups of them) in each drawn part; kind: [n_units], split alike."""
    counts = None if preparation.counts is None else _find_counts(len(kind), preparation, drawn, unit)
    shares = [preparation.fractions[part] for part in drawn]
    total = 1.0 if len(drawn) == len(PARTS) else sum(shares)
    rest, found = np.arange(len(kind)), []
    try:
        for place in range(len(drawn) - 1, 0, -1):
            size = shares[place] / total if counts is None else counts[place]
            rest, chosen = train_test_split(rest, test_size=size, stratify=kind[rest], random_state=preparation.seed)
            found.append(chosen)
            total = sum(shares[:place])
    except ValueError as error:
        n_signal = int(kind.sum())
        sizes = " : ".join(f"{size:g}" for size in (shares if counts is None else counts))
        raise SplitsError(
            f"Each class must be in each part, but {n_signal:,} signal and {len(kind) - n_signal:,} background {unit} "
            f"are too few to be split {sizes}. Use more events, or other `fractions`."
        ) from error
    return [rest, *found[::-1]]


def _move_copies(parts: Sequence[np.ndarray], linked: np.ndarray) -> list[np.ndarray]:
    """Return parts where all events of a linked group [n] are where its first one was, each part in its order."""
    rows = np.concatenate(parts)
    assigned = np.repeat(range(len(parts)), [len(part) for part in parts])
    place = np.concatenate([np.arange(len(part)) / max(1, len(part)) for part in parts])
    by_row = np.argsort(rows)
    moved = np.empty_like(assigned)
    moved[by_row] = follow_first(assigned[by_row], linked[rows[by_row]])
    order = np.argsort(place, kind="stable")
    return [rows[order[moved[order] == part]] for part in range(len(parts))]


def _check_whole(fixed: np.ndarray, numbers: np.ndarray) -> None:
    """Raise `SplitsError` where files or a rule put a group [n] into several parts [n]."""
    seen = np.zeros((4, int(numbers.max()) + 1), np.bool_)
    for row, part in enumerate((OPEN, TRAIN, VALIDATION, TEST)):
        seen[row, numbers[fixed == part]] = True
    if n_broken := int((seen.sum(axis=0) > 1).sum()):
        raise SplitsError(
            "Events of one id, and those that `keep_together` names, must come into one part, but files or `split` "
            f"put {n_broken:,} of them into several. Split by a column that is the "
            "same for all events of an id, or name no id."
        )
