"""New events that are unlike those of training: what a score of them is worth cannot be told by any figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tuner.errors import name_all
from tuner.events.categories import UNKNOWN
from tuner.events.checks.finding import Finding, arrange_findings
from tuner.progress.wording import write_count

N_MEASURED = 200_000
"""Train events, at most, that ranges are taken from."""
FEW_VALUES = 20
"""A feature of so many whole numbers at most, each of them seen, is taken for a category or a small count."""
CHANCE = 10.0
"""So many times more new events must be beyond the training range than would be by chance. Of m new events like the n
of training, m / (n + 1) lie beyond the largest of these, whatever the distribution."""
MARGIN = 0.25
"""How far beyond all of training an event must lie: by the distance of its 1 % and 99 % quantiles, and where both tails
are drawn in (asinh) by this share of it, so that a long tail is allowed to go on."""
EXTREME = 100.0
"""One event is enough where it lies beyond all of training by so many times the whole range of training, times
1 + m / n for m new events: even those of a Cauchy distribution do so in fewer than one case in a hundred."""
OUTERMOST, SHIFTED = 0.01, 0.5
"""A feature is shifted where the lowest or highest 1 % of training holds more than half of the new events."""


@dataclass(frozen=True, eq=False)
class TrainingRange:
    """What one feature was in training."""

    n_events: int
    """That were looked at."""
    is_complete: bool
    """Whether it was defined in each event."""
    lowest: float
    low: float
    """1 % quantile."""
    middle: float
    high: float
    """99 % quantile."""
    highest: float
    few: np.ndarray | None
    """All values, where they are few whole numbers."""
    n_single: int
    """How many of them occur once: so many new values in n events are to be expected (Good and Turing)."""


def measure_ranges(values: np.ndarray, names: tuple[str, ...]) -> dict[str, TrainingRange]:
    """Return what each feature was in training; features that were undefined throughout are left out.

    Args:
        values: Features of the train part [n, d], in random order, not-a-number where undefined.
        names: Of the features, in order.
    """
    values = values[:N_MEASURED]
    return {
        name: _measure(column, defined)
        for name, column in zip(names, values.T, strict=True)
        if len(defined := column[~np.isnan(column)].astype(np.float64))
    }


def find_unusual(
    table: pd.DataFrame, ranges: Mapping[str, TrainingRange], coded: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Return in what events are unlike those of training, with counts; all by features alone.

    Args:
        table: Features of the events that are to be scored [n, d], not-a-number where undefined.
        ranges: What `measure_ranges` returned.
        coded: Features whose numbers stand for texts, `UNKNOWN` for one that training never had.
    """
    columns = {name: table[name].to_numpy() for name in map(str, table.columns) if name in ranges}
    if not columns or not len(table):
        return ()
    empty = np.isnan(np.stack(list(columns.values()))).all(axis=0)
    measured = {name: values for name, values in columns.items() if name not in coded}
    found = [
        *_find_empty(empty),
        *_find_undefined(columns, ranges, ~empty),
        *_find_far(measured, ranges),
        *_find_unseen(columns, ranges, coded),
        *_find_shifted(measured, ranges),
    ]
    return arrange_findings(found)


def _measure(column: np.ndarray, defined: np.ndarray) -> TrainingRange:
    low, middle, high = np.quantile(defined, (OUTERMOST, 0.5, 1 - OUTERMOST))
    few, counts = np.unique(defined, return_counts=True)
    is_few = len(few) <= FEW_VALUES and not (few % 1).any()
    return TrainingRange(
        n_events=len(column),
        is_complete=len(defined) == len(column),
        lowest=float(defined.min()),
        low=float(low),
        middle=float(middle),
        high=float(high),
        highest=float(defined.max()),
        few=few if is_few else None,
        n_single=int((counts == 1).sum()),
    )


def _find_empty(empty: np.ndarray) -> Iterator[Finding]:
    if n := int(empty.sum()):
        yield Finding(
            code="empty-events",
            severity="warning",
            sentence=f"{write_count(n, 'event')} of {len(empty):,} {'has' if n == 1 else 'have'} no feature that is "
            f"defined, the first of them event {int(empty.argmax()) + 1:,}. Their scores mean nothing.",
            advice="Leave them out, or look why nothing is defined.",
            figures={"events": n},
        )


def _find_undefined(
    columns: Mapping[str, np.ndarray], ranges: Mapping[str, TrainingRange], among: np.ndarray
) -> Iterator[Finding]:
    counts = {
        name: n
        for name, values in columns.items()
        if ranges[name].is_complete and (n := int((np.isnan(values) & among).sum()))
    }
    if counts:
        yield Finding(
            code="newly-undefined",
            severity="warning",
            sentence=f"{_list(counts, len(among))} undefined, but never was in training. What stands in is the median "
            "of training, or nothing for a category or an angle, and the network is not told.",
            advice="Look why it is missing: another format, another selection, another value for “not defined”?",
            columns=tuple(counts),
            figures=dict(counts),
        )


