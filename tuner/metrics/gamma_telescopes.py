"""The table of gamma-ray astronomy: gamma efficiency at fixed hadron efficiency, and the quality factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tuner.metrics.arrays import check_arrays
from tuner.metrics.curves import rank, signal_efficiency

EPS_HADRON = (0.01, 0.02, 0.05, 0.1, 0.2)


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
    hadrons = np.where(ranking.is_signal, 0.0, weight[ranking.order])
    sums, squares = (np.cumsum(values)[ranking.ends] for values in (hadrons, hadrons**2))
    allowed = (sums > 0) & (sums**2 >= min_background * squares)
    qualities = curve.eps_s[1:][allowed] / np.sqrt(curve.eps_b[1:][allowed])
    return GammaTelescopeTable(
        {eps: signal_efficiency(curve, eps) for eps in EPS_HADRON},
        float(qualities.max()) if len(qualities) else float("nan"),
    )
