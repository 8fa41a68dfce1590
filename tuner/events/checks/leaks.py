"""Features that know the label for no reason of physics: by their values, where they are defined, or as a counter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuner.errors import name_all
from tuner.events.checks.examined import Examined
from tuner.events.checks.finding import Finding
from tuner.metrics.curves import auc

LEAK_AUC = 0.995
"""AUC of one feature above which it is hardly physics: the best single variables of analyses stay below .98."""
MIN_EVENTS = 10
"""Of each class: with fewer, one of many features separates them by chance (ten and ten: 1 in 92,378)."""
MIN_COPIED = 20
"""Events of each class from which on a feature that has one value in each is called the label itself."""
N_BINS, EVENTS_PER_BIN = 64, 25
N_LOOKED_AT = 50_000
COLLISIONS = 10.0
"""Whole numbers that are all different are ids where chance would make so many pairs equal: e^-10 for none."""
MANY_COLLISIONS, MAX_REPEATED = 100.0, 0.1
"""So are numbers of which at most this share of the pairs is equal that chance would make, where it would make so
many: files that were put together, or copies, make a few."""
RISING = 0.99
"""Of the steps from event to event go one way in a ramp; where a file ends and the next begins, one may not."""
MIN_ID_AUC, ID_SIGMAS = 0.55, 5.0


def find_counters(examined: Examined) -> list[str]:
    """Return the features that name or order the events."""
    return [name for name, values in examined.columns() if _is_counter(values, examined)]


def check_leaks(examined: Examined, counters: list[str]) -> Iterator[Finding]:
    """Check whether one feature tells the label alone, or where in the file an event is.

    Args:
        examined: The events.
        counters: What `find_counters` returned.
    """
    if counters:
        yield _tell_counters(counters, examined)
    yield from _find_leaks(examined)
    yield from _find_id(examined)


def _find_leaks(examined: Examined) -> Iterator[Finding]:
    if min(np.bincount(examined.labels, minlength=2)) < MIN_EVENTS:
        return
    copied: list[str] = []
    leaks: dict[str, float] = {}
    marked: list[str] = []
    for name, values in examined.columns():
        if _is_label(values, examined.labels):
            copied.append(name)
            continue
        there = [float((~np.isnan(values[examined.labels == label])).mean()) for label in (0, 1)]
        if abs(there[1] - there[0]) > LEAK_AUC:
            marked.append(name)
        elif (area := measure_leak(values, examined)) > LEAK_AUC:
            leaks[name] = area
    if copied:
        yield Finding(
            code="label-in-feature",
            severity="error",
            sentence=f"{_name(copied)} the label in other words: one value (or none) in all signal, another in all "
            "background. A network would learn to read it, and nothing else.",
            advice="Leave it out with `ignored`.",
            columns=tuple(copied),
        )
    for name in sorted(leaks, key=lambda one: -leaks[one]):
        yield Finding(
            code="leak",
            severity="warning",
            sentence=f'Feature "{name}" alone separates signal from background (AUC {leaks[name]:.4f}). That is rarely '
            "physics: is it known only in simulation, or made from the label?",
            advice="If so, leave it out with `ignored`.",
            columns=(name,),
            figures={"auc": leaks[name]},
        )
    for name in marked:
        yield Finding(
            code="leak",
            severity="warning",
            sentence=f'Feature "{name}" is defined for one class only. Its being there gives the label away.',
            advice="Leave it out with `ignored`.",
            columns=(name,),
        )


def measure_leak(values: np.ndarray, examined: Examined) -> float:
    """Return how well a feature [m] alone tells the label: the larger of two AUCs, 0 where neither can be measured.

    One is that of the feature in its better direction, over the events for which it is defined, with event weights or
    without, whichever is less. The other is that of the likelihood ratio in bins of the feature, undefined being a bin,
    filled with one half of the events and measured on the other, both ways; it sees a relation that is not monotone,
    and counts each event as one.
    """
    labels, weights = examined.labels, examined.weights
    defined = ~np.isnan(values)
    areas = [0.0]
    sums = [weights[defined & (labels == label)].sum() for label in (0, 1)]
    if min(np.bincount(labels[defined], minlength=2)) >= MIN_EVENTS and min(sums) > 0:
        # By weights and by counts, as a few events of large weight are separated by chance.
        by_weight = auc(labels[defined], values[defined], weights[defined])
        by_count = auc(labels[defined], values[defined])
        areas.append(max(min(by_weight, by_count), min(1 - by_weight, 1 - by_count)))
    areas.append(_measure_binned(values[:: -(-len(values) // N_LOOKED_AT)], labels[:: -(-len(values) // N_LOOKED_AT)]))
    return float(max(areas))


def _measure_binned(values: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean AUC of binned likelihood ratios, each filled with one half and measured on the other."""
    half = np.random.default_rng(0).permutation(len(values)) % 2
    areas = []
    for own in (0, 1):
        fitted, measured = half == own, half != own
        defined = values[fitted & ~np.isnan(values)]
        n_bins = int(np.clip(fitted.sum() // EVENTS_PER_BIN, 2, N_BINS))
        levels = np.linspace(0, 1, n_bins + 1)[1:-1]
        starts = np.unique(np.quantile(defined, levels, method="inverted_cdf")) if len(defined) else np.zeros(0)
        # Bins end at data values: below, at, and above each of them, so that few values have a bin each.
        place = np.searchsorted(starts, values, "left") + np.searchsorted(starts, values, "right")
        bins = np.where(np.isnan(values), 2 * len(starts) + 1, place)
        counts = np.stack([_count(bins[fitted & (labels == label)], len(starts)) for label in (0, 1)])
        shares = (counts + 0.5) / (counts.sum(axis=1, keepdims=True) + 1)
        if len(np.unique(labels[measured])) == 2:
            ratio = (shares[1] / (shares[0] + shares[1]))[bins[measured]]
            areas.append(float(auc(labels[measured], ratio, np.ones(measured.sum()))))
    return float(np.mean(areas)) if areas else 0.0


def _count(bins: np.ndarray, n_starts: int) -> np.ndarray:
    return np.bincount(bins, minlength=2 * n_starts + 2)


def _is_label(values: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether a feature [m] has one value, or none, in all signal, and another in all background."""
    signal, background = values[labels == 1], values[labels == 0]
    if min(len(signal), len(background)) < MIN_COPIED:
        return False
    kinds = [np.unique(np.nan_to_num(own, nan=np.inf)) for own in (signal, background)]
    return len(kinds[0]) == len(kinds[1]) == 1 and kinds[0][0] != kinds[1][0]


def _is_counter(values: np.ndarray, examined: Examined) -> bool:
    """Return whether a feature [m] names the events: a ramp along the file, or whole numbers that never repeat."""
    if len(values) < 100 or np.isnan(values).any():
        return False
    classes = [values, *(values[examined.labels == label] for label in (0, 1))]
    ramps = [_is_ramp(own) for own in classes]
    if ramps[0] or (ramps[1] and ramps[2]):
        return True
    hardly = [_hardly_repeats(own) for own in classes]  # each class may have been numbered by itself
    return hardly[0] or (hardly[1] and hardly[2])


def _is_ramp(values: np.ndarray) -> bool:
    """Return whether values [m] rise, or fall, from event to event in `RISING` of the cases."""
    if len(values) < 20:
        return False
    signs = np.sign(np.diff(values))
    return bool(abs(signs.sum()) > 0.5 * len(signs) and max((signs >= 0).mean(), (signs <= 0).mean()) > RISING)


def _hardly_repeats(values: np.ndarray) -> bool:
    """Return whether values [m] are whole numbers of which hardly two are equal, though chance would make many so."""
    if not len(values) or (values % 1).any():
        return False
    expected = len(values) ** 2 / (2.0 * (float(np.ptp(values)) + 1))
    if expected <= COLLISIONS:
        return False
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    n_pairs = (counts * (counts - 1) / 2).sum()
    return bool(n_pairs == 0 or (expected > MANY_COLLISIONS and n_pairs < MAX_REPEATED * expected))


def _tell_counters(names: list[str], examined: Examined) -> Finding:
    which = f"Feature {name_all(names)} names" if len(names) == 1 else f"Features {name_all(names)} name"
    return Finding(
        code="index-as-feature",
        severity="warning",
        sentence=f"{which} or orders the events: it rises from each to the next, or is a whole number that hardly "
        f"ever repeats{examined.only}. A network would learn from it where in the file an event stood, which says "
        "nothing of new events.",
        advice="If it is an index, an event number or a time, make it `event_id` or leave it out with `ignored`; if "
        "the file is sorted by a quantity that you measure, accept the finding.",
        columns=tuple(names),
    )


def _find_id(examined: Examined) -> Iterator[Finding]:
    """Find an event id whose size goes with the class; the first event of each id counts."""
    if examined.event_id is None or not np.issubdtype(examined.event_id.dtype, np.number):
        return
    ids, first = np.unique(examined.event_id, return_index=True)
    labels = examined.labels[first]
    n_background, n_signal = np.bincount(labels, minlength=2)
    if min(n_background, n_signal) < MIN_EVENTS:
        return
    area = float(auc(labels, ids.astype(np.float64), np.ones(len(ids))))
    # Standard deviation of the AUC where it is 1/2 (Mann and Whitney 1947).
    deviation = np.sqrt((n_signal + n_background + 1) / (12.0 * n_signal * n_background))
    better = max(area, 1 - area)
    if better > MIN_ID_AUC and better - 0.5 > ID_SIGMAS * deviation:
        yield Finding(
            code="id-tells-label",
            severity="note",
            sentence=f"The event id goes with the class (AUC {better:.3f}): signal and background were numbered "
            "apart. No network sees the id, but a feature that follows it, or parts taken by it, would tell the class.",
            advice="Mind it where you split by the id, and keep other counters out of the features.",
            figures={"auc": better},
        )


def _name(names: list[str]) -> str:
    return f"Feature {name_all(names)} is" if len(names) == 1 else f"Features {name_all(names)} are each"
