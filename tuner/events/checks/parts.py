"""Across parts: copies that lie in train and test, and test events that are unlike those of train.

The labels of the test part are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from tuner.errors import name_all
from tuner.events.checks.copies import count_copies, find_copies
from tuner.events.checks.finding import Finding
from tuner.events.table import Events
from tuner.metrics.curves import auc
from tuner.progress.wording import write_count

MANY_COPIES = 0.01
"""Share of copies from which on they are a warning: the events count for less than they seem."""
N_COMPARED = 10_000
"""Events of each part, at most, that are told apart, drawn at random."""
MIN_COMPARED = 200
SIGNIFICANCE = 1e-4
"""Of a false alarm where train and test are alike."""
MIN_AUC = 0.51
"""Smaller differences are of no consequence, however clear."""


def check_parts(events: Events, parts: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    """Check copies among all events and, where parts are known, across them.

    Args:
        events: All events. Labels are read of the train part only.
        parts: Rows of "train", "validation" and "test"; empty where the events were not split.
    """
    copies = find_copies(events.table)
    yield from _find_copies(events, copies, parts.get("train", np.arange(len(events.labels))))
    if "test" in parts:
        yield from _find_shared(copies, parts)
        yield from _find_difference(events, copies, parts["train"], parts["test"])


def _find_copies(events: Events, copies: np.ndarray | None, rows: np.ndarray) -> Iterator[Finding]:
    n = count_copies(copies)
    if copies is None:
        return
    share = n / len(copies)
    # How many kinds of equal events have both labels, among events whose labels may be read.
    place = np.unique(copies[rows], return_inverse=True)[1]
    is_signal = np.bincount(place, events.labels[rows]) > 0
    n_mixed = int((is_signal & (np.bincount(place, events.labels[rows] == 0) > 0)).sum())
    mixed = f" Of the training events {n_mixed:,} are both signal and background." if n_mixed else ""
    yield Finding(
        code="copies",
        severity="warning" if share > MANY_COPIES or n_mixed else "note",
        sentence=f"{n:,} {'event repeats' if n == 1 else 'events repeat'} another in every feature ({share:.2%}). "
        "Parts that are drawn keep them together, so that none is trained on and tested on; but intervals count each "
        f"as an event of its own.{mixed}",
        advice="Remove copies, unless they were measured apart from each other.",
        figures={"copies": n, "share": share, "mixed": n_mixed},
    )


def _find_shared(copies: np.ndarray | None, parts: Mapping[str, np.ndarray]) -> Iterator[Finding]:
    if copies is None:
        return
    trained = np.concatenate([rows for name, rows in parts.items() if name != "test"])
    n = int(np.isin(copies[parts["test"]], copies[trained]).sum())
    if n:
        yield Finding(
            code="copies-across-parts",
            severity="warning",
            sentence=f"{write_count(n, 'event')} of the test part {'is' if n == 1 else 'are'} also among train and "
            "validation, equal in every feature. Test figures are too good by what a network remembers.",
            advice="Remove them from one of the two, or let the split keep equal events together.",
            figures={"events": n},
        )


def _find_difference(
    events: Events, copies: np.ndarray | None, train: np.ndarray, test: np.ndarray
) -> Iterator[Finding]:
    """Find a difference of train and test by a classifier (two-sample test, arXiv:1610.06545)."""
    train, test = (_draw_single(events, copies, rows) for rows in (train, test))
    if min(len(train), len(test)) < MIN_COMPARED:
        return
    is_test = np.repeat([0, 1], [len(train), len(test)])
    values = events.table.to_numpy()[np.concatenate([train, test])]
    area, p = compare_samples(values, is_test)
    if p < SIGNIFICANCE and area > MIN_AUC:
        names = _rank_features(events, values, is_test)
        yield Finding(
            code="parts-differ",
            severity="warning",
            sentence="A small classifier tells test events from train events by their features (AUC "
            f"{area:.3f}, p = {p:.0e}), most of all by {name_all(names[:3])}. Test figures then measure other events "
            "than those that were trained on.",
            advice="If that is meant (later runs, another simulation), accept it; else draw the parts at random.",
            columns=tuple(names[:3]),
            figures={"auc": area, "p": p},
        )


def _draw_single(events: Events, copies: np.ndarray | None, rows: np.ndarray) -> np.ndarray:
    """Return rows of a part drawn at random, one of each id and of each kind of copies: others are no new evidence."""
    rows = np.random.default_rng(0).permutation(rows)
    for groups in (events.event_id, copies):
        if groups is not None:
            rows = rows[np.sort(np.unique(np.asarray(groups)[rows], return_index=True)[1])]
    return rows[:N_COMPARED]


def compare_samples(values: np.ndarray, is_second: np.ndarray) -> tuple[float, float]:
    """Return how well small boosted trees tell two samples apart: AUC on events that they did not learn from, p value.

    The events are cut into two halves; trees that learnt from one are measured on the other, both ways. Where the
    samples are alike, either AUC is that of Mann and Whitney's test, and the two are taken as independent.

    Args:
        values: Features [n, d], not-a-number where undefined.
        is_second: In {0, 1} [n]; which sample an event is of.
    """
    from scipy.stats import norm
    from sklearn.ensemble import HistGradientBoostingClassifier

    half = np.empty(len(values), np.int64)
    rng = np.random.default_rng(0)
    for sample in (0, 1):
        own = np.flatnonzero(is_second == sample)
        half[rng.permutation(own)] = np.arange(len(own)) % 2
    areas, z = [], 0.0
    for measured in (0, 1):
        trees = HistGradientBoostingClassifier(
            max_iter=20, learning_rate=0.2, max_leaf_nodes=8, early_stopping=False, random_state=0
        )
        labels = is_second[half == measured]
        n_second = int(labels.sum())
        n_first = len(labels) - n_second
        trees.fit(values[half != measured], is_second[half != measured])
        area = float(auc(labels, trees.decision_function(values[half == measured]), np.ones(len(labels))))
        areas.append(area)
        z += (area - 0.5) / np.sqrt((n_first + n_second + 1) / (12.0 * n_first * n_second)) / np.sqrt(2)
    return float(np.mean(areas)), float(norm.sf(z))


def _rank_features(events: Events, values: np.ndarray, is_test: np.ndarray) -> list[str]:
    """Return the features, those of the largest distance of Kolmogorov and Smirnov between the parts first."""
    from scipy.stats import ks_2samp

    filled = np.where(np.isnan(values), -np.inf, values)
    distances = [ks_2samp(column[is_test == 0], column[is_test == 1], method="asymp").statistic for column in filled.T]
    return [events.features[i] for i in np.argsort(distances)[::-1]]
