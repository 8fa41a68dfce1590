"""New events that are unlike those of training: what a score of them is worth cannot be told by any figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    counts = UnusualCounts(ranges, coded)
    counts.add(table)
    return counts.list_findings()


@dataclass
class _FeatureCounts:
    """What was counted of one feature."""

    n_undefined: int = 0
    """In events that have other features."""
    n_far: int = 0
    farthest: float = -np.inf
    """How far the farthest value is beyond all of training."""
    n_unseen: int = 0
    unseen: tuple[float, ...] = ()
    """The lowest of the values that training never had."""
    n_defined: int = 0
    n_low: int = 0
    """Below the 1 % quantile of training."""
    n_high: int = 0


@dataclass
class UnusualCounts:
    """Counts of what is unlike training, of events that may come in several tables."""

    ranges: Mapping[str, TrainingRange]
    coded: Sequence[str] = ()
    n_events: int = 0
    n_empty: int = 0
    first_empty: int = 0
    """Number of the first event without a defined feature, from 0."""
    features: dict[str, _FeatureCounts] = field(default_factory=dict)

    def add(self, table: pd.DataFrame) -> None:
        """Count features of events [n, d], not-a-number where undefined."""
        columns = {name: table[name].to_numpy() for name in map(str, table.columns) if name in self.ranges}
        if not columns or not len(table):
            return
        empty = np.logical_and.reduce([np.isnan(values) for values in columns.values()])
        if empty.any():
            self.first_empty = self.first_empty if self.n_empty else self.n_events + int(empty.argmax())
            self.n_empty += int(empty.sum())
        self.n_events += len(table)
        for name, values in columns.items():
            self._add_feature(name, values, empty)

    def _add_feature(self, name: str, values: np.ndarray, empty: np.ndarray) -> None:
        known, counts = self.ranges[name], self.features.setdefault(name, _FeatureCounts())
        undefined = np.isnan(values)
        counts.n_undefined += int((undefined & ~empty).sum())
        counts.n_defined += int((~undefined).sum())
        unseen = values == UNKNOWN if name in self.coded else np.zeros(len(values), bool)
        if name not in self.coded:
            counts.n_low += int((values < known.low).sum())
            counts.n_high += int((values > known.high).sum())
            if (far := _lies_outside(values, known)).any():
                counts.n_far += int(far.sum())
                counts.farthest = max(counts.farthest, float(_measure_beyond(values[far], known).max()))
            if known.few is not None:
                unseen = ~undefined & ~np.isin(values, known.few)
        if unseen.any():
            counts.n_unseen += int(unseen.sum())
            counts.unseen = tuple(np.unique([*counts.unseen, *np.unique(values[unseen])])[:4].tolist())

    def list_findings(self) -> tuple[Finding, ...]:
        """Return in what the events are unlike those of training; nothing of few events that chance may explain."""
        if not self.n_events:
            return ()
        found = [
            *self._find_empty(),
            *self._find_undefined(),
            *self._find_far(),
            *self._find_unseen(),
            *self._find_shifted(),
        ]
        return arrange_findings(found)

    def _find_empty(self) -> Iterator[Finding]:
        if n := self.n_empty:
            yield Finding(
                code="empty-events",
                severity="warning",
                sentence=f"{write_count(n, 'event')} of {self.n_events:,} {'has' if n == 1 else 'have'} no feature "
                f"that is defined, the first of them event {self.first_empty + 1:,}. Their scores mean nothing.",
                advice="Leave them out, or look why nothing is defined.",
                figures={"events": n},
            )

    def _find_undefined(self) -> Iterator[Finding]:
        counts = {
            name: each.n_undefined
            for name, each in self.features.items()
            if self.ranges[name].is_complete and each.n_undefined
        }
        if counts:
            yield Finding(
                code="newly-undefined",
                severity="warning",
                sentence=f"{_list(counts, self.n_events)} undefined, but never was in training. What stands in is the "
                "median of training, or nothing for a category or an angle, and the network is not told.",
                advice="Look why it is missing: another format, another selection, another value for “not defined”?",
                columns=tuple(counts),
                figures=dict(counts),
            )

    def _find_far(self) -> Iterator[Finding]:
        counts: dict[str, int] = {}
        for name, each in self.features.items():
            known = self.ranges[name]
            ratio = self.n_events / (known.n_events + 1)
            is_extreme = each.farthest > EXTREME * (1 + ratio) * (known.highest - known.lowest)
            if each.n_far and (is_extreme or each.n_far > CHANCE * ratio):
                counts[name] = each.n_far
        if counts:
            yield Finding(
                code="far-outside",
                severity="warning",
                sentence=f"{_list(counts, self.n_events)} far outside of what training had. What a network says there "
                "is a guess.",
                advice="Compare units and selection with those of the training events.",
                columns=tuple(counts),
                figures=dict(counts),
            )

    def _find_unseen(self) -> Iterator[Finding]:
        counts: dict[str, int] = {}
        told: list[str] = []
        for name, each in self.features.items():
            known = self.ranges[name]
            by_chance = CHANCE * (known.n_single + 1) * self.n_events / (known.n_events + 1)
            if each.n_unseen > (0 if name in self.coded else by_chance):
                counts[name] = each.n_unseen
                shown = ["other texts"] if name in self.coded else [f"{value:g}" for value in each.unseen]
                told.append(f'"{name}" ({", ".join(shown)})')
        if counts:
            yield Finding(
                code="unseen-values",
                severity="warning",
                sentence=f"{_list(counts, self.n_events)} of a value that training never had: {', '.join(told[:6])}.",
                advice="Are these other categories than those of training? Then train with events that have them.",
                columns=tuple(counts),
                figures=dict(counts),
            )

    def _find_shifted(self) -> Iterator[Finding]:
        shares = {
            name: share
            for name, each in self.features.items()
            if name not in self.coded
            and each.n_defined >= 20
            and (share := max(each.n_low, each.n_high) / each.n_defined) > SHIFTED
        }
        if shares:
            names = sorted(shares, key=lambda one: -shares[one])
            yield Finding(
                code="shifted-feature",
                severity="warning",
                sentence=f"{name_all(names, most=6)}: {shares[names[0]]:.0%} of the events lie where the outermost 1 % "
                "of training was. Figures that were measured on test do not hold there.",
                advice="Compare units, calibration and selection with those of the training events.",
                columns=tuple(names),
                figures=shares,
            )


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


def _list(counts: Mapping[str, int], n_events: int) -> str:
    """Return which feature is so in how many events: the beginning of a sentence."""
    told = [f'"{name}" in {write_count(n, "event")}' for name, n in sorted(counts.items(), key=lambda one: -one[1])]
    more = f" and {len(told) - 6} more" if len(told) > 6 else ""
    return f"Of {n_events:,} events, {', '.join(told[:6])}{more} {'is' if len(told) == 1 else 'are'}"