def _find_far(columns: Mapping[str, np.ndarray], ranges: Mapping[str, TrainingRange]) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    n_new = 0
    for name, values in columns.items():
        n_new, known = len(values), ranges[name]
        far, ratio = _lies_outside(values, known), n_new / (known.n_events + 1)
        extreme = _measure_beyond(values, known) > EXTREME * (1 + ratio) * (known.highest - known.lowest)
        if (far & extreme).any() or far.sum() > CHANCE * ratio:
            counts[name] = int(far.sum())
    if counts:
        yield Finding(
            code="far-outside",
            severity="warning",
            sentence=f"{_list(counts, n_new)} far outside of what training had. What a network says there is a guess.",
            advice="Compare units and selection with those of the training events.",
            columns=tuple(counts),
            figures=dict(counts),
        )


def _measure_beyond(values: np.ndarray, known: TrainingRange) -> np.ndarray:
    """Return how far values [n] are above or below all of training; negative within it."""
    wide = values.astype(np.float64)  # differences of large numbers are beyond float32
    return np.maximum(known.lowest - wide, wide - known.highest)


def _lies_outside(values: np.ndarray, known: TrainingRange) -> np.ndarray:
    """Return which values [n] are beyond all of training as `MARGIN` says."""
    width = (known.high - known.low) or (known.highest - known.lowest) or max(abs(known.middle), 1.0)
    far: np.ndarray = _measure_beyond(values, known) > width
    if far.any():
        ends = np.array([known.lowest, known.low, known.high, known.highest])
        lowest, low, high, highest = np.arcsinh((ends - known.middle) / (0.1 * width)).tolist()
        drawn = np.arcsinh((values.astype(np.float64) - known.middle) / (0.1 * width))
        far &= np.maximum(lowest - drawn, drawn - highest) > MARGIN * max(high - low, 1.0)
    return far


def _find_unseen(
    columns: Mapping[str, np.ndarray], ranges: Mapping[str, TrainingRange], coded: Sequence[str]
) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    told: list[str] = []
    n_new = 0
    for name, values in columns.items():
        n_new, known = len(values), ranges[name]
        if name in coded:
            unseen = values == UNKNOWN
        elif known.few is not None:
            unseen = ~np.isnan(values) & ~np.isin(values, known.few)
        else:
            continue
        if unseen.sum() > (0 if name in coded else CHANCE * (known.n_single + 1) * n_new / (known.n_events + 1)):
            counts[name] = int(unseen.sum())
            shown = ["other texts"] if name in coded else [f"{value:g}" for value in np.unique(values[unseen])[:4]]
            told.append(f'"{name}" ({", ".join(shown)})')
    if counts:
        yield Finding(
            code="unseen-values",
            severity="warning",
            sentence=f"{_list(counts, n_new)} of a value that training never had: {', '.join(told[:6])}.",
            advice="Are these other categories than those of training? Then train with events that have them.",
            columns=tuple(counts),
            figures=dict(counts),
        )


def _find_shifted(columns: Mapping[str, np.ndarray], ranges: Mapping[str, TrainingRange]) -> Iterator[Finding]:
    shares: dict[str, float] = {}
    for name, values in columns.items():
        defined, known = values[~np.isnan(values)], ranges[name]
        if len(defined) >= 20:
            share = max(float((defined < known.low).mean()), float((defined > known.high).mean()))
            if share > SHIFTED:
                shares[name] = share
    if shares:
        names = sorted(shares, key=lambda one: -shares[one])
        yield Finding(
            code="shifted-feature",
            severity="warning",
            sentence=f"{name_all(names, most=6)}: {shares[names[0]]:.0%} of the events lie where the outermost 1 % of "
            "training was. Figures that were measured on test do not hold there.",
            advice="Compare units, calibration and selection with those of the training events.",
            columns=tuple(names),
            figures=shares,
        )


def _list(counts: Mapping[str, int], n_events: int) -> str:
    """Return which feature is so in how many events: the beginning of a sentence."""
    told = [f'"{name}" in {write_count(n, "event")}' for name, n in sorted(counts.items(), key=lambda one: -one[1])]
    more = f" and {len(told) - 6} more" if len(told) > 6 else ""
    return f"Of {n_events:,} events, {', '.join(told[:6])}{more} {'is' if len(told) == 1 else 'are'}"
