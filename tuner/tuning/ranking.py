"""Trials in the order of their figures of merit: one rule for the search, its pages, and the evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuner.tuning.search import TrialRecord


def rank_trials(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the complete trials with a finite figure of merit, best first; of equals the first."""
    ranked = [
        (-t.figure, t.number, t)
        for t in trials
        if t.state == "complete" and t.figure is not None and math.isfinite(t.figure)
    ]
    return [trial for _, _, trial in sorted(ranked)]


def count_sampled(trials: Iterable[TrialRecord]) -> int:
    """Return how many trials completed or were pruned whose setting was sampled, not given by the search space."""
    return sum(not t.warm_start for t in trials if t.state in ("complete", "pruned"))
