"""The best value so far of a search: against the trials that finished, and against the time in which trials ran."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from tuner.tuning.search import TrialRecord

COUNTED = ("complete", "pruned")
"""States of trials that a budget is spent on."""

Value = Callable[[TrialRecord], float | None]
"""What a trial is ranked by."""


@dataclass(frozen=True)
class BestSoFar:
    """One point for each trial that finished, in the order in which they did."""

    seconds: tuple[float, ...]
    """Wall time until then in which at least one trial was running."""
    best: tuple[float, ...]
    """Best value of a complete trial until then; -inf before the first one."""

    def after_trials(self, n_trials: int) -> float:
        """Return the best value after so many trials; -inf where no trial was complete."""
        return self.best[n_trials - 1] if n_trials else -math.inf

    def after_seconds(self, seconds: float) -> float:
        """Return the best value after so much time; -inf where no trial was complete."""
        return self.after_trials(sum(reached <= seconds for reached in self.seconds))


def follow_best(trials: Iterable[TrialRecord], value: Value = lambda trial: trial.value) -> BestSoFar:
    """Return how the best value of a complete trial grew with the trials that completed or were pruned."""
    known = list(trials)
    finished = list_finished(known)
    spans = merge_spans((t.started, t.finished) for t in known if t.started and t.finished)
    return BestSoFar(
        tuple(_sum_until(spans, (moment for moment, _ in finished))),
        tuple(accumulate((_rank(trial, value) for _, trial in finished), max)),
    )


def list_finished(trials: Iterable[TrialRecord]) -> list[tuple[datetime, TrialRecord]]:
    """Return when each trial that completed or was pruned finished, and the trial, in that order."""
    finished = [(t.finished, t) for t in trials if t.state in COUNTED and t.finished]
    return sorted(finished, key=lambda pair: pair[0])


def measure_elapsed(trials: Iterable[TrialRecord], now: datetime) -> float | None:
    """Return seconds in which at least one trial was running: pauses between two calls do not count."""
    spans = merge_spans(
        (t.started, t.finished or now) for t in trials if t.started and (t.finished or t.state == "running")
    )
    return sum(((end - start).total_seconds() for start, end in spans), 0.0) if spans else None


def merge_spans(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return spans of time that cover the same moments and do not overlap, in order."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _sum_until(spans: Sequence[tuple[datetime, datetime]], moments: Iterable[datetime]) -> Iterator[float]:
    """Yield the seconds of the spans that lie before each moment."""
    starts = [start for start, _ in spans]
    before = [0.0, *accumulate((end - start).total_seconds() for start, end in spans)]
    for moment in moments:
        place = bisect_right(starts, moment) - 1
        start, end = spans[place] if place >= 0 else (moment, moment)
        yield before[max(place, 0)] + (min(end, moment) - start).total_seconds()


def _rank(trial: TrialRecord, value: Value) -> float:
    ranked = value(trial) if trial.state == "complete" else None
    return -math.inf if ranked is None or math.isnan(ranked) else ranked
