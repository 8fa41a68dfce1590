"""Values that stand for "not defined": extreme, repeated, and far from all others."""

from __future__ import annotations

import numpy as np

from tuner.events.columns import is_same

CUSTOMARY = (-999.0, -9999.0, -99.0, -99999.0, -999.9, -1000.0, 999.0, 9999.0, 99999.0)
"""Values that experiments write where a quantity does not exist."""
MIN_SHARE = 5e-4
"""A mark repeats: in so large a share of the events at least, and three times."""


def find_marks(values: np.ndarray) -> dict[float, int]:
    """Return how often each value that seems to stand for "not defined" occurs in finite values [n]."""
    marks: dict[float, int] = {}
    n = len(values)
    for extreme in (min, max, min, max):
        if not len(values):
            break
        mark = _shorten(values.min() if extreme is min else values.max())
        is_mark = is_same(values, mark)
        if is_mark.sum() >= max(3, MIN_SHARE * n) and stands_apart(values, mark, is_mark):
            marks[mark] = int(is_mark.sum())
            values = values[~is_mark]
    return marks


def stands_apart(values: np.ndarray, mark: float, is_mark: np.ndarray) -> bool:
    """Return whether an extreme is a customary mark, or far away from other values that lie close together.

    Args:
        values: Finite values [n].
        mark: One of them.
        is_mark: Where it is, [n].
    """
    others = values[~is_mark]
    if not len(others) or mark != round(mark, 1) or not (others.min() > mark or others.max() < mark):
        return False
    gap = np.abs(others - mark).min()
    width = np.quantile(others, 0.99) - np.quantile(others, 0.01)
    return bool(gap > 0.1 * width if mark in CUSTOMARY else mark < -1 and gap > 10 * width > 0)


def _shorten(value: float) -> float:
    """Return the value with one decimal, where float32 takes both for the same."""
    short = round(float(value), 1)
    return short if is_same(np.array([short]), float(value))[0] else float(value)
