"""Azimuths, angles round the beam: which features are, and what of them a network is given.

Beams and detectors look alike all round, so only the angles between objects tell something. A network that is given
each absolute azimuth must learn this from the events; instead one azimuth is the axis from which the others are taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tuner.errors import SplitsError, raise_together, suggest_name
from tuner.events.angles import TURN, TURNS, list_words
from tuner.progress.wording import write_count

SLACK = 1e-3
"""How far, in radian, rounding may carry an angle beyond its range."""
UNEVEN = 0.05
"""Largest Kolmogorov-Smirnov distance from an even distribution of what counts as even, beyond what chance gives."""
MIN_EVENTS = 100
NAMES = {"phi", "azimuth"}
"""Words of which one in a name tells an azimuth."""
RELATIVE = {"d", "delta", "diff", "rel", "relative", "between"}
"""What a name that holds one of `NAMES` must not hold: such an angle is taken between objects already."""


def find_azimuths(values: np.ndarray, features: Sequence[str]) -> np.ndarray:
    """Return which features [n, d] are azimuths, int64 [k] by index, the axis first; empty if there are not two.

    A feature is one if its name says so (a word "phi" or "azimuth"), if its values fill the circle evenly, in radian,
    and if its angle to another such feature does not: the second is what a symmetry round the beam looks like, the
    third keeps decay angles as they are. The axis is the first azimuth that is always defined; without one there is
    none. Neither labels nor weights are looked at.

    Args:
        values: features of the train part, not-a-number where undefined.
        features: their names.
    """
    candidates = [i for i, name in enumerate(features) if _is_named_azimuth(name) and _is_even(values[:, i])]
    related = [i for i in candidates if any(_is_uneven(values[:, i] - values[:, j]) for j in candidates if j != i)]
    always = [i for i in related if not np.isnan(values[:, i]).any()]
    if len(related) < 2 or not always:
        return np.zeros(0, np.int64)
    return np.array([always[0], *(i for i in related if i != always[0])], np.int64)


def locate_azimuths(values: np.ndarray, features: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return the places of named azimuths, int64 [k], in the order of the names.

    Args:
        values: features [n, d] of the train part, not-a-number where undefined.
        features: names of the features.
        names: those of the azimuths, the axis first; none or at least two.

    Raises:
        SplitsError: Where one is no feature, or does not look like an angle in radian; where the axis is undefined for
            some events.
    """
    places = {name: i for i, name in enumerate(features)}
    problems = []
    for name in names:
        if name not in places:
            problems.append(f'`azimuths` must be features, but "{name}" is none.{suggest_name(name, features)}')
        elif len(defined := _drop_undefined(values[:, places[name]])) and not is_angle(defined):
            problems.append(
                f'`azimuths` must be in radian, from -pi to pi or from 0 to 2 pi, but "{name}" goes from '
                f"{defined.min():g} to {defined.max():g}.{_advise(defined)}"
            )
        elif name == names[0] and (n_undefined := len(values) - len(defined)):
            always = [other for other in names if other in places and not np.isnan(values[:, places[other]]).any()]
            advice = f'Name "{always[0]}" first.' if always else "Leave them as they are with `azimuths=()`."
            problems.append(
                f'The first of `azimuths` is the axis, which must be defined for each event, but "{name}" is undefined '
                f"for {n_undefined:,} of {write_count(len(values), 'event')} of the train part. {advice}"
            )
    raise_together(problems, SplitsError, "Preparation")
    return np.array([places[name] for name in names], np.int64)


def _advise(angles: np.ndarray) -> str:
    """Return what to do about angles that are not in radian: nothing where they do not look like degrees."""
    lowest, highest = float(angles.min()), float(angles.max())
    turn = TURNS["degrees"]
    looks_so = turn / 4 < highest - lowest <= turn + SLACK and max(-lowest, highest) < turn + SLACK
    return " They look like degrees: write them as radian, with `numpy.deg2rad`." if looks_so else ""


def turn_azimuths(values: np.ndarray, azimuths: np.ndarray) -> np.ndarray:
    """Return cosines, then sines, of the angles of azimuths to their axis, float32 [n, 2 (k - 1)].

    They are scaled by sqrt(2), so that angles that fill the circle evenly give variance 1, and are 0 where the angle
    is undefined.

    Args:
        values: features float32 [n, d] in radian, not-a-number where undefined.
        azimuths: places of the azimuths [k], the axis first.
    """
    # In double precision: boosted trees must find the last digit of float32 where an exported file computes it again.
    angles = _clip(values[:, azimuths], np.full(len(azimuths), TURN))
    return _take_cosines_and_sines(angles[:, 1:] - angles[:, :1])


def turn_angles(values: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return cosines, then sines, of angles, float32 [n, 2 k], scaled and undefined as those of `turn_azimuths` are.

    Args:
        values: angles float32 [n, k], not-a-number where undefined.
        turns: what a full turn of each is [k].
    """
    return _take_cosines_and_sines(_clip(values, turns) * (TURN / turns))


def _clip(values: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Return angles [n, k] in double precision, none beyond a turn."""
    ends = turns.astype(np.float32)
    return np.clip(np.asarray(values, np.float32), -ends, ends).astype(np.float64)


def _take_cosines_and_sines(angles: np.ndarray) -> np.ndarray:
    turned = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * np.sqrt(2)
    return np.where(np.isnan(turned), 0, turned).astype(np.float32)


def is_angle(angles: np.ndarray, turn: float = TURN) -> bool:
    """Return whether all angles [n] are from minus half a turn to half a turn, or from 0 to a turn."""
    slack = SLACK * turn / TURN
    lowest, highest = angles.min(), angles.max()
    return bool(
        (lowest >= -turn / 2 - slack and highest <= turn / 2 + slack) or (lowest >= -slack and highest <= turn + slack)
    )


def goes_round(angles: np.ndarray, turn: float = TURN) -> bool:
    """Return whether angles [n] come to both ends of a turn, so that their ends are neighbours."""
    return len(angles) >= MIN_EVENTS and is_angle(angles, turn) and bool(np.ptp(angles) > turn * (1 - UNEVEN))


def _is_named_azimuth(name: str) -> bool:
    words = list_words(name)
    return bool(words & NAMES) and not words & RELATIVE


def _is_even(values: np.ndarray) -> bool:
    """Return whether angles fill the circle evenly."""
    defined = _drop_undefined(values)
    return len(defined) >= MIN_EVENTS and is_angle(defined) and _measure_unevenness(defined) <= _find_limit(defined)


def _is_uneven(angles: np.ndarray) -> bool:
    """Return whether angles, some undefined, do not fill the circle evenly."""
    defined = _drop_undefined(angles)
    return len(defined) >= MIN_EVENTS and _measure_unevenness(defined) > _find_limit(defined)


def _drop_undefined(values: np.ndarray) -> np.ndarray:
    return np.asarray(values[~np.isnan(values)], np.float64)


def _measure_unevenness(angles: np.ndarray) -> float:
    return float(stats.kstest(angles % TURN / TURN, "uniform", method="asymp").statistic)


def _find_limit(angles: np.ndarray) -> float:
    """Return the distance that an even distribution stays under in 99 of 100 samples, and what is let pass."""
    return UNEVEN + 1.63 / float(np.sqrt(len(angles)))
