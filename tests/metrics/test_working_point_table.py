"""The table of working points against scikit-learn's curve, and the rejection of the same points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_curve

from tuner.metrics import tabulate_working_points
from tuner.metrics.measured_figures import measure_figures
from tuner.metrics.measurement import ONE_SIGMA


def draw(n: int = 4_000, distance: float = 1.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    labels = np.arange(n) % 2
    return labels, norm.cdf(generator.normal(labels * distance)), generator.exponential(1.0, n)


def test_each_point_is_read_off_scikit_learns_curve():
    labels, scores, weights = draw()
    eps_b, eps_s, cuts = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    rows = tabulate_working_points(labels, scores, weights, n_replicas=20)
    assert [row.at for row in rows] == [0.3, 0.5, 0.7, 0.9, 0.1, 0.01, 0.001]
    for row in rows:
        place = (eps_s >= row.at).argmax() if row.fixed == "eps_S" else np.flatnonzero(eps_b <= row.at)[-1]
        other = eps_b if row.fixed == "eps_S" else eps_s
        assert row.efficiency.value == pytest.approx(other[place])
        passes = scores >= row.threshold
        assert (row.n_signal, row.n_background) == ((passes & (labels == 1)).sum(), (passes & (labels == 0)).sum())
        above = weights[passes & (labels == 0)]
        assert row.effective_background == pytest.approx(above.sum() ** 2 / (above**2).sum() if len(above) else 0)
        assert row.efficiency.low < row.efficiency.high
        assert (passes == (scores >= cuts[place])).all() or row.fixed == "eps_B"


def test_background_efficiency_is_the_inverse_of_the_rejection_with_the_same_interval():
    labels, scores, weights = draw()
    figures = measure_figures(labels, scores, weights, threshold=0.5, n_bootstrap=40, seed=3)
    rows = {row.name: row for row in tabulate_working_points(labels, scores, weights, n_replicas=40, seed=3)}
    for at in (0.3, 0.5):
        rejection, found = figures[f"1/eps_B at eps_S={at}"], rows[f"eps_B at eps_S={at}"].efficiency
        inverse = (1 / found.value, 1 / found.high, 1 / found.low)
        assert (rejection.value, rejection.low, rejection.high) == pytest.approx(inverse)


def test_a_point_that_no_background_passes_has_the_upper_limit_of_its_count():
    labels = np.arange(400) % 2
    row = tabulate_working_points(labels, labels + 0.001 * np.arange(400), n_replicas=5)[0]
    assert row.n_background == row.efficiency.value == row.efficiency.low == 0
    assert row.efficiency.high == pytest.approx(binomtest(0, 200).proportion_ci(ONE_SIGMA, method="exact").high)
