"""What is done with each feature: as the preparation asks, or by rules that look at train alone, never at labels.

In this order: what `Preparation.features` asks of its name; azimuths (`tuner.preparation.azimuths`); categories; angles
that go all round become cosine and sine; with "standard" or "robust" scaling, long tails are taken by their signed
logarithm; all others are scaled as `Preparation.scaling` says. The quantile map gives the same normal distribution
before and after a logarithm, so that it needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tuner.errors import SplitsError, raise_together, suggest_name
from tuner.events.angles import TURN, TURNS, is_named_angle
from tuner.events.name_patterns import fits
from tuner.preparation.azimuths import find_azimuths, goes_round, is_angle, locate_azimuths
from tuner.preparation.settings import Preparation

LONG_TAIL = 8.0
"""How much farther from the median than the middle 68 % the middle 99.8 % reach in a long tail: 3.1 times in a normal
distribution, 5.4 in an exponential, 12 in a log-normal of sigma 1."""

Knots = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Choice:
    """What is done with each feature, in the order of the features."""

    kinds: tuple[str, ...]
    """"azimuth", "category", or one of `TRANSFORMATIONS`."""
    azimuths: np.ndarray
    """Features that are azimuths, int64 [a] by index, the axis first."""

    def find(self, *kinds: str) -> np.ndarray:
        """Return the features of some kinds, int64 by index."""
        return np.array([i for i, kind in enumerate(self.kinds) if kind in kinds], np.int64)


def choose_transformations(
    values: np.ndarray, features: Sequence[str], preparation: Preparation, categories: Collection[str]
) -> Choice:
    """Choose what is done with each feature.

    Args:
        values: Features of the train part [n, d], not-a-number where undefined.
        features: Their names.
        preparation: What is asked for.
        categories: Names of the features that are categories.

    Raises:
        SplitsError: Something is asked of what is no feature, of a category, or of an angle that is none.
    """
    asked = [_find_asked(name, preparation) for name in features]
    _check_asked(values, features, asked, preparation, categories)
    free = [i for i, name in enumerate(features) if asked[i] is None and name not in categories]
    if preparation.azimuths == "auto":
        found = find_azimuths(values[:, free], [features[i] for i in free])
        azimuths = np.array([free[i] for i in found], np.int64)
    else:
        azimuths = locate_azimuths(values, features, preparation.azimuths)
    kinds = []
    for i, name in enumerate(features):
        if i in azimuths:
            kinds.append("azimuth")
        elif name in categories:
            kinds.append("category")
        else:
            kinds.append(asked[i] or _choose_kind(_take_defined(values[:, i]), name, preparation))
    return Choice(tuple(kinds), azimuths)


def _find_asked(name: str, preparation: Preparation) -> str | None:
    """Return what the preparation asks of a feature by its name, or by a pattern; None where nothing."""
    asked = preparation.features or {}
    if name in asked:
        return asked[name]
    if preparation.azimuths != "auto" and name in preparation.azimuths:
        return None
    return next((kind for pattern, kind in asked.items() if fits(name, [pattern])), None)


def _check_asked(
    values: np.ndarray,
    features: Sequence[str],
    asked: Sequence[str | None],
    preparation: Preparation,
    categories: Collection[str],
) -> None:
    """Raise `SplitsError` with all that is asked and cannot be done."""
    problems = [
        f'`features` of Preparation names "{pattern}", but no feature has that name.{suggest_name(pattern, features)}'
        for pattern in preparation.features or {}
        if not any(fits(name, [pattern]) for name in features)
    ]
    for i, (name, kind) in enumerate(zip(features, asked, strict=True)):
        defined = _take_defined(values[:, i])
        if name in categories and name in (preparation.features or {}):
            problems.append(
                f'"{name}" is a category, which has an input for each of its values, but `features` asks "{kind}" of '
                "it. Leave it out there, or among `categories` of the problem."
            )
        elif name not in categories and kind in TURNS and len(defined) and not is_angle(defined, TURNS[kind]):
            unit, half = ("radian", "pi") if kind == "angle" else ("degrees", "180")
            other = "degrees" if kind == "angle" else "angle"
            problems.append(
                f'"{name}" must be an angle in {unit}, from -{half} to {half} or over one turn from 0, but goes from '
                f'{defined.min():g} to {defined.max():g}. Is it "{other}", or no angle?'
            )
    raise_together(problems, SplitsError, "Preparation")


def _choose_kind(defined: np.ndarray, name: str, preparation: Preparation) -> str:
    """Return what the rules say of a feature's defined values [n]."""
    if preparation.azimuths == "auto" and is_named_angle(name):
        for kind, turn in TURNS.items():
            if goes_round(defined, turn):
                return kind
    if preparation.scaling in ("standard", "robust") and has_long_tail(defined):
        return "log"
    return preparation.scaling


