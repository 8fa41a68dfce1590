"""Significance at a cut that was chosen on one half of the events and is tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.errors import EventsError
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import rank
from tuner.metrics.cut_scan import MIN_BACKGROUND, smooth_cuts
from tuner.metrics.significance import asimov_significance

STEP = 0.02
"""Each cut selects at least this share more events than the one before: finer ones are neighbours all the same."""
N_SPLITS = 4
"""Splits of each replica: from how they differ one sees what is owed to the split."""
MIN_SHARE = 0.1
"""Least share of the replicas' variance that is not put down to the split."""


def cross_halves(
    is_signal: np.ndarray,
    candidates: Sequence[np.ndarray],
    weights: np.ndarray,
    *,
    s: float,
    b: float,
    systematics: np.ndarray,
    n_replicas: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return Asimov significances [c, k] of c candidates at k relative systematics, and replicas [r, m, c, k] of them.

    is_signal: bool [n]; candidates: scores [n] of each; weights: [n], rescaled per class to the totals `s` and `b`
    that are expected before the cut, in each half. Events are split at random into halves, each class alike: the
    values are means over `n_replicas` splits. For a replica the events of each class are drawn anew, and split m times;
    however often an event is drawn, it comes into one half only. All candidates see the same events and halves.

    The half that is tested may show hardly any background above the cut, or none: then its background is taken as that
    of one event, b / (effective number of background events), so that no significance is infinite. A half in which the
    negative weights of a class prevail gives not-a-number, and counts for nothing.
    Raise `EventsError` for fewer than 50 background or 2 signal events.
    """
    if (n_background := int((~is_signal).sum())) < 2 * MIN_BACKGROUND or is_signal.sum() < 2:
        raise EventsError(
            f"To choose a cut on one half and test it on the other takes at least {2 * MIN_BACKGROUND} background "
            f"and 2 signal events, but there are {n_background} and {is_signal.sum()}. Use more events."
        )
    generator = np.random.default_rng(seed)
    cuts = [_Cuts.of(is_signal, scores, weights, (s, b), systematics) for scores in candidates]

    def cross(counts: np.ndarray) -> list[np.ndarray]:
        first = _split(is_signal, generator)
        return [each.cross(np.where(first, counts, 0), np.where(first, 0, counts)) for each in cuts]

    once = np.ones(len(weights), np.int64)
    values = np.array([cross(once) for _ in range(n_replicas)])
    drawn = draw_counts(is_signal, n_replicas, seed)
    replicas = np.array([[cross(counts) for _ in range(N_SPLITS)] for counts in drawn])
    with np.errstate(invalid="ignore"):
        means = np.nansum(values, axis=0) / np.sum(~np.isnan(values), axis=0)
    return means, replicas


def take_out_splits(value: float, replicas: np.ndarray) -> np.ndarray:
    """Return replicas [r] of a mean over all splits, around its value, from those of m splits each, [r, m].

    The variance of the means of m splits is that of the events, plus that of a split over m. The latter is known from
    the spread within a replica, and taken out by scaling: else the intervals would be twice too wide.
    """
    known = ~np.isnan(replicas).any(axis=1)
    if known.sum() < 2:
        return np.full(len(replicas), np.nan)
    means = replicas[known].mean(axis=1)
    total = means.var(ddof=1)
    if total == 0:
        return np.full(len(means), value)
    of_splits = replicas[known].var(axis=1, ddof=1).mean() / replicas.shape[1]
    scaled: np.ndarray = value + (means - means.mean()) * np.sqrt(max(1 - of_splits / total, MIN_SHARE))
    return scaled


@dataclass(frozen=True)
class _Cuts:
    """Cuts on one candidate's score, and which of them select an event: ranked once, summed for every half."""

    is_signal: np.ndarray
    weights: np.ndarray
    place: np.ndarray
    """[n], number of the tightest cut that selects the event."""
    expected: tuple[float, float]
    """Signal and background before the cut."""
    systematics: np.ndarray
    """[k, 1]."""

    @classmethod
    def of(
        cls,
        is_signal: np.ndarray,
        scores: np.ndarray,
        weights: np.ndarray,
        expected: tuple[float, float],
        systematics: np.ndarray,
    ) -> _Cuts:
        ranking = rank(is_signal, scores)
        n_selected, n = ranking.ends + 1, len(scores)
        steps = np.geomspace(1, n, 2 + int(np.log(n) / np.log1p(STEP)))
        chosen = np.unique(np.searchsorted(n_selected, np.floor(steps)))
        place = np.empty(n, np.int64)
        place[ranking.order] = np.searchsorted(n_selected[chosen], np.arange(n), side="right")
        return cls(is_signal, weights, place, expected, systematics[:, None])

    def cross(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the mean significance [k] of two halves (how often each event comes, [n]), each at the other's cut."""
        sums = _Sums.of(self, first), _Sums.of(self, second)
        mean: np.ndarray = (sums[1].test(sums[0].choose()) + sums[0].test(sums[1].choose())) / 2
        return mean


@dataclass(frozen=True)
class _Sums:
    """What one half expects above each cut, all [m]."""

    s: np.ndarray
    b: np.ndarray
    raw_background: np.ndarray
    n_selected: np.ndarray
    least_b: float
    """Background of one event."""
    systematics: np.ndarray

    @classmethod
    def of(cls, cuts: _Cuts, counts: np.ndarray) -> _Sums:
        """Sum the events, each as often as it comes, [n]; not-a-numbers for a class without positive total weight."""
        key, length = 2 * cuts.place + cuts.is_signal, 2 * (int(cuts.place.max()) + 1)
        weights = cuts.weights * counts
        b, s = np.bincount(key, weights, length).reshape(-1, 2).cumsum(axis=0).T
        raw = np.bincount(key, counts, length).reshape(-1, 2).cumsum(axis=0)
        total_s, total_b = (total if total > 0 else np.nan for total in (s[-1], b[-1]))
        squares = float((weights * cuts.weights)[~cuts.is_signal].sum())
        expected_s, expected_b = cuts.expected
        return cls(
            expected_s * s / total_s,
            expected_b * b / total_b,
            raw[:, 0],
            raw.sum(axis=1),
            expected_b * squares / total_b**2,
            cuts.systematics,
        )

    def choose(self) -> np.ndarray:
        """Return the number of the best cut for each systematic, [k]: the largest significance after smoothing.

        The loosest, where no cut leaves enough background.
        """
        allowed = np.flatnonzero((self.raw_background >= MIN_BACKGROUND) & (self.b > 0))
        if not len(allowed):
            return np.full(len(self.systematics), len(self.b) - 1)
        b, n_selected = self.b[allowed], self.n_selected[allowed]
        values = asimov_significance(self.s[allowed], b, self.systematics * b)
        best: np.ndarray = allowed[smooth_cuts(values, n_selected).argmax(axis=1)]
        return best

    def test(self, cut: np.ndarray) -> np.ndarray:
        """Return the significance [k] at the cut of each systematic."""
        b = np.maximum(self.b[cut], self.least_b)
        significance: np.ndarray = asimov_significance(self.s[cut], b, self.systematics[:, 0] * b)
        return significance


def _split(is_signal: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return which events are in the first half, bool [n]: half of either class."""
    first = np.zeros(len(is_signal), bool)
    for rows in (np.flatnonzero(is_signal), np.flatnonzero(~is_signal)):
        first[generator.permutation(rows)[: len(rows) // 2]] = True
    return first
