"""Significances at expected yields: pyhf's fit of the histogram, closed forms, few events."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from tuner.metrics import measure_binned_significance, measure_cut_significances
from tuner.metrics.significance import asimov_significance, signal_over_root_background

YIELDS = {"s": 60.0, "b": 800.0}


def draw(n: int = 4_000, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return labels, norm.cdf(generator.normal(labels * 1.5)), generator.uniform(0.5, 1.5, n)


@pytest.mark.parametrize("relative", [0.0, 0.1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_histograms_significance_is_that_of_pyhfs_fit_to_asimov_data(relative):
    """All bins at once in one model; each bin's background has a nuisance parameter of its own."""
    labels, scores, weights = draw()
    edges = norm.cdf([-np.inf, 0.5, 1.2, 2.0, np.inf])
    found = measure_binned_significance(
        labels, scores, weights, edges=edges, **YIELDS, relative_systematic=relative, n_replicas=20
    )
    s, b = (
        YIELDS[name] * np.histogram(scores[labels == value], edges, weights=weights[labels == value])[0]
        / weights[labels == value].sum()
        for name, value in (("s", 1), ("b", 0))
    )  # fmt: skip
    errors = np.maximum(relative, 1e-3) * b
    model = pyhf.simplemodels.uncorrelated_background(s.tolist(), b.tolist(), errors.tolist())
    p_value = float(pyhf.infer.hypotest(0.0, [*(s + b), *model.config.auxdata], model, test_stat="q0"))
    assert found.value == pytest.approx(norm.isf(p_value), rel=2e-3)
    assert found.low < found.value < found.high


def test_more_bins_tell_more_than_one_and_the_interval_holds_the_closed_form():
    labels, scores, weights = draw()
    edges = norm.cdf([-np.inf, 0.5, 1.5, np.inf])
    cuts = np.array([-np.inf, 0.5, 1.5, np.inf])
    s, b = (YIELDS[k] * np.diff(norm.cdf(cuts - shift)) for k, shift in (("s", 1.5), ("b", 0.0)))
    truth = float(np.sqrt((asimov_significance(s, b) ** 2).sum()))
    found = measure_binned_significance(labels, scores, weights, edges=edges, **YIELDS)
    assert found.value == pytest.approx(truth, abs=3 * found.error)
    one = measure_binned_significance(labels, scores, weights, edges=[0.0, 1.0], **YIELDS, n_replicas=5)
    assert one.value == pytest.approx(float(asimov_significance(60, 800)))


def test_a_bin_without_background_is_not_infinitely_significant():
    labels = np.arange(200) % 2
    found = measure_binned_significance(labels, labels.astype(float), edges=[0, 0.5, 1], **YIELDS, n_replicas=10)
    assert found.value == pytest.approx(float(asimov_significance(60, 800 / 100)))


def test_significances_of_a_cut_are_those_of_what_passes():
    labels, scores, weights = draw()
    found = measure_cut_significances(labels, scores, weights, cut=0.9, **YIELDS)
    s, b = (
        YIELDS[name] * weights[(labels == value) & (scores >= 0.9)].sum() / weights[labels == value].sum()
        for name, value in (("s", 1), ("b", 0))
    )
    assert found["s/sqrt(b)"].value == pytest.approx(float(signal_over_root_background(s, b)))
    assert found["Asimov significance"].value == pytest.approx(float(asimov_significance(s, b)))
    # Poisson errors of both counts: relative 1/sqrt(N_s) and 1/(2 sqrt(N_b)), and what weights of this spread add.
    n_s, n_b = ((weights[rows].sum() ** 2) / (weights[rows] ** 2).sum() for rows in split(labels, scores))
    expected = found["s/sqrt(b)"].value * np.hypot(np.sqrt((1 - s / 60) / n_s), 0.5 / np.sqrt(n_b))
    assert found["s/sqrt(b)"].error == pytest.approx(expected, rel=0.2)


def split(labels: np.ndarray, scores: np.ndarray) -> list[np.ndarray]:
    return [(labels == value) & (scores >= 0.9) for value in (1, 0)]


def test_a_cut_that_no_background_passes_has_a_lower_limit():
    labels = np.arange(200) % 2
    found = measure_cut_significances(labels, labels.astype(float), cut=0.5, **YIELDS)["s/sqrt(b)"]
    assert found.value == found.high == np.inf
    assert 60 / np.sqrt(800 * 0.03) < found.low < 60 / np.sqrt(800 * 0.01)
