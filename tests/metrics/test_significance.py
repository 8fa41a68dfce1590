"""Significances against pyhf, against published numbers, and against 60 digits where the formula cancels."""

from __future__ import annotations

import mpmath
import numpy as np
import pyhf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, poisson

from tuner.metrics import (
    approximate_median_significance,
    asimov_significance,
    binned_significance,
    signal_over_root_background,
    signal_over_root_total,
)


@pytest.mark.parametrize(
    ("s", "b", "sigma_b", "expected"),
    [(100, 1000, 0, 3.1117), (100, 1000, 50, 1.6443), (10, 5, 1.5, 2.7826), (50, 100, 10, 3.1730)],
)
def test_known_significances(s, b, sigma_b, expected):
    assert asimov_significance(s, b, sigma_b) == pytest.approx(expected, abs=5e-5)


def test_known_approximate_median_significance():
    assert approximate_median_significance(240, 4000) == pytest.approx(3.7531, abs=5e-5)


@pytest.mark.parametrize(("s", "b", "sigma_b"), [(100.0, 1000.0, 50.0), (10.0, 5.0, 1.5), (3.0, 200.0, 2.0)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_significance_with_background_uncertainty_equals_pyhf(s, b, sigma_b):
    """pyhf profiles the same counting experiment numerically."""
    model = pyhf.simplemodels.uncorrelated_background(signal=[s], bkg=[b], bkg_uncertainty=[sigma_b])
    asimov = [s + b, *model.config.auxdata]
    p_value = float(pyhf.infer.hypotest(0.0, asimov, model, test_stat="q0"))
    assert asimov_significance(s, b, sigma_b) == pytest.approx(norm.isf(p_value), abs=2e-3)


def test_simple_significances_are_limits_and_ratios_of_counts():
    assert signal_over_root_background([1.0, 25.0], [1e6, 25.0]) == pytest.approx([1e-3, 5.0])
    assert signal_over_root_background(1.0, 1e6) == pytest.approx(asimov_significance(1.0, 1e6), rel=1e-5)
    counts = poisson.rvs(300.0 + 600.0, size=20_000, random_state=2)
    assert signal_over_root_total(300.0, 600.0) == pytest.approx(300 / counts.std(), rel=0.03)
    assert signal_over_root_total(9.0, 0.0) == pytest.approx(3.0)


@pytest.mark.parametrize("figure", [signal_over_root_background, signal_over_root_total])
def test_simple_significances_at_their_limits(figure):
    assert figure([0.0, -3.0, 0.0], [10.0, 10.0, 0.0]).tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(figure([1.0, np.nan, 1.0], [-1.0, 10.0, np.nan])).all()
    assert signal_over_root_background(1.0, 0.0) == np.inf


def test_significance_is_the_median_of_toy_experiments():
    """q0 of Poisson counts around s + b, background known: its median is Asimov's to a few per cent (1007.1727)."""
    s, b = 60.0, 400.0
    counts = poisson.rvs(s + b, size=20_001, random_state=1).astype(float)
    median = np.median(np.sqrt(2 * np.maximum(counts * np.log(counts / b) - counts + b, 0)))
    assert asimov_significance(s, b) == pytest.approx(median, rel=0.02)


def exact(s: float, b: float, sigma_b: float) -> float:
    with mpmath.workdps(80):
        s, b, v = mpmath.mpf(s), mpmath.mpf(b), mpmath.mpf(sigma_b) ** 2
        if v == 0:
            return float(mpmath.sqrt(2 * ((s + b) * mpmath.log(1 + s / b) - s)))
        first = (s + b) * mpmath.log((s + b) * (b + v) / (b**2 + (s + b) * v))
        return float(mpmath.sqrt(2 * (first - b**2 / v * mpmath.log(1 + v * s / (b * (b + v))))))


@given(st.floats(-9, 6), st.floats(-6, 8), st.one_of(st.none(), st.floats(-7, 3)))
def test_significance_keeps_its_digits_from_tiny_to_huge(log_s, log_b, log_relative):
    s, b = 10**log_s, 10**log_b
    sigma_b = 0.0 if log_relative is None else b * 10**log_relative
    assert asimov_significance(s, b, sigma_b) == pytest.approx(exact(s, b, sigma_b), rel=1e-9)


def test_limits_are_defined_and_warn_of_nothing():
    assert asimov_significance(0, 5) == 0
    assert asimov_significance(-3, 5) == 0
    assert asimov_significance(3, 0) == np.inf
    assert asimov_significance(0, 0) == 0
    assert asimov_significance(3, 0, 1) == 0
    assert asimov_significance(3, 1e-12, 1) == pytest.approx(0, abs=1e-5)
    assert np.isnan(asimov_significance(3, -1))
    assert np.isnan(asimov_significance(3, 1, -1))
    assert asimov_significance(1, 1e-300) == pytest.approx(np.sqrt(2 * (300 * np.log(10) - 1)))
    assert approximate_median_significance(0, 0) == 0
    assert np.isfinite(approximate_median_significance(5, 0))


def test_significance_is_vectorised():
    s, b = np.array([[1.0], [10.0]]), np.array([5.0, 50.0, 500.0])
    together = asimov_significance(s, b, 0.1 * b)
    assert together.shape == (2, 3)
    assert together[1, 2] == asimov_significance(10.0, 500.0, 50.0)


def test_bins_add_in_quadrature():
    z = binned_significance([10, 20], [100, 50], [5, 0])
    assert z == pytest.approx(np.hypot(asimov_significance(10, 100, 5), asimov_significance(20, 50)))