def has_long_tail(defined: np.ndarray) -> bool:
    """Return whether values [n] have a tail of more than `LONG_TAIL`, on either side."""
    if len(defined) < 100:  # the outermost 0.1 % of fewer are one event
        return False
    lowest, low, middle, high, highest = np.quantile(defined, [0.001, 0.16, 0.5, 0.84, 0.999])
    return bool(highest - middle > LONG_TAIL * (high - middle) > 0 or middle - lowest > LONG_TAIL * (middle - low) > 0)


def find_log_scale(defined: np.ndarray) -> float:
    """Return where a signed logarithm turns from a straight line to a logarithm: the median of |x|, of x not 0."""
    sizes = np.abs(defined[defined != 0])
    return float(np.float32(np.median(sizes))) if len(sizes) else 1.0


def take_log(x: np.ndarray, scale: float) -> np.ndarray:
    """Return sign(x) log(1 + |x| / scale) of x [n], in double precision."""
    wide = np.asarray(x, np.float64)
    logarithm: np.ndarray = np.sign(wide) * np.log1p(np.abs(wide) / scale)
    return logarithm


def find_knots(defined: np.ndarray, kind: str, n_quantiles: int) -> Knots:
    """Return knots x and z of the map of one feature from its defined train values [n], after any logarithm."""
    find: Callable[[np.ndarray], Knots] = {
        "quantile": lambda values: _find_quantile_knots(values, n_quantiles),
        "robust": _find_robust_knots,
        "none": lambda _: (np.array([0, 1], np.float32), np.array([0, 1], np.float32)),
        "angle": lambda _: _make_line(-TURN / 2, TURN),
        "degrees": lambda _: _make_line(-180.0, 360.0),
    }.get(kind, _find_standard_knots)
    return find(defined)


def _find_standard_knots(defined: np.ndarray) -> Knots:
    """Return the line that subtracts the mean and divides by the standard deviation."""
    return _make_line(defined.mean(dtype=np.float64), defined.std(dtype=np.float64))


def _find_robust_knots(defined: np.ndarray) -> Knots:
    """Return the line that subtracts the median and divides by the range of the middle half; by sd where it is 0."""
    low, middle, high = np.quantile(defined.astype(np.float64), [0.25, 0.5, 0.75])
    return _make_line(middle, (high - low) or defined.std(dtype=np.float64))


def _make_line(centre: float, width: float) -> Knots:
    """Return knots of (x - centre) / width; of width 1 where it is 0."""
    lower, upper = np.array([centre, centre + (width or 1)], np.float32)
    return np.array([lower, max(upper, np.nextafter(lower, np.float32(np.inf)))]), np.array([0, 1], np.float32)


def _find_quantile_knots(defined: np.ndarray, n_quantiles: int) -> Knots:
    """Return quantiles, each once, and the normal score of each: of the middle of its levels where it has several.

    The outermost scores are those of the levels 1/2n and 1 - 1/2n.
    """
    n = len(defined)
    levels = np.linspace(0, 1, min(n_quantiles, n) if n > 1 else 2)
    quantiles = np.quantile(defined, levels).astype(np.float32)
    x, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
    middle = (levels[first] + levels[first + counts - 1]) / 2
    normal = NormalDist()
    z = [normal.inv_cdf(level) for level in np.clip(middle, 0.5 / n, 1 - 0.5 / n)]
    return x, np.array(z, np.float32)


def _take_defined(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[~np.isnan(values)])
