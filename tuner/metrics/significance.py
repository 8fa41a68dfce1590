"""Discovery significance expected of s signal over b background events, in standard deviations. Vectorised."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

SERIES_BELOW = 0.02
"""Below it the logarithm cancels what stands beside it; a series takes over."""


def asimov_significance(s: ArrayLike, b: ArrayLike, sigma_b: ArrayLike = 0.0) -> np.ndarray:
    """Return the median discovery significance of s expected signal events over b +- sigma_b background events.

    Z = sqrt(2{(s+b) ln[(s+b)(b+v)/(b^2+(s+b)v)] - (b^2/v) ln[1 + v s/(b(b+v))]}), v = sigma_b^2, and for v = 0
    Z = sqrt(2[(s+b) ln(1+s/b) - s]): profile likelihood of a counting experiment on Asimov data, with the background
    measured in a control region (Cowan et al., arXiv:1007.1727; Cowan 2012, "Discovery sensitivity for a counting
    experiment with background uncertainty").

    s, b, sigma_b: expected event weights, any shapes that broadcast; sigma_b absolute. Limits: 0 for s <= 0;
    for b = 0 infinity without and 0 with uncertainty; not-a-number for negative b or sigma_b. Exact to rounding for
    tiny s and tiny sigma_b.
    """
    s, b, sigma_b = np.broadcast_arrays(*(np.asarray(a, dtype=np.float64) for a in (s, b, sigma_b)))
    result = np.where((b < 0) | (sigma_b < 0) | np.isnan(s + b + sigma_b), np.nan, 0.0)
    result[(s > 0) & (b == 0) & (sigma_b == 0)] = np.inf
    regular = (s > 0) & (b > 0) & (sigma_b >= 0)
    result[regular] = np.sqrt(2 * _half_test_statistic(s[regular], b[regular], sigma_b[regular] ** 2))
    return result[()]


def approximate_median_significance(s: ArrayLike, b: ArrayLike, b_reg: float = 10.0) -> np.ndarray:
    """Return the AMS of the HiggsML challenge, sqrt(2[(s+b+b_reg) ln(1+s/(b+b_reg)) - s]).

    s, b: expected event weights, any shapes that broadcast. b_reg keeps cuts with hardly any background from winning
    by a fluctuation (Adam-Bourdarios et al. 2015, proceedings.mlr.press/v42/cowa14). 0 for s <= 0.
    """
    return asimov_significance(s, np.asarray(b, dtype=np.float64) + b_reg)


def signal_over_root_background(s: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return s/sqrt(b), what the Asimov significance tends to for s far below b and a known background.

    s, b: expected event weights, any shapes that broadcast. Too large where s is not small: s = b = 25 gives 5 for
    4.4. 0 for s <= 0, infinite for b = 0, not-a-number for negative b.
    """
    return _divide_by_root(s, b)


def signal_over_root_total(s: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Return s/sqrt(s+b): signal over the error of the selected events, the relative precision of a rate.

    s, b: expected event weights, any shapes that broadcast. No discovery significance: that takes the error without a
    signal. 0 for s <= 0, not-a-number for negative b.
    """
    return _divide_by_root(s, np.where(np.asarray(b) < 0, np.nan, np.maximum(s, 0) + np.asarray(b, dtype=np.float64)))


def _divide_by_root(s: ArrayLike, square: ArrayLike) -> np.ndarray:
    """Return s over the root of a variance."""
    s, square = np.broadcast_arrays(
        np.maximum(np.asarray(s, dtype=np.float64), 0), np.asarray(square, dtype=np.float64)
    )
    result = np.where(np.isnan(s + square) | (square < 0), np.nan, np.where(s > 0, np.inf, 0.0))
    np.divide(s, np.sqrt(square, where=square > 0, out=np.ones_like(square)), out=result, where=square > 0)
    return result[()]


def binned_significance(s: ArrayLike, b: ArrayLike, sigma_b: ArrayLike = 0.0) -> float:
    """Return sqrt(sum of Z^2) over bins [k] of the score; each bin's background uncertainty is its own, uncorrelated.

    Bins without signal add nothing; a bin with signal, without background and without uncertainty is infinite.
    """
    return float(np.sqrt((asimov_significance(s, b, sigma_b) ** 2).sum()))


def _half_test_statistic(s: np.ndarray, b: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return Z^2 / 2 for positive s and b and for v >= 0, in the form that does not cancel; all [n].

    With a = s b/(b^2+(s+b)v) and y = v s/(b(b+v)) the formula is (s+b) ln(1+a) - (b^2/v) ln(1+y). For small a the
    leading terms cancel; ln(1+x) = x - x^2 q(x) takes them out by hand. No b^2 by itself: it would underflow.
    """
    a, y, share = s / (b + (s + b) * (v / b)), (v / b) * s / (b + v), s / (b + v)
    half: np.ndarray = (s + b) * np.log1p(a) - b * share * _log1p_over(y)
    few = a < 0.5
    s, b, v, a, y, share = s[few], b[few], v[few], a[few], y[few], share[few]
    half[few] = a * b * share - (s + b) * a**2 * _remainder(a) + v * share**2 * _remainder(y)
    np.maximum(half, 0.0, out=half)
    return half


def _log1p_over(x: np.ndarray) -> np.ndarray:
    """Return ln(1+x)/x for x >= 0, 1 at 0."""
    ratio: np.ndarray = np.divide(np.log1p(x), x, out=np.ones_like(x), where=x > 0)
    return ratio


def _remainder(x: np.ndarray) -> np.ndarray:
    """Return q(x) = (x - ln(1+x))/x^2 for x >= 0, 1/2 at 0."""
    near = np.polynomial.polynomial.polyval(np.minimum(x, SERIES_BELOW), [(-1) ** k / (k + 2) for k in range(9)])
    far = np.maximum(x, SERIES_BELOW)
    remainder: np.ndarray = np.where(x < SERIES_BELOW, near, (1 - np.log1p(far) / far) / far)
    return remainder
