"""The table of gamma-ray astronomy: gamma efficiency at fixed hadron efficiency, and the quality factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays
from tuner.metrics.bootstrap import draw_counts
from tuner.metrics.curves import RocCurve, rank, signal_efficiency
from tuner.metrics.measurement import Measurement, measure

EPS_HADRON = (0.01, 0.02, 0.05, 0.1, 0.2)
GAMMA_FIGURES = (*(f"eps_gamma at eps_hadron={eps:g}" for eps in EPS_HADRON), "loacc", "hiacc", "Q at the cut")
"""Names of the figures that `measure_gamma_telescope` gives, in their order."""


@dataclass(frozen=True)
class GammaTelescopeTable:
    """Figures of Bock et al. 2004 (doi:10.1016/j.nima.2003.08.157), gammas being signal and hadrons background."""

    eps_gamma: dict[float, float]
    """Hadron efficiency to the largest gamma efficiency that lets no more hadrons pass."""
    quality: float
    """Largest Q = eps_gamma/sqrt(eps_hadron) of the cuts with enough hadrons above; not-a-number without any."""

    @property
    def loacc(self) -> float:
        """Mean gamma efficiency at eps_hadron .01, .02, .05."""
        return float(np.mean([self.eps_gamma[eps] for eps in EPS_HADRON[:3]]))

    @property
    def hiacc(self) -> float:
        """Mean gamma efficiency at eps_hadron .1, .2."""
        return float(np.mean([self.eps_gamma[eps] for eps in EPS_HADRON[3:]]))


def tabulate_gamma_telescope(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None, *, min_background: float = 50.0
) -> GammaTelescopeTable:
    """Return the table for labels [n] (1 gamma, 0 hadron), scores [n] and event weights [n] (None: ones).

    min_background: effective hadrons, (sum w)^2 / sum w^2, that must pass a cut for its Q to be believed.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    ranking = rank(is_signal, score)
    curve = ranking.curve(weight)
    sums, squares = ranking.sum_background(weight)
    allowed = (sums > 0) & (sums**2 >= min_background * squares)
    qualities = curve.eps_s[1:][allowed] / np.sqrt(curve.eps_b[1:][allowed])
    return GammaTelescopeTable(
        {eps: signal_efficiency(curve, eps) for eps in EPS_HADRON},
        float(qualities.max()) if len(qualities) else float("nan"),
    )


def measure_gamma_telescope(
    labels: ArrayLike,
    scores: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    threshold: float,
    n_replicas: int = 200,
    seed: int = 0,
) -> dict[str, Measurement]:
    """Return the table's efficiencies and their means, and Q at a frozen cut, by name, each with its 68 % interval.

    Q = eps_gamma/sqrt(eps_hadron) is that of the cut, not the largest of these events: that one is partly luck.

    Args:
        labels: [n], 1 for gammas, 0 for hadrons.
        scores: [n]; higher is more gamma-like.
        weights: Event weights [n]; None: ones.
        threshold: The cut that Q is told of.
        n_replicas: Bootstrap replicas; both classes are drawn anew.
        seed: Of the replicas.

    Raises:
        EventsError: As `check_arrays` does.
    """
    is_signal, score, weight = check_arrays(labels, scores, weights)
    ranking = rank(is_signal, score)
    place = int((ranking.thresholds >= threshold).sum()) - 1
    drawn = [
        _list_figures(ranking.curve(weight * counts), place) for counts in draw_counts(is_signal, n_replicas, seed)
    ]
    values = _list_figures(ranking.curve(weight), place)
    return {
        name: measure(value, column)
        for name, value, column in zip(GAMMA_FIGURES, values, np.transpose(drawn), strict=True)
    }


def _list_figures(curve: RocCurve, place: int) -> list[float]:
    """Return the figures in the order of `GAMMA_FIGURES`; place: of the cut on the curve."""
    eps_gamma = [signal_efficiency(curve, eps) for eps in EPS_HADRON]
    eps_b = float(curve.eps_b[place])
    quality = float(curve.eps_s[place]) / np.sqrt(eps_b) if eps_b > 0 else float("nan")
    return [*eps_gamma, float(np.mean(eps_gamma[:3])), float(np.mean(eps_gamma[3:])), quality]
