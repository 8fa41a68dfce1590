"""Calibration: whether a score of 0.8 means a signal in eight of ten. Scores must lie in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import balance_classes
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.measurement import Measurement, measure, measure_distance
from tuner.metrics.probabilities import check_probabilities


@dataclass(frozen=True)
class Calibration:
    """Mean score against observed share of signal, in bins of the score that hold about the same weight."""

    mean_score: np.ndarray
    """[k], weighted."""
    signal_fraction: np.ndarray
    """[k], weighted."""
    weight: np.ndarray
    """[k], share of the total weight."""

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean of |signal fraction - mean score| over the bins, weighted."""
        return float((self.weight * np.abs(self.signal_fraction - self.mean_score)).sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredCalibration:
    """A calibration with both classes' weights scaled to the same total, and what the sample says of its error."""

    calibration: Calibration
    low: np.ndarray
    """[k], lower end of the 68 % interval of each signal fraction, by bootstrap at fixed bins."""
    high: np.ndarray
    """[k], upper end."""
    events: np.ndarray
    """[k], events counted."""
    pull: np.ndarray
    """[k], signal fraction minus mean score, in standard deviations that a perfectly calibrated network would have;
    not-a-number where there is none."""
    error: Measurement
    """Expected calibration error with its 68 % interval."""
    chance: Measurement
    """What a perfectly calibrated network would have by chance: median and 68 % interval."""


def calibrate(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, n_bins: int = 10
) -> Calibration:
    """Return mean score and signal fraction in at most `n_bins` quantile bins of the score, all weighted.

    A bin boundary never separates events of the same score. Bins without positive total weight are left out.
    """
    is_signal, score, weight = check_probabilities(labels, scores, weights)
    return Bins.of(is_signal, score, weight, n_bins).sum(weight, balanced=False).calibration


def expected_calibration_error(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, n_bins: int = 10
) -> float:
    """Return the weighted mean distance of signal fraction and mean score over quantile bins, 0 to 1."""
    return calibrate(labels, scores, weights, n_bins=n_bins).expected_error


def measure_calibration(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    n_bins: int = 10,
    n_replicas: int = 200,
    seed: int = 0,
) -> MeasuredCalibration:
    """Return the calibration with both classes' weights scaled to the same total, its error and its intervals.

    Networks are trained on weights that give both classes the same total: their scores are probabilities with respect
    to these. The error cannot be negative, so a finite sample shows one even where there is none: `chance` says how
    large, and the interval of `error` allows for it.

    Args:
        labels: [n] in {0, 1}.
        scores: [n] in [0, 1].
        weights: Event weights [n]; None: ones.
        n_bins: The most quantile bins; a replica keeps them.
        n_replicas: Bootstrap replicas; both classes are drawn anew.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does, and where a score is no probability.
    """
    is_signal, score, weight = check_probabilities(labels, scores, weights)
    balanced = balance_classes(is_signal, weight)
    bins = Bins.of(is_signal, score, balanced, n_bins)
    whole = bins.sum(weight, balanced=True)
    kept, fractions, errors, chances = whole.share > 0, [], [], []
    for counts in draw_counts(is_signal, n_replicas, seed):
        again = bins.sum(weight * counts, balanced=True)
        fractions.append(again.signal_fraction)
        errors.append(again.calibration.expected_error)
        # How far a replica's bins move from where they are: that is chance, whatever the calibration.
        chances.append(np.nansum((whole.share * np.abs(again.distance - whole.distance))[kept]))
    bands = [
        measure(value, column) for value, column in zip(whole.signal_fraction, np.transpose(fractions), strict=True)
    ]
    spread = _expect_spread(bins.cell // 2, is_signal, score, balanced)
    pull = np.divide(whole.distance, spread, out=np.full(len(spread), np.nan), where=spread > 0)
    return MeasuredCalibration(
        calibration=whole.calibration,
        low=np.array([band.low for band in bands])[kept],
        high=np.array([band.high for band in bands])[kept],
        events=np.bincount(bins.cell // 2)[kept],
        pull=pull[kept],
        error=measure_distance(whole.calibration.expected_error, np.array(errors)),
        chance=measure(float(np.nanmedian(chances)), np.array(chances)),
    )


def assign_bins(scores: np.ndarray, weights: np.ndarray, n_bins: int) -> np.ndarray:
    """Return the quantile bin of each event, int64 [n], of scores [n] by the absolute event weights [n].

    At most `n_bins`, numbered from 0 without gaps; equal scores are in one.
    """
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(np.abs(weights[order]))
    edges = np.unique(scores[order][np.searchsorted(below, below[-1] * np.arange(1, n_bins) / n_bins)])
    return np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)[1]


@dataclass(frozen=True)
class Bins:
    """Which bin and class each event is of: assigned once, summed for every replica."""

    cell: np.ndarray
    """[n], 2 * bin + is_signal."""
    scores: np.ndarray
    """[n]."""
    n_bins: int

    @classmethod
    def of(cls, is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray, n_bins: int) -> Bins:
        """Return quantile bins of the score by the absolute weights."""
        bins = assign_bins(scores, weights, n_bins)
        return cls(2 * bins + is_signal, scores, int(bins.max()) + 1)

    def sum(self, weights: np.ndarray, *, balanced: bool) -> BinSums:
        """Return what the bins hold for weights [n], each class scaled to the same total where `balanced`.

        Not-a-numbers where the negative weights of a class prevail.
        """
        cells, scores = (
            np.bincount(self.cell, values, 2 * self.n_bins).reshape(-1, 2)
            for values in (weights, weights * self.scores)
        )
        if balanced:
            totals = cells.sum(axis=0)
            scale = 1 / np.where(totals > 0, totals, np.nan)
        else:
            scale = np.ones(2)
        sums = cells @ scale
        positive = np.where(sums > 0, sums, np.nan)
        return BinSums(sums / sums.sum(), (scores @ scale) / positive, cells[:, 1] * scale[1] / positive)


@dataclass(frozen=True)
class BinSums:
    """What the bins hold, all [k]; not-a-number where there is no positive weight."""

    share: np.ndarray
    mean_score: np.ndarray
    signal_fraction: np.ndarray

    @property
    def distance(self) -> np.ndarray:
        """Signal fraction minus mean score."""
        distance: np.ndarray = self.signal_fraction - self.mean_score
        return distance

    @property
    def calibration(self) -> Calibration:
        """The bins of positive weight."""
        kept = ~(self.share <= 0)
        return Calibration(self.mean_score[kept], self.signal_fraction[kept], self.share[kept] / self.share[kept].sum())


def _expect_spread(bins: np.ndarray, is_signal: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each bin's signal fraction if every score were the probability of signal.

    Not of the events that are there: a bin that happens to hold no signal would have none.
    """
    of_signal, of_background = (
        (weights[chosen] ** 2).sum() / weights[chosen].sum() for chosen in (is_signal, ~is_signal)
    )
    one = scores * (1 - scores) * ((1 - scores) * of_signal + scores * of_background)
    totals, sums = np.bincount(bins, weights), np.bincount(bins, weights * one)
    variance = np.divide(sums, totals**2, out=np.zeros(len(totals)), where=totals > 0)
    spread: np.ndarray = np.sqrt(np.maximum(variance, 0))
    return spread
