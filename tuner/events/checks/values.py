"""Values of one feature: undefined, always the same, marks that nobody declared, single ones beyond all others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuner.errors import name_all
from tuner.events.checks.examined import Examined
from tuner.events.checks.finding import Finding
from tuner.events.checks.sentinels import find_marks
from tuner.progress.wording import write_count

MIN_DEFINED = 0.01
"""Share of the events in which a feature must be defined: below, a network hardly meets it."""
MIN_OTHERS, MIN_OTHERS_SHARE = 10, 1e-3
"""Events, and their share, in which a feature must differ from its most frequent value."""
OUTLIER_WIDTHS, OUTLIER_DECADES = 100.0, 1.5
"""An outlier is farther from the median than so many times the distance of the 1 % and the 99 % quantile, and also
where both tails are drawn in, asinh((x - median) / width): beyond these quantiles by so many times their distance. The
second keeps what a long tail of physics reaches by itself, such as a Cauchy distribution or a log-normal one of a width
of 2, out of the list."""
ISOLATED = 100.0
"""So many times farther from the median than all others: a tail, however long, comes down to it step by step."""
MAX_SINGLE = 1e-3
"""Share of the events up to which far values are single ones."""
MANY, ISOLATED_MANY, MAX_MANY = 10, 10.0, 0.06
"""Of so many values or more, up to a share of the events, this distance is enough: the k largest of n values of a tail
like 1/x^2 are so far from the next with a probability of 10^-k."""


def check_values(examined: Examined) -> Iterator[Finding]:
    """Check each feature by itself; event weights and labels do not enter, as a value is as odd in any event."""
    yield from _find_empty(examined)
    yield from _find_undefined(examined)
    yield from _find_near_constant(examined)
    yield from _find_sentinels(examined)
    yield from _find_outliers(examined)


def _find_empty(examined: Examined) -> Iterator[Finding]:
    n_empty = int(np.isnan(examined.values).all(axis=1).sum())
    if n_empty:
        yield Finding(
            code="empty-events",
            severity="warning",
            sentence=f"{write_count(n_empty, 'event')}{' has' if n_empty == 1 else ' have'} no feature that is "
            f"defined{examined.only}. A network can only guess there.",
            advice="Look how they came into the file, and leave them out of it.",
            figures={"events": n_empty},
        )


def _find_undefined(examined: Examined) -> Iterator[Finding]:
    shares = {name: float((~np.isnan(values)).mean()) for name, values in examined.columns()}
    rare = sorted((name for name, share in shares.items() if share < MIN_DEFINED), key=lambda name: shares[name])
    if rare:
        yield Finding(
            code="mostly-undefined",
            severity="warning",
            sentence=f"{_name_features(rare)} defined in less than {MIN_DEFINED:.0%} of the events{examined.only}. "
            "There is next to nothing to learn from values that are hardly ever there.",
            advice="Is a value declared as `undefined` that is a proper one? Else leave them out with `ignored`.",
            columns=tuple(rare),
            figures={"defined": shares[rare[0]]},
        )


def _find_near_constant(examined: Examined) -> Iterator[Finding]:
    others: dict[str, int] = {}
    for name, values in examined.columns():
        if np.isnan(values).any():
            continue  # where it is undefined tells something, too
        # Most events have the median if most have one value.
        differ = int((values != np.median(values)).sum())
        if differ < max(MIN_OTHERS, MIN_OTHERS_SHARE * len(values)):
            others[name] = differ
    if others:
        told = [f'"{name}" ({write_count(n, "event")})' for name, n in sorted(others.items(), key=lambda item: item[1])]
        yield Finding(
            code="near-constant",
            severity="warning",
            sentence=f"{_list(told)} {'differs' if len(told) == 1 else 'differ'} from one value in hardly any event"
            f"{examined.only}. So few events teach a network nothing that holds on others.",
            advice="Leave them out with `ignored`, unless these few events are what you look for.",
            columns=tuple(others),
            figures={"events": min(others.values())},
        )


def _find_sentinels(examined: Examined) -> Iterator[Finding]:
    found: dict[str, dict[float, int]] = {}
    for name, values in examined.columns():
        if of_feature := find_marks(values[~np.isnan(values)]):
            found[name] = of_feature
    if found:
        told = [
            f'{mark:g} in "{name}" ({write_count(n, "event")})' for name, of in found.items() for mark, n in of.items()
        ]
        marks = sorted({mark for of in found.values() for mark in of})
        written = f"{marks[0]:g}" if len(marks) == 1 else f"({', '.join(f'{mark:g}' for mark in marks)})"
        yield Finding(
            code="undeclared-sentinel",
            severity="warning",
            sentence=f"{_list(told)} {'seems' if len(told) == 1 else 'seem'} to stand for “not defined”{examined.only}"
            ": extreme, repeated, and far from all other values. Scaled as numbers they squeeze all others together.",
            advice=f'Declare them: `undefined={written}`, or by column, `undefined={{"NAME": VALUE}}`.',
            columns=tuple(found),
            figures={"events": max(n for of in found.values() for n in of.values())},
        )


def _find_outliers(examined: Examined) -> Iterator[Finding]:
    found: dict[str, tuple[float, int]] = {}
    most = 0.0
    for name, values in examined.columns():
        defined = values[~np.isnan(values)].astype(np.float64)
        if len(defined) < 100:
            continue
        far = _find_far(defined)
        if far.any():
            away = np.abs(defined[far] - np.median(defined))
            found[name] = (float(defined[far][away.argmax()]), int(far.sum()))
            most = max(most, float(far.mean()))
    if found:
        told = [f'"{name}" reaches {value:.4g} ({write_count(n, "event")})' for name, (value, n) in found.items()]
        cure = " If they are in another unit, correct them where the file is made." if most > MAX_SINGLE else ""
        yield Finding(
            code="outliers",
            severity="warning",
            sentence=f"{_list(told)}, far beyond all other values{examined.only}. They are often mistakes of units or "
            "of reconstruction; scaling by quantiles bears single ones, scaling by mean and standard deviation does "
            "not.",
            advice="Look at these events. If the values stand for “not defined”, declare them with `undefined`." + cure,
            columns=tuple(found),
            figures={"events": max(n for _, n in found.values())},
        )


def _find_far(values: np.ndarray) -> np.ndarray:
    """Return which values [n] are far from all others, bool [n]: single ones, or a group of them."""
    low, tenth, middle, ninth, high = np.quantile(values, (0.01, 0.1, 0.5, 0.9, 0.99))
    away = np.abs(values - middle)
    if tenth < ninth:
        nearest = np.sort(away)[-int(MAX_MANY * len(values)) - 1 :]  # of the farthest, and the next one
        is_gap = nearest[1:] > ISOLATED_MANY * nearest[:-1]
        is_gap[max(len(is_gap) + 1 - MANY, 0) :] = False
        if is_gap.any():
            return np.asarray(away >= nearest[1:][is_gap.argmax()])
    far = _find_single(values, low, middle, high)
    return far if far.sum() <= max(1, MAX_SINGLE * len(values)) else np.zeros(len(values), bool)


def _find_single(values: np.ndarray, low: float, middle: float, high: float) -> np.ndarray:
    """Return which values [n] are far, as `OUTLIER_WIDTHS` and `OUTLIER_DECADES` say; none where 98 % are equal."""
    width = high - low
    if width <= 0:
        return np.zeros(len(values), bool)
    away = np.abs(values - middle)
    far: np.ndarray = away > OUTLIER_WIDTHS * width
    if far.any():
        # With a tenth of the width as its unit, asinh is linear in the middle and logarithmic in the tails.
        drawn_in = np.arcsinh((values - middle) / (0.1 * width))
        lower, upper = np.arcsinh((np.array([low, high]) - middle) / (0.1 * width))
        beyond = np.maximum(lower - drawn_in, drawn_in - upper)
        far &= beyond > OUTLIER_DECADES * (upper - lower)
    if far.any():
        far &= away[far].min() > ISOLATED * away[~far].max()
    return far


def _name_features(names: list[str]) -> str:
    return f"Feature {name_all(names)} is" if len(names) == 1 else f"Features {name_all(names)} are"


def _list(told: list[str], most: int = 6) -> str:
    """Return phrases joined by commas, the first of them."""
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")
