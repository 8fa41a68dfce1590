"""What more trials would gain: whether a search is worth going on with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tuner.tuning.ranking import rank_trials
from tuner.tuning.search import Search, TrialRecord
from tuner.tuning.warm_starts import measure_noise

MIN_COMPLETE = 30
"""Complete trials before anything is said of those to come: fewer show too little of the tail of their figures."""

TAIL = 0.2
"""Share of the recent trials that the tail is taken from: the best of them."""


def estimate_gain(figures: Sequence[float], n_tried: int, n_left: int) -> float:
    """Return by how much the best of the trials to come is expected to exceed the best so far, at the most.

    The figures of recent trials above a threshold (the best fifth) are taken to fall off exponentially, the heaviest
    tail of a figure that cannot grow without bound (Pickands 1975, doi:10.1214/aos/1176343003). With k of n trials
    above the threshold u and a mean excess b, one more trial exceeds the best so far, on average, by
    k / n * b * exp(-(best - u) / b), and m more by no more than m times that. Trials to come are taken to be like
    recent ones: a sampler that still learns would gain more, for which the bound makes room.

    Args:
        figures: Of complete trials, in the order in which they began; the later half is used.
        n_tried: Trials that were pruned or are complete, of which the figures are those that are complete.
        n_left: Trials to come.

    Returns:
        In units of the figure, at least 0; infinity where nothing can be said.
    """
    if len(figures) < MIN_COMPLETE or n_tried < len(figures):
        return math.inf
    recent = np.sort(np.asarray(figures[len(figures) // 2 :], dtype=np.float64))[::-1]
    n_tail = max(5, round(TAIL * len(recent)))
    threshold = recent[n_tail]
    scale = float(np.mean(recent[:n_tail] - threshold))
    if scale <= 0:
        return 0.0
    share = n_tail / len(recent) * len(figures) / n_tried
    excess = share * scale * math.exp(-(max(figures) - threshold) / scale)
    return float(n_left * excess)


class ImprovementWatch:
    """Says now and then whether what a search would still gain is below the noise of its figure."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._pair: tuple[int, int] | None = None
        self._noise: float | None = None

    def find_gain(self, trials: Sequence[TrialRecord], n_left: int) -> tuple[float, float] | None:
        """Return the gain that is expected and the noise, where the gain is smaller; None where it need not be.

        The noise is the standard deviation of the difference of the two best trials' figures over the validation
        events, paired. None, too, where that cannot be measured.

        Args:
            trials: All trials, by number.
            n_left: Trials of the budget that have not begun.
        """
        complete = [t for t in trials if t.state == "complete" and t.figure is not None and math.isfinite(t.figure)]
        figures = [t.figure for t in complete if t.figure is not None]
        n_tried = sum(t.state in ("complete", "pruned") for t in trials)
        gain = estimate_gain(figures, n_tried, n_left)
        if not math.isfinite(gain):
            return None
        best, second = rank_trials(complete)[:2]
        if self._pair != (best.number, second.number):
            self._pair, self._noise = (best.number, second.number), measure_noise(self._search, best, second)
        return None if self._noise is None or gain >= self._noise else (gain, self._noise)
