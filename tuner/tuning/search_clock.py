"""When a search is over: so long before its call ends as judging what it found will take."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime

from tuner.tuning.judgement_time import BASELINE_SHARE, estimate_trainings, find_growth, measure_costs
from tuner.tuning.patient_storage import without_waiting
from tuner.tuning.search import Search

MOST_RESERVED = 0.5
"""Share of a call that is kept for the judgement at the most: of less time each gets half."""

LOOK_SECONDS = 2.0
"""Between two looks at the trials for what the judgement will take."""

MAX_SHARE = 0.02
"""Share of the time that looking may take."""


class SearchClock:
    """The clock of one process of a search."""

    def __init__(self, search: Search, until: float | None = None, *, reserves: bool = False) -> None:
        """Start it.

        Args:
            search: The search.
            until: When to stop, in Unix time; None for no limit.
            reserves: Whether it is to stop before that, as early as the trainings of the judgement need.
        """
        self.search = search
        self.until = until
        self.reserves = reserves
        self.began = time.time()
        self._reserve = 0.0
        self._due = -float("inf")
        self._ended = False

    def find_end(self) -> float | None:
        """Return when the search is to stop, by what is known now, in Unix time; None for no limit."""
        if self.until is None or not self.reserves:
            return self.until
        if (before := time.monotonic()) >= self._due:
            # A storage that is away for a moment must end no trial: the last estimate holds.
            with suppress(Exception), without_waiting(self.search.optuna_study):
                self._reserve = self._measure_reserve()
            took = time.monotonic() - before
            self._due = before + max(LOOK_SECONDS, took / MAX_SHARE)
        return self.until - min(self._reserve, MOST_RESERVED * (self.until - self.began))

    def is_over(self, within: float = 0.0) -> bool:
        """Whether the time is up in so many seconds; once it was, it stays so, whatever the reserve becomes."""
        if not self._ended:
            end = self.find_end()
            self._ended = end is not None and time.time() + within >= end
        return self._ended

    def _measure_reserve(self) -> float:
        """Return the seconds that the judgement's networks and baselines take; 0 before a trial is complete."""
        study = self.search.study
        costs = measure_costs(self.search.trials, study.evaluation, growth=find_growth(self.search), now=datetime.now())
        if costs is None:
            return 0.0
        share = BASELINE_SHARE if study.evaluation.baseline_trials else 0.0
        return estimate_trainings(study.evaluation, costs) / (1 - share)
